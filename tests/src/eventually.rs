//! The one way to wait for something that another process does.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{sleep, timeout};

/// How long anything may take that should happen soon, on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(20);

/// How often it is looked.
const INTERVAL: Duration = Duration::from_millis(10);

/// Looks until `attempt` succeeds.
///
/// # Panics
/// If it has not within [`LIMIT`]; with the last failure.
pub async fn eventually<T>(what: &str, mut attempt: impl AsyncFnMut() -> Result<T>) -> T {
    let mut last = None;
    let found = timeout(LIMIT, async {
        loop {
            match attempt().await {
                Ok(found) => return found,
                Err(failure) => last = Some(failure),
            }
            sleep(INTERVAL).await;
        }
    });
    match found.await.with_context(|| format!("{what}: not within {LIMIT:?}")) {
        Ok(found) => found,
        Err(late) => panic!("{:#}", last.map_or(late, |last| last.context(format!("{what}: not within {LIMIT:?}")))),
    }
}

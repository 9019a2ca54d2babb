//! Follows a catalog's feed into a database of its own until it is told to stop, or killed: a consumer for journeys.
//!
//! `follow-products CATALOG DATABASE LEASE_MS` prints one JSON object whenever something has changed.

use std::{io::Write as _, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::json;
use store::{Config, Store, follow::Status};
use system_tests::{SCHEMA, channel, copying};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [catalog, database, lease] = &arguments[..] else {
        anyhow::bail!("usage: follow-products CATALOG DATABASE LEASE_MS")
    };
    let lease = Duration::from_millis(lease.parse().context("LEASE_MS")?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let own = Store::open(Config::parse(database)?, SCHEMA, runtime.handle().clone()).await?;
        let follow = copying(channel(catalog), own.clone(), lease);
        let telling = tokio::spawn(tell(follow.status()));
        let told = async move {
            let _none_is_an_end_too = terminate.recv().await;
        };
        follow.run(told).await;
        own.close().await;
        telling.await?
    })
}

/// Prints every status until the follower is gone.
async fn tell(mut status: watch::Receiver<Status>) -> Result<()> {
    loop {
        let Status { role, applied, connects, dead_letters, position, .. } = *status.borrow_and_update();
        let line = json!({
            "role": format!("{role:?}"),
            "applied": applied,
            "connects": connects,
            "dead_letters": dead_letters,
            "position": position,
        });
        writeln!(std::io::stdout(), "{line}")?;
        if status.changed().await.is_err() {
            return Ok(());
        }
    }
}

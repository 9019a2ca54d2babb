//! Keeps the cache in step with the catalog's own feed, in every replica.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::histogram::Histogram;
use store::feed::{Changes, News};

use crate::cache::Cache;

/// Drops what other replicas change until the store is closed, and notes how old each change was by then. This one's own
/// changes are dropped before they are answered, and are no news here.
pub(crate) async fn follow(mut changes: Changes, cache: Arc<Cache>, lag: Histogram) {
    while let Some(news) = changes.next().await {
        match news {
            News::Skipped { position } => cache.skip(position),
            News::Events(events) => {
                let mut newest_us = None;
                for event in &events {
                    if cache.change(&event.key, event.position) {
                        newest_us = Some(event.time_us);
                    }
                }
                if let Some(last) = events.last() {
                    cache.follow(last.position);
                }
                if let Some(made_us) = newest_us {
                    lag.observe(age(made_us).as_secs_f64());
                }
            }
        }
    }
}

fn age(made_us: i64) -> Duration {
    let made = Duration::from_micros(u64::try_from(made_us).unwrap_or_default());
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(made)
}

//! Says that the service is ready while there is an index that may answer.
//!
//! An index that is out of date still answers, and says so; one that was never whole, or is damaged, does not.

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::time::timeout;

use crate::index::Index;

/// How often it is looked whether answers are stale.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Keeps the health of the service called `name` in step with its index, for as long as the process lives. Whoever starts the
/// service says first that it is not ready.
pub(crate) async fn follow(health: mesh::Health, name: &'static str, index: Index, stale: Gauge) {
    let mut status = index.status();
    loop {
        let ready = status.borrow_and_update().ready;
        health.set(name, ready);
        stale.set(i64::from(index.freshness(rpc::now_us()).stale));
        // A timeout is as good as a change: both are looked at.
        let _changed = timeout(LOOK_INTERVAL, status.wait_for(|status| status.ready != ready)).await;
    }
}

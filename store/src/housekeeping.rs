//! Removes what has expired: remembered answers, and events beyond the outbox's retention.
//!
//! Each step is a unit of its own with a bounded number of rows, so that nobody waits long behind one.

use std::sync::Arc;

use crate::keeper::ended;
use crate::statement::{Dialect, Statement};
use crate::transaction::{micros, now_us};
use crate::{Error, Limits, Store, Transaction, Unit};

const FORGET: Statement = Statement::dialect(
    "DELETE store_request",
    Dialect {
        sqlite: "DELETE FROM store_request WHERE (scope, rpc, request_id) IN \
                 (SELECT scope, rpc, request_id FROM store_request WHERE expire_us <= $1 ORDER BY expire_us LIMIT $2)",
        postgres: "DELETE FROM store_request WHERE (scope, rpc, request_id) IN \
                   (SELECT scope, rpc, request_id FROM store_request WHERE expire_us <= $1 ORDER BY expire_us LIMIT $2 \
                    FOR UPDATE SKIP LOCKED)",
    },
);

/// The newest event that may go: among the oldest few, expired, and not the newest of all.
const EXPIRED: Statement = Statement::new(
    "SELECT store_outbox expired",
    "SELECT MAX(position) AS position FROM (SELECT position, time_us FROM store_outbox ORDER BY position LIMIT $2) oldest \
     WHERE time_us <= $1 AND position < (SELECT MAX(position) FROM store_outbox)",
);

const REMOVE: Statement = Statement::new("DELETE store_outbox", "DELETE FROM store_outbox WHERE position <= $1");

const RAISE_FLOOR: Statement =
    Statement::new("UPDATE store_feed", "UPDATE store_feed SET floor = $1 WHERE one = 1 AND floor < $1");

/// One step; true when it found as much as it may remove, so that there may be more.
struct Sweep {
    limits: Limits,
}

impl Unit for Sweep {
    const NAME: &'static str = "Housekeeping";
    type Output = bool;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec!["store/housekeeping".to_owned()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<bool, Error> {
        let (now, rows) = (now_us(), self.limits.housekeeping_rows);
        let forgotten = tx.execute(&FORGET, [now.into(), rows.into()]).await?;
        let before = now.saturating_sub(micros(self.limits.outbox_retention));
        let expired: Option<i64> = tx.fetch_one(&EXPIRED, [before.into(), rows.into()]).await?.get("position")?;
        let mut removed = 0;
        if let Some(position) = expired {
            tx.execute(&RAISE_FLOOR, [position.into()]).await?;
            removed = tx.execute(&REMOVE, [position.into()]).await?;
        }
        Ok(forgotten.max(removed) >= u64::from(rows))
    }
}

/// Starts the task. It ends with the store.
pub(crate) fn spawn(store: &Store) {
    let (weak, mut stopped, limits) = (store.downgrade(), store.stopped(), Arc::new(store.limits().clone()));
    store.background().spawn(async move {
        let mut more = false;
        loop {
            if !more {
                tokio::select! {
                    () = ended(&mut stopped) => return,
                    () = tokio::time::sleep(limits.housekeeping_interval) => {}
                }
            }
            let Some(store) = weak.upgrade() else { return };
            more = match store.write(Sweep { limits: (*limits).clone() }).await {
                Ok(more) => more,
                Err(Error::Unavailable { .. } | Error::Closed { .. } | Error::Overloaded { .. }) => false,
                Err(error) => {
                    tracing::warn!(error = %error.chain(), "housekeeping failed");
                    false
                }
            };
        }
    });
}

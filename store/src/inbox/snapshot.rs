//! A snapshot's beginning, and the removal of what it did not name.

use std::sync::Arc;

use super::Core;
use super::consume::{Held, Refused};
use super::effect::Effect;
use crate::statement::Statement;
use crate::transaction::Transaction;
use crate::unit::Unit;

/// Keys that are removed in one unit.
const SWEEP_KEYS: i64 = 100;

const BEGIN: Statement = Statement::new(
    "UPDATE store_inbox snapshot",
    "UPDATE store_inbox SET cursor = '', position = $2, snapshot = snapshot + 1 WHERE source = $1 RETURNING snapshot",
);

const UNNAMED: Statement = Statement::new(
    "SELECT store_inbox_revision unnamed",
    "SELECT key, revision FROM store_inbox_revision WHERE source = $1 AND key > $2 AND present = 1 AND snapshot <> $3 \
     ORDER BY key LIMIT $4",
);

/// Numbers the snapshot. Until it ends there is no cursor: one that is cut short is taken again as a whole.
pub(super) struct Begin<E> {
    pub(super) core: Arc<Core<E>>,
    pub(super) number: i64,
    pub(super) position: u64,
}

impl<E: Effect> Unit for Begin<E> {
    const NAME: &'static str = "BeginSnapshot";
    type Output = i64;
    type Error = Refused;

    fn keys(&self) -> Vec<String> {
        vec![self.core.key()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<i64, Refused> {
        self.core.fence(tx, self.number).await?;
        let position = i64::try_from(self.position).unwrap_or(i64::MAX);
        Ok(tx.fetch_one(&BEGIN, [self.core.source.into(), position.into()]).await?.get("snapshot")?)
    }
}

/// Removes some keys that the snapshot did not name: gives the last and their number, or nothing when none are left.
pub(super) struct Sweep<E> {
    pub(super) core: Arc<Core<E>>,
    pub(super) number: i64,
    pub(super) snapshot: i64,
    pub(super) after: String,
}

impl<E: Effect> Unit for Sweep<E> {
    const NAME: &'static str = "SweepSnapshot";
    type Output = Option<(String, u64)>;
    type Error = Refused;

    fn keys(&self) -> Vec<String> {
        vec![self.core.key()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Option<(String, u64)>, Refused> {
        let Self { core, number, snapshot, after } = self;
        core.fence(tx, *number).await?;
        let values = [core.source.into(), after.as_str().into(), (*snapshot).into(), SWEEP_KEYS.into()];
        let mut removed = Vec::new();
        for row in tx.fetch_all(&UNNAMED, values).await? {
            let key: String = row.get("key")?;
            core.effect.remove(tx, &key).await?;
            // The revision stays: a late change of before is still not applied.
            removed.push(Held { key, revision: row.get("revision")?, snapshot: 0, present: 0 });
        }
        core.hold(tx, removed.iter()).await?;
        Ok(removed.last().map(|last| (last.key.clone(), removed.len() as u64)))
    }
}

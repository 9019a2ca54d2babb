//! What is to go wrong, for all replicas.

use std::sync::Arc;

use ::store::{Connection, Error as StoreError, Statement, Transaction, Unit};

use crate::fault::Plan;

const READ: Statement = Statement::new("SELECT faults", "SELECT plan, revision FROM faults WHERE one = 1");

const SAY: Statement = Statement::new(
    "UPSERT faults",
    "INSERT INTO faults (one, plan, revision) VALUES (1, $1, 1) \
     ON CONFLICT (one) DO UPDATE SET plan = excluded.plan, revision = faults.revision + 1",
);

/// What was said last, and as how manieth.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) plan: Plan,
    /// 0 where nothing was ever said.
    pub(crate) revision: i64,
}

pub(super) async fn read(mut connection: Connection) -> Result<Said, StoreError> {
    let Some(row) = connection.fetch_optional(&READ, []).await? else { return Ok(Said::default()) };
    let text: String = row.get("plan")?;
    let unreadable = |error| StoreError::Corrupt { attempted: "SELECT faults", what: "plan", source: Arc::new(error) };
    Ok(Said { plan: serde_json::from_str(&text).map_err(unreadable)?, revision: row.get("revision")? })
}

/// Says what is to go wrong from now on.
pub(super) struct Say {
    pub(super) plan: Plan,
}

impl Unit for Say {
    const NAME: &'static str = "SetFaults";
    type Output = ();
    type Error = StoreError;

    fn keys(&self) -> Vec<String> {
        vec!["faults".to_owned()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<(), StoreError> {
        let failed = |error| StoreError::Internal { attempted: "encode faults", source: Arc::new(error) };
        let plan = serde_json::to_string(&self.plan).map_err(failed)?;
        tx.execute(&SAY, [plan.into()]).await.map(drop)
    }
}

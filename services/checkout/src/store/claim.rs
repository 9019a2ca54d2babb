//! Takes up orders that are due.

use ::store::{Connection, Dialect, Statement, Transaction, Unit, now};

use super::{Taken, key, load, row};
use crate::error::Error;
use rpc::Capability;

const DUE: Statement = Statement::dialect(
    "SELECT orders due",
    Dialect {
        sqlite: concat!("SELECT order_id FROM orders WHERE wake_us <= ", now!(sqlite), " ORDER BY wake_us LIMIT $1"),
        postgres: concat!(
            "SELECT order_id FROM orders WHERE wake_us <= ",
            now!(postgres),
            " ORDER BY wake_us LIMIT $1"
        ),
    },
);

/// Orders that are due, the longest first.
pub(super) async fn due(mut connection: Connection, most: u32) -> Result<Vec<Capability>, Error> {
    let mut due = Vec::new();
    for found in connection.fetch_all(&DUE, [most.into()]).await? {
        let id: String = found.get("order_id")?;
        due.push(row::id(&id)?);
    }
    Ok(due)
}

/// Takes an order up, if nobody else has.
pub(super) struct Claim {
    pub(super) id: Capability,
    pub(super) lease_us: i64,
}

impl Unit for Claim {
    const NAME: &'static str = "TakeUpOrder";
    type Output = Option<Taken>;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![key(&self.id)]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Option<Taken>, Error> {
        let now_us = tx.now_us();
        let due =
            load::load(tx, &self.id).await?.filter(|found| found.wake_us.is_some_and(|wake_us| wake_us <= now_us));
        let Some(found) = due else { return Ok(None) };
        let (over, lease) = (found.version(), found.lease + 1);
        let mut order = found.order;
        order.take_up(now_us);
        load::save(tx, &order, over, (Some(now_us.saturating_add(self.lease_us)), lease))?;
        Ok(Some(Taken { order, lease, now_us }))
    }
}

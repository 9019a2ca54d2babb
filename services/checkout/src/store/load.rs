//! An order as it is stored: read by one statement, written by one.

use ::store::{Connection, Dialect, Statement, Transaction, now};

use super::row;
use crate::error::{Error, unexpected};
use crate::order::{Order, State};
use rpc::Capability;

/// What makes an order of a row.
macro_rules! columns {
    () => {
        "orders.order_id, orders.state, orders.wake_us, orders.lease, orders.create_us, orders.update_us, \
         orders.revision, orders.placed, orders.progress"
    };
}
pub(super) use columns;

/// One row, whose order may not be there.
const LOAD: Statement = Statement::dialect(
    "SELECT orders",
    Dialect {
        sqlite: concat!(
            "SELECT ",
            now!(sqlite),
            " AS now_us, ",
            columns!(),
            " FROM (SELECT 1) AS one LEFT JOIN orders ON orders.order_id = $1"
        ),
        postgres: concat!(
            "SELECT ",
            now!(postgres),
            " AS now_us, ",
            columns!(),
            " FROM (SELECT 1) AS one LEFT JOIN orders ON orders.order_id = $1"
        ),
    },
);

const INSERT: Statement = Statement::new(
    "INSERT orders",
    "INSERT INTO orders (order_id, state, step_since_us, wake_us, lease, contact_email, create_us, update_us, revision, \
     placed, progress) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (order_id) DO NOTHING",
);

/// Touches the row only as it was read: in its state, under its lease.
const SAVE: Statement = Statement::new(
    "UPDATE orders",
    "UPDATE orders SET state = $2, step_since_us = $3, wake_us = $4, lease = $5, update_us = $6, revision = $7, \
     progress = $8 WHERE order_id = $1 AND state = $9 AND lease = $10 AND revision = $11",
);

const SECRET: Statement = Statement::new("SELECT quote_key", "SELECT secret FROM quote_key");

/// An order inside a unit that has locked it.
#[derive(Debug)]
pub(super) struct Loaded {
    /// The database's clock.
    pub(super) now_us: i64,
    pub(super) found: Option<Found>,
}

/// What is beside an order.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) order: Order,
    pub(super) lease: i64,
    pub(super) wake_us: Option<i64>,
}

/// The version of a row that a unit has read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    state: State,
    lease: i64,
    revision: u64,
}

impl Found {
    pub(super) fn version(&self) -> Version {
        Version { state: self.order.state, lease: self.lease, revision: self.order.revision }
    }
}

pub(super) async fn load(tx: &mut Transaction, id: &Capability) -> Result<Loaded, Error> {
    let row = tx.fetch_one(&LOAD, [id.as_str().into()]).await?;
    Ok(Loaded { now_us: row.get("now_us")?, found: row::found(&row)? })
}

/// An order that must be there.
pub(super) async fn load_known(tx: &mut Transaction, id: &Capability) -> Result<Order, Error> {
    let found = load(tx, id).await?.found;
    Ok(found.ok_or_else(|| unexpected("SELECT orders", "an order that was placed is gone"))?.order)
}

/// Reads an order on a connection that cannot write.
pub(super) async fn read(mut connection: Connection, id: Capability) -> Result<Option<Order>, Error> {
    let row = connection.fetch_one(&LOAD, [id.as_str().into()]).await?;
    Ok(row::found(&row)?.map(|found| found.order))
}

pub(super) async fn secret(mut connection: Connection) -> Result<String, Error> {
    Ok(connection.fetch_one(&SECRET, []).await?.get("secret")?)
}

/// Writes an order that is new, under its first lease.
pub(super) async fn insert(tx: &mut Transaction, order: &Order, wake_us: i64, lease: i64) -> Result<(), Error> {
    let values = [
        order.id.as_str().into(),
        row::state_number(order.state).into(),
        since_us(order).into(),
        wake_us.into(),
        lease.into(),
        order.placed.contact_email.as_str().into(),
        order.create_us.into(),
        order.update_us.into(),
        revision(order.revision).into(),
        row::json(&*order.placed)?.into(),
        row::json(&order.progress)?.into(),
    ];
    one(tx.execute(&INSERT, values).await?)
}

/// Writes what has become of an order, over the version that was read.
pub(super) async fn save(
    tx: &mut Transaction,
    order: &Order,
    over: Version,
    (wake_us, lease): (Option<i64>, i64),
) -> Result<(), Error> {
    let values = [
        order.id.as_str().into(),
        row::state_number(order.state).into(),
        since_us(order).into(),
        wake_us.into(),
        lease.into(),
        order.update_us.into(),
        revision(order.revision).into(),
        row::json(&order.progress)?.into(),
        row::state_number(over.state).into(),
        over.lease.into(),
        revision(over.revision).into(),
    ];
    one(tx.execute(&SAVE, values).await?)
}

fn since_us(order: &Order) -> Option<i64> {
    order.progress.step.as_ref().map(|step| step.since_us)
}

fn revision(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

fn one(rows: u64) -> Result<(), Error> {
    if rows == 1 {
        return Ok(());
    }
    Err(unexpected("UPDATE orders", "somebody else changed what this unit had locked").into())
}

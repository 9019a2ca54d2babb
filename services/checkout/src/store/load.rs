//! An order as it is stored: read by one statement, written by one.

use ::store::{Connection, Dialect, Lookup, Statement, Transaction};
use serde::Serialize;

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

const LOAD: Statement =
    Statement::new("SELECT orders", concat!("SELECT ", columns!(), " FROM orders WHERE orders.order_id = $1"));

/// What says whether an order is still what somebody has taken up.
const VERSION: Statement = Statement::dialect(
    "SELECT orders version",
    Dialect {
        sqlite: "SELECT wanted.key AS wanted, state, lease, revision FROM json_each($1) AS wanted \
                 CROSS JOIN orders ON orders.order_id = wanted.value",
        postgres: "SELECT wanted.number - 1 AS wanted, state, lease, revision \
                   FROM json_array_elements_text($1::json) WITH ORDINALITY AS wanted(value, number) \
                   JOIN orders ON orders.order_id = wanted.value",
    },
);

const INSERT: Statement = Statement::dialect(
    "INSERT orders",
    Dialect {
        sqlite: "INSERT INTO orders (order_id, state, step_since_us, wake_us, lease, contact_email, create_us, update_us, \
                 revision, placed, progress) SELECT value ->> 'order_id', value ->> 'state', value ->> 'step_since_us', \
                 value ->> 'wake_us', value ->> 'lease', value ->> 'contact_email', value ->> 'create_us', \
                 value ->> 'update_us', value ->> 'revision', value ->> 'placed', value ->> 'progress' \
                 FROM jsonb_each($1) WHERE true ON CONFLICT (order_id) DO NOTHING",
        postgres: "INSERT INTO orders (order_id, state, step_since_us, wake_us, lease, contact_email, create_us, update_us, \
                   revision, placed, progress) SELECT listed.order_id, listed.state, listed.step_since_us, listed.wake_us, \
                   listed.lease, listed.contact_email, listed.create_us, listed.update_us, listed.revision, listed.placed, \
                   listed.progress FROM json_to_recordset($1::json) AS listed(state bigint, step_since_us bigint, wake_us \
                   bigint, lease bigint, create_us bigint, update_us bigint, revision bigint, order_id text, contact_email \
                   text, placed text, progress text) ON CONFLICT (order_id) DO NOTHING",
    },
);

/// Touches a row only as it was read: in its state, under its lease.
const SAVE: Statement = Statement::dialect(
    "UPDATE orders",
    Dialect {
        sqlite: "UPDATE orders SET state = value ->> 'state', step_since_us = value ->> 'step_since_us', \
                 wake_us = value ->> 'wake_us', lease = value ->> 'lease', update_us = value ->> 'update_us', \
                 revision = value ->> 'revision', progress = value ->> 'progress' FROM jsonb_each($1) AS listed \
                 WHERE order_id = value ->> 'order_id' AND orders.state = value ->> 'over_state' \
                 AND orders.lease = value ->> 'over_lease' AND orders.revision = value ->> 'over_revision'",
        postgres: "UPDATE orders SET state = listed.state, step_since_us = listed.step_since_us, wake_us = listed.wake_us, \
                   lease = listed.lease, update_us = listed.update_us, revision = listed.revision, progress = listed.progress \
                   FROM json_to_recordset($1::json) AS listed(state bigint, step_since_us bigint, wake_us bigint, lease \
                   bigint, update_us bigint, revision bigint, over_state bigint, over_lease bigint, over_revision bigint, \
                   progress text, order_id text) WHERE orders.order_id = listed.order_id AND orders.state = listed.over_state \
                   AND orders.lease = listed.over_lease AND orders.revision = listed.over_revision",
    },
);

const SECRET: Statement = Statement::new("SELECT quote_key", "SELECT secret FROM quote_key");

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
    pub(super) state: State,
    pub(super) lease: i64,
    pub(super) revision: u64,
}

/// A row as it is written.
#[derive(Serialize)]
struct Written<'a> {
    order_id: &'a str,
    state: i64,
    step_since_us: Option<i64>,
    wake_us: Option<i64>,
    lease: i64,
    update_us: i64,
    revision: u64,
    progress: String,
    #[serde(flatten)]
    new: Option<New<'a>>,
    #[serde(flatten)]
    over: Option<Over>,
}

/// What a row has from its first day on.
#[derive(Serialize)]
struct New<'a> {
    contact_email: &'a str,
    create_us: i64,
    placed: String,
}

/// The version that is written over.
#[derive(Serialize)]
struct Over {
    over_state: i64,
    over_lease: i64,
    over_revision: u64,
}

impl Found {
    pub(super) fn version(&self) -> Version {
        Version { state: self.order.state, lease: self.lease, revision: self.order.revision }
    }
}

/// What finds the version of an order.
pub(super) fn version(id: &Capability) -> Lookup {
    Lookup::new(VERSION, id.as_str())
}

/// Finds the version of an order.
pub(super) async fn find_version(tx: &mut Transaction, id: &Capability) -> Result<Option<Version>, Error> {
    let Some(row) = tx.look_up_optional(&version(id)).await? else { return Ok(None) };
    Ok(Some(Version {
        state: row::state(row.get("state")?)?,
        lease: row.get("lease")?,
        revision: row.get("revision")?,
    }))
}

pub(super) async fn load(tx: &mut Transaction, id: &Capability) -> Result<Option<Found>, Error> {
    let row = tx.fetch_optional(&LOAD, [id.as_str().into()]).await?;
    Ok(row.map(|row| row::found(&row)).transpose()?)
}

/// An order that must be there.
pub(super) async fn load_known(tx: &mut Transaction, id: &Capability) -> Result<Order, Error> {
    let found = load(tx, id).await?;
    Ok(found.ok_or_else(|| unexpected("SELECT orders", "an order that was placed is gone"))?.order)
}

/// Reads an order on a connection that cannot write.
pub(super) async fn read(mut connection: Connection, id: Capability) -> Result<Option<Order>, Error> {
    let row = connection.fetch_optional(&LOAD, [id.as_str().into()]).await?;
    Ok(row.map(|row| row::found(&row)).transpose()?.map(|found| found.order))
}

pub(super) async fn secret(mut connection: Connection) -> Result<String, Error> {
    Ok(connection.fetch_one(&SECRET, []).await?.get("secret")?)
}

/// Writes an order that is new, under its first lease.
pub(super) fn insert(tx: &mut Transaction, order: &Order, wake_us: i64, lease: i64) -> Result<(), Error> {
    let new = New {
        contact_email: &order.placed.contact_email,
        create_us: order.create_us,
        placed: row::json(&*order.placed)?,
    };
    let row = Written { new: Some(new), ..written(order, Some(wake_us), lease)? };
    Ok(tx.put(&INSERT, &row)?)
}

/// Writes what has become of an order, over the version that was read.
pub(super) fn save(
    tx: &mut Transaction,
    order: &Order,
    over: Version,
    (wake_us, lease): (Option<i64>, i64),
) -> Result<(), Error> {
    let Version { state, lease: over_lease, revision: over_revision } = over;
    let over = Over { over_state: row::state_number(state), over_lease, over_revision };
    let row = Written { over: Some(over), ..written(order, wake_us, lease)? };
    Ok(tx.put(&SAVE, &row)?)
}

fn written(order: &Order, wake_us: Option<i64>, lease: i64) -> Result<Written<'_>, Error> {
    Ok(Written {
        order_id: order.id.as_str(),
        state: row::state_number(order.state),
        step_since_us: order.progress.step.as_ref().map(|step| step.since_us),
        wake_us,
        lease,
        update_us: order.update_us,
        revision: order.revision,
        progress: row::json(&order.progress)?,
        new: None,
        over: None,
    })
}

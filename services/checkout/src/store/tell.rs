//! Tells others what became of an order, in the unit that made it so.

use ::store::{Dialect, NewEvent, Statement, Transaction};
use serde::Serialize;

use super::{Wire, row, subject};
use crate::error::Error;
use crate::order::Order;
use crate::saga::Change;

macro_rules! on_conflict {
    () => {
        "ON CONFLICT (order_id) DO UPDATE SET kind = excluded.kind, revision = excluded.revision, \
         time_us = excluded.time_us, payload = excluded.payload"
    };
}

/// The newest event of an order, for snapshots.
const KEEP: Statement = Statement::dialect(
    "UPSERT order_events",
    Dialect {
        sqlite: concat!(
            "INSERT INTO order_events (order_id, kind, revision, time_us, payload) \
             SELECT value ->> 'order_id', value ->> 'kind', value ->> 'revision', value ->> 'time_us', \
             unhex(value ->> 'payload') FROM jsonb_each($1) WHERE true ",
            on_conflict!()
        ),
        postgres: concat!(
            "INSERT INTO order_events (order_id, kind, revision, time_us, payload) SELECT listed.order_id, listed.kind, \
             listed.revision, listed.time_us, decode(listed.payload, 'hex') FROM json_to_recordset($1::json) AS listed(kind \
             bigint, revision bigint, time_us bigint, order_id text, payload text) ",
            on_conflict!()
        ),
    },
);

/// A row of [`KEEP`].
#[derive(Serialize)]
struct Kept<'a> {
    order_id: &'a str,
    kind: i64,
    revision: u64,
    time_us: i64,
    /// Hexadecimal digits.
    payload: String,
}

/// Gives out a change that has been stamped, where others are told of it.
pub(super) fn tell(
    tx: &mut Transaction,
    order: &Order,
    change: &Change,
    wire: Wire,
    traceparent: Option<String>,
) -> Result<(), Error> {
    let Change::Told(tale) = change else { return Ok(()) };
    let (key, payload) = (order.id.as_str(), (wire.event)(order, tale));
    let kept = Kept {
        order_id: key,
        kind: row::tale_number(tale),
        revision: order.revision,
        time_us: order.update_us,
        payload: hex::encode(&payload),
    };
    tx.put(&KEEP, &kept)?;
    let event =
        NewEvent { r#type: (wire.event_type)(tale), subject: subject(key), key: key.to_owned(), payload, traceparent };
    Ok(tx.emit_at(event, order.revision)?)
}

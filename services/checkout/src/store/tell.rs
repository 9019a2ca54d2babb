//! Tells others what became of an order, in the unit that made it so.

use ::store::{NewEvent, Statement, Transaction};

use super::{Wire, row, subject};
use crate::error::{Error, unexpected};
use crate::order::Order;
use crate::saga::{Change, Tale};

/// The newest event of an order, for snapshots.
const KEEP: Statement = Statement::new(
    "UPSERT order_events",
    "INSERT INTO order_events (order_id, kind, revision, time_us, payload) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (order_id) DO UPDATE SET kind = excluded.kind, revision = excluded.revision, \
     time_us = excluded.time_us, payload = excluded.payload",
);

/// Counts a change that has been stamped, and gives it out where others are told.
pub(super) async fn tell(
    tx: &mut Transaction,
    order: &Order,
    change: &Change,
    wire: Wire,
    traceparent: Option<String>,
) -> Result<(), Error> {
    match change {
        Change::None => Ok(()),
        Change::Changed => count(tx, order).await,
        Change::Told(tale) => emit(tx, order, tale, wire, traceparent).await,
    }
}

/// Counts a change that nobody else is told.
pub(super) async fn count(tx: &mut Transaction, order: &Order) -> Result<(), Error> {
    counted(order, tx.revise(order.id.as_str()).await?)
}

async fn emit(
    tx: &mut Transaction,
    order: &Order,
    tale: &Tale,
    wire: Wire,
    traceparent: Option<String>,
) -> Result<(), Error> {
    let payload = (wire.event)(order, tale);
    let revision = i64::try_from(order.revision).unwrap_or(i64::MAX);
    let (key, number) = (order.id.as_str(), row::tale_number(tale));
    let kept = [key.into(), number.into(), revision.into(), order.update_us.into(), payload.as_slice().into()];
    tx.execute(&KEEP, kept).await?;
    let event =
        NewEvent { r#type: (wire.event_type)(tale), subject: subject(key), key: key.to_owned(), payload, traceparent };
    counted(order, tx.emit(event).await?)
}

/// The order's revision is its events'.
fn counted(order: &Order, revision: u64) -> Result<(), Error> {
    if revision == order.revision {
        return Ok(());
    }
    Err(unexpected("emit", "the event's revision is not the order's").into())
}

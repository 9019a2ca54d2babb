//! A reservation and the levels of its products inside a unit: read by one statement, and settled by one row.

use ::store::{Dialect, Lookup, Statement, Transaction, now};
use serde_json::json;

use super::level::Levels;
use super::row::{self, HoldRow};
use crate::error::{Error, unexpected};
use crate::reservation::{OrderId, Reservation, State};
use crate::stock::ProductId;

/// A row for each product, at least one; the lines of the reservation are in the first.
macro_rules! columns {
    () => {
        " AS wanted, reservations.state, reservations.create_us, reservations.expire_us, \
         reservations.update_us AS reservation_update_us, product.value AS product_id, stock.on_hand, stock.reserved, \
         stock.sold, stock.received, stock.update_us, stock.revision, "
    };
}

const LOAD: Statement = Statement::dialect(
    "SELECT reservations",
    Dialect {
        sqlite: concat!(
            "SELECT wanted.key",
            columns!(),
            "CASE WHEN COALESCE(product.key, 0) = 0 THEN reservations.lines END AS lines \
             FROM json_each($1) AS wanted LEFT JOIN reservations ON reservations.order_id = wanted.value ->> 0 \
             LEFT JOIN json_each(wanted.value, '$[1]') AS product ON true \
             LEFT JOIN stock ON stock.product_id = product.value ORDER BY wanted.key, product.key"
        ),
        postgres: concat!(
            "SELECT wanted.number - 1",
            columns!(),
            "CASE WHEN COALESCE(product.number, 1) = 1 THEN reservations.lines END AS lines \
             FROM json_array_elements($1::json) WITH ORDINALITY AS wanted(value, number) \
             LEFT JOIN reservations ON reservations.order_id = wanted.value ->> 0 \
             LEFT JOIN json_array_elements_text(wanted.value -> 1) WITH ORDINALITY AS product(value, number) ON true \
             LEFT JOIN stock ON stock.product_id = product.value ORDER BY wanted.number, product.number"
        ),
    },
);

/// A row if any reservation of any order is active and over.
const ANY_OVERDUE: Statement = Statement::dialect(
    "SELECT reservations overdue",
    Dialect {
        sqlite: concat!(
            "SELECT 1 AS found FROM reservations WHERE state = 1 AND expire_us <= ",
            now!(sqlite),
            " LIMIT 1"
        ),
        postgres: concat!(
            "SELECT 1 AS found FROM reservations WHERE state = 1 AND expire_us <= ",
            now!(postgres),
            " LIMIT 1"
        ),
    },
);

const INSERT: Statement = Statement::dialect(
    "INSERT reservations",
    Dialect {
        sqlite: "INSERT INTO reservations (order_id, state, lines, create_us, update_us, expire_us) \
                 SELECT value ->> 'order_id', value ->> 'state', value ->> 'lines', value ->> 'create_us', \
                 value ->> 'update_us', value ->> 'expire_us' FROM jsonb_each($1) WHERE true \
                 ON CONFLICT (order_id) DO NOTHING",
        postgres: "INSERT INTO reservations (order_id, state, lines, create_us, update_us, expire_us) SELECT listed.order_id, \
                   listed.state, listed.lines, listed.create_us, listed.update_us, listed.expire_us FROM \
                   json_to_recordset($1::json) AS listed(state bigint, create_us bigint, update_us bigint, expire_us bigint, \
                   order_id text, lines text) ON CONFLICT (order_id) DO NOTHING",
    },
);

/// Commit, release and expiry exclude each other here, whatever else went wrong: one of them finds the row active.
const SETTLE: Statement = Statement::dialect(
    "UPDATE reservations",
    Dialect {
        sqlite: "UPDATE reservations SET state = value ->> 'state', update_us = value ->> 'update_us' \
                 FROM jsonb_each($1) AS listed WHERE order_id = value ->> 'order_id' AND reservations.state = 1",
        postgres: "UPDATE reservations SET state = listed.state, update_us = listed.update_us FROM \
                   json_to_recordset($1::json) AS listed(state bigint, update_us bigint, order_id text) WHERE \
                   reservations.order_id = listed.order_id AND reservations.state = 1",
    },
);

/// Returns exclude each other by the lines that they start from.
const RETURN: Statement = Statement::dialect(
    "UPDATE reservations lines",
    Dialect {
        sqlite: "UPDATE reservations SET lines = value ->> 'lines', update_us = value ->> 'update_us' \
                 FROM jsonb_each($1) AS listed WHERE order_id = value ->> 'order_id' AND reservations.state = 2 \
                 AND reservations.lines = value ->> 'over'",
        postgres: "UPDATE reservations SET lines = listed.lines, update_us = listed.update_us FROM \
                   json_to_recordset($1::json) AS listed(update_us bigint, lines text, order_id text, over text) WHERE \
                   reservations.order_id = listed.order_id AND reservations.state = 2 AND reservations.lines = listed.over",
    },
);

/// What a unit has locked, as it is.
pub(super) struct Held {
    pub(super) reservation: Option<Reservation>,
    pub(super) levels: Levels,
}

/// What finds a reservation, if one is asked for, and the levels of these products.
pub(super) fn lookup<'a>(order: Option<&OrderId>, products: impl IntoIterator<Item = &'a ProductId>) -> Lookup {
    let products: Vec<&str> = products.into_iter().map(ProductId::as_str).collect();
    Lookup::new(LOAD, json!([order.map(OrderId::as_str), products]))
}

/// Reads what a [`lookup`] finds, by the order that it was made for.
pub(super) async fn load(tx: &mut Transaction, order: Option<&OrderId>, lookup: &Lookup) -> Result<Held, Error> {
    let rows = tx.look_up(lookup).await?;
    let first = rows.first().ok_or_else(|| unexpected("SELECT reservations", "the answer has no row"))?;
    let state: Option<i64> = first.get("state")?;
    let reservation = match (order, state) {
        (Some(order), Some(state)) => Some(row::reservation(first, order, state)?),
        _ => None,
    };
    let mut levels = Levels::default();
    for found in &rows {
        let product: Option<String> = found.get("product_id")?;
        let Some(product) = product else { continue };
        let revision: Option<u64> = found.get("revision")?;
        let level = revision.map(|_| row::level(found)).transpose()?;
        levels.insert(row::product(&product)?, level.unwrap_or_default());
    }
    Ok(Held { reservation, levels })
}

/// Whether units may be held that should not be. Those of products that this unit has locked are: nobody frees them now.
pub(super) async fn any_overdue(tx: &mut Transaction) -> Result<bool, Error> {
    Ok(tx.fetch_optional(&ANY_OVERDUE, []).await?.is_some())
}

/// Writes a reservation that is new.
pub(super) fn insert(tx: &mut Transaction, reservation: &Reservation) -> Result<(), Error> {
    Ok(tx.put(&INSERT, &HoldRow::of(reservation, None)?)?)
}

/// Ends an active reservation in the state that it has now.
pub(super) fn settle(tx: &mut Transaction, reservation: &Reservation) -> Result<(), Error> {
    debug_assert_ne!(reservation.state, State::Active);
    Ok(tx.put(&SETTLE, &HoldRow::of(reservation, None)?)?)
}

/// Writes how many units came back.
pub(super) fn give_back(tx: &mut Transaction, old: &Reservation, new: &Reservation) -> Result<(), Error> {
    Ok(tx.put(&RETURN, &HoldRow::of(new, Some(old))?)?)
}

/// What units of this order lock.
pub(super) fn key(order: &OrderId) -> String {
    format!("order/{}", order.as_str())
}

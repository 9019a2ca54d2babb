//! A reservation and the levels of its products inside a unit: read by one statement, and settled by one row.

use ::store::{Dialect, Statement, Transaction, now};

use super::level::Levels;
use super::row;
use crate::error::{Error, unexpected};
use crate::reservation::{OrderId, Reservation, State};
use crate::stock::ProductId;

/// A row for each product, at least one; the lines of the reservation are in the first.
macro_rules! columns {
    () => {
        " AS now_us, reservations.state, reservations.create_us, reservations.expire_us, \
         reservations.update_us AS reservation_update_us, wanted.value AS wanted, stock.on_hand, stock.reserved, \
         stock.sold, stock.received, stock.update_us, stock.revision, "
    };
}

const LOAD: Statement = Statement::dialect(
    "SELECT reservations",
    Dialect {
        sqlite: concat!(
            "SELECT ",
            now!(sqlite),
            columns!(),
            "CASE WHEN COALESCE(wanted.key, 0) = 0 THEN reservations.lines END AS lines \
             FROM (SELECT 1) AS one LEFT JOIN reservations ON reservations.order_id = $1 \
             LEFT JOIN json_each($2) AS wanted ON true LEFT JOIN stock ON stock.product_id = wanted.value \
             ORDER BY wanted.key"
        ),
        postgres: concat!(
            "SELECT ",
            now!(postgres),
            columns!(),
            "CASE WHEN COALESCE(wanted.number, 1) = 1 THEN reservations.lines END AS lines \
             FROM (SELECT 1) AS one LEFT JOIN reservations ON reservations.order_id = $1 \
             LEFT JOIN json_array_elements_text($2::json) WITH ORDINALITY AS wanted(value, number) ON true \
             LEFT JOIN stock ON stock.product_id = wanted.value ORDER BY wanted.number"
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

const INSERT: Statement = Statement::new(
    "INSERT reservations",
    "INSERT INTO reservations (order_id, state, lines, create_us, update_us, expire_us) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (order_id) DO NOTHING",
);

/// Commit, release and expiry exclude each other here, whatever else went wrong: one of them finds the row active.
const SETTLE: Statement = Statement::new(
    "UPDATE reservations",
    "UPDATE reservations SET state = $2, update_us = $3 WHERE order_id = $1 AND state = 1",
);

/// Returns exclude each other by the lines that they start from.
const RETURN: Statement = Statement::new(
    "UPDATE reservations lines",
    "UPDATE reservations SET lines = $2, update_us = $3 WHERE order_id = $1 AND state = 2 AND lines = $4",
);

/// What a unit has locked, as it is.
pub(super) struct Held {
    /// The database's clock.
    pub(super) now_us: i64,
    pub(super) reservation: Option<Reservation>,
    pub(super) levels: Levels,
}

/// Reads a reservation, if one is asked for, and the levels of these products.
pub(super) async fn load<'a>(
    tx: &mut Transaction,
    order: Option<&OrderId>,
    products: impl IntoIterator<Item = &'a ProductId>,
) -> Result<Held, Error> {
    let wanted = row::ids(products)?;
    let rows = tx.fetch_all(&LOAD, [order.map(OrderId::as_str).map(str::to_owned).into(), wanted.into()]).await?;
    let first = rows.first().ok_or_else(|| unexpected("SELECT reservations", "the answer has no row"))?;
    let state: Option<i64> = first.get("state")?;
    let reservation = match (order, state) {
        (Some(order), Some(state)) => Some(row::reservation(first, order, state)?),
        _ => None,
    };
    let (now_us, mut levels) = (first.get("now_us")?, Levels::default());
    for found in &rows {
        let wanted: Option<String> = found.get("wanted")?;
        let Some(wanted) = wanted else { continue };
        let revision: Option<u64> = found.get("revision")?;
        let level = revision.map(|_| row::level(found)).transpose()?;
        levels.insert(row::product(&wanted)?, level.unwrap_or_default());
    }
    Ok(Held { now_us, reservation, levels })
}

/// Whether units may be held that should not be. Those of products that this unit has locked are: nobody frees them now.
pub(super) async fn any_overdue(tx: &mut Transaction) -> Result<bool, Error> {
    Ok(tx.fetch_optional(&ANY_OVERDUE, []).await?.is_some())
}

/// Writes a reservation that is new.
pub(super) async fn insert(tx: &mut Transaction, reservation: &Reservation) -> Result<(), Error> {
    let values = [
        reservation.order.as_str().into(),
        row::state_number(reservation.state).into(),
        row::lines_text(&reservation.lines)?.into(),
        reservation.create_us.into(),
        reservation.update_us.into(),
        reservation.expire_us.into(),
    ];
    one(tx.execute(&INSERT, values).await?)
}

/// Ends an active reservation in the state that it has now.
pub(super) async fn settle(tx: &mut Transaction, reservation: &Reservation) -> Result<(), Error> {
    debug_assert_ne!(reservation.state, State::Active);
    let state = row::state_number(reservation.state);
    one(tx.execute(&SETTLE, [reservation.order.as_str().into(), state.into(), reservation.update_us.into()]).await?)
}

/// Writes how many units came back.
pub(super) async fn give_back(tx: &mut Transaction, old: &Reservation, new: &Reservation) -> Result<(), Error> {
    let (old, lines) = (row::lines_text(&old.lines)?, row::lines_text(&new.lines)?);
    let values = [new.order.as_str().into(), lines.into(), new.update_us.into(), old.into()];
    one(tx.execute(&RETURN, values).await?)
}

fn one(rows: u64) -> Result<(), Error> {
    if rows == 1 {
        return Ok(());
    }
    Err(unexpected("UPDATE reservations", "somebody else changed what this unit had locked").into())
}

/// What units of this order lock.
pub(super) fn key(order: &OrderId) -> String {
    format!("order/{}", order.as_str())
}

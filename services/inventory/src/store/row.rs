//! Rows, read and written.

use std::sync::Arc;

use ::store::{Error as StoreError, Row};
use serde::Serialize;

use crate::reservation::{Line, OrderId, Reservation, State};
use crate::stock::{Level, ProductId};

/// A level as the upsert takes it, in a JSON list.
#[derive(Serialize)]
pub(super) struct LevelRow<'a> {
    product_id: &'a str,
    on_hand: i64,
    reserved: i64,
    sold: i64,
    received: i64,
    update_us: i64,
    revision: u64,
}

impl<'a> LevelRow<'a> {
    pub(super) fn of(product: &'a ProductId, level: &Level) -> Self {
        let Level { on_hand, reserved, sold, received, update_us, revision } = *level;
        Self { product_id: product.as_str(), on_hand, reserved, sold, received, update_us, revision }
    }
}

/// A reservation as its statements take it, in a JSON list.
#[derive(Serialize)]
pub(super) struct HoldRow<'a> {
    order_id: &'a str,
    state: i64,
    lines: String,
    create_us: i64,
    update_us: i64,
    expire_us: Option<i64>,
    /// The lines that are written over.
    over: Option<String>,
}

impl<'a> HoldRow<'a> {
    pub(super) fn of(reservation: &'a Reservation, over: Option<&Reservation>) -> Result<Self, StoreError> {
        Ok(Self {
            order_id: reservation.order.as_str(),
            state: state_number(reservation.state),
            lines: lines_text(&reservation.lines)?,
            create_us: reservation.create_us,
            update_us: reservation.update_us,
            expire_us: reservation.expire_us,
            over: over.map(|old| lines_text(&old.lines)).transpose()?,
        })
    }
}

/// Reads a level whose columns are all there.
pub(super) fn level(row: &Row) -> Result<Level, StoreError> {
    Ok(Level {
        on_hand: row.get("on_hand")?,
        reserved: row.get("reserved")?,
        sold: row.get("sold")?,
        received: row.get("received")?,
        update_us: row.get("update_us")?,
        revision: row.get("revision")?,
    })
}

pub(super) fn product(id: &str) -> Result<ProductId, StoreError> {
    ProductId::parse(id).ok_or_else(|| corrupt("product_id", Arc::new(std::io::Error::other("it is no id"))))
}

pub(super) fn order(id: &str) -> Result<OrderId, StoreError> {
    OrderId::parse(id).ok_or_else(|| corrupt("order_id", Arc::new(std::io::Error::other("it is no id"))))
}

/// The lines of a reservation as they are stored.
pub(super) fn lines_text(lines: &[Line]) -> Result<String, StoreError> {
    let rows: Vec<_> = lines.iter().map(|line| (line.product.as_str(), line.quantity, line.returned)).collect();
    json(&rows)
}

pub(super) fn lines(text: &str) -> Result<Vec<Line>, StoreError> {
    let rows: Vec<(String, u32, u32)> =
        serde_json::from_str(text).map_err(|error| corrupt("lines", Arc::new(error)))?;
    let line = |(id, quantity, returned): (String, _, _)| Ok(Line { product: product(&id)?, quantity, returned });
    rows.into_iter().map(line).collect()
}

/// Reads a reservation from columns that have their own names, because others are beside them.
pub(super) fn reservation(row: &Row, order: &OrderId, state: i64) -> Result<Reservation, StoreError> {
    let text: String = row.get("lines")?;
    Ok(Reservation {
        order: order.clone(),
        state: self::state(state)?,
        lines: lines(&text)?,
        create_us: row.get("create_us")?,
        update_us: row.get("reservation_update_us")?,
        expire_us: row.get("expire_us")?,
    })
}

pub(super) fn state(number: i64) -> Result<State, StoreError> {
    match number {
        1 => Ok(State::Active),
        2 => Ok(State::Committed),
        3 => Ok(State::Released),
        4 => Ok(State::Expired),
        _ => Err(corrupt("state", Arc::new(std::io::Error::other("it is no state")))),
    }
}

pub(super) fn state_number(state: State) -> i64 {
    match state {
        State::Active => 1,
        State::Committed => 2,
        State::Released => 3,
        State::Expired => 4,
    }
}

/// Ids as one JSON text.
pub(super) fn ids<'a>(products: impl IntoIterator<Item = &'a ProductId>) -> Result<String, StoreError> {
    json(&products.into_iter().map(ProductId::as_str).collect::<Vec<_>>())
}

pub(super) fn json<T: Serialize + ?Sized>(rows: &T) -> Result<String, StoreError> {
    let failed = |error| StoreError::Internal { attempted: "encode rows", source: Arc::new(error) };
    serde_json::to_string(rows).map_err(failed)
}

fn corrupt(what: &'static str, source: ::store::Source) -> StoreError {
    StoreError::Corrupt { attempted: "SELECT reservations", what, source }
}

//! What is in this service's database, for whoever checks it from outside.

use std::collections::HashMap;

use ::store::{Dialect, Error, Range, Reader, Row, Statement};

use super::row;
use crate::reservation;

/// The sums of a product and those of its reservations, in one statement and so of one moment: a unit of the store changes
/// both in one commit. A product that only reservations know is there as well.
macro_rules! wrong {
    ($unfolded:literal, $product:literal, $quantity:literal, $returned:literal) => {
        concat!(
            "SELECT stock.product_id AS known, lines.product_id AS held_of, on_hand, reserved, sold, received, held, bought \
             FROM (SELECT product_id, CAST(SUM(held) AS BIGINT) AS held, CAST(SUM(bought) AS BIGINT) AS bought FROM (SELECT ",
            $product,
            " AS product_id, CASE WHEN state = 1 THEN ",
            $quantity,
            " ELSE 0 END AS held, CASE WHEN state = 2 THEN ",
            $quantity,
            " - ",
            $returned,
            " ELSE 0 END AS bought FROM reservations, ",
            $unfolded,
            " AS line WHERE state IN (1, 2)) AS moved GROUP BY product_id) AS lines \
             FULL JOIN stock ON stock.product_id = lines.product_id \
             WHERE stock.product_id IS NULL OR on_hand < 0 OR reserved < 0 OR sold < 0 \
             OR on_hand + reserved + sold <> received OR reserved <> COALESCE(held, 0) OR sold <> COALESCE(bought, 0) \
             ORDER BY COALESCE(stock.product_id, lines.product_id) LIMIT $1"
        )
    };
}

const WRONG: Statement = Statement::dialect(
    "SELECT stock",
    Dialect {
        sqlite: wrong!("json_each(lines)", "line.value ->> 0", "(line.value ->> 1)", "(line.value ->> 2)"),
        postgres: wrong!(
            "json_array_elements(lines::json)",
            "(line.value ->> 0) COLLATE \"C\"",
            "(line.value ->> 1)::bigint",
            "(line.value ->> 2)::bigint"
        ),
    },
);

const PRODUCTS: Statement = Statement::new("SELECT stock", "SELECT COUNT(*) AS products FROM stock");

const REVISIONS: Statement = Statement::new(
    "SELECT stock",
    "SELECT product_id, revision FROM stock WHERE product_id >= $1 AND product_id <= $2 ORDER BY product_id LIMIT $3",
);

const RESERVATIONS: Statement = Statement::new(
    "SELECT reservations",
    "SELECT order_id, state, lines FROM reservations WHERE order_id >= $1 AND order_id <= $2 ORDER BY order_id LIMIT $3",
);

/// The units of a product, which do not add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// The catalog's id of it.
    pub product_id: String,
    /// On hand, reserved, sold, received. Nothing: inventory has no row of the product, but reservations of it.
    pub units: Option<[i64; 4]>,
    /// What its active reservations add up to.
    pub held: i64,
    /// What its committed ones add up to, without what came back.
    pub bought: i64,
}

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It holds its units.
    Active,
    /// Its units are sold.
    Committed,
    /// It was given up, or closed before it was made.
    Released,
    /// Nobody claimed it in time.
    Expired,
}

/// What an order holds or has bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The order's id.
    pub order_id: String,
    /// Where it stands.
    pub state: State,
    /// Its products, each with its quantity and how many of them came back. None: it was released before it was made.
    pub lines: Vec<(String, u32, u32)>,
}

/// The products whose units do not add up, among themselves or with the reservations.
///
/// # Errors
/// See [`Error`].
pub async fn wrong_levels(reader: &mut Reader, most: u32) -> Result<Vec<Level>, Error> {
    let rows = reader.fetch_all(&WRONG, [most.into()]).await?;
    rows.iter().map(level).collect()
}

/// How many products there are.
///
/// # Errors
/// See [`Error`].
pub async fn products(reader: &mut Reader) -> Result<u64, Error> {
    reader.fetch_all(&PRODUCTS, []).await?.first().map_or(Ok(0), |row| row.get("products"))
}

/// The revisions of the stock of products.
///
/// # Errors
/// See [`Error`].
pub async fn revisions(reader: &mut Reader, range: &Range) -> Result<HashMap<String, u64>, Error> {
    let rows = reader.fetch_all(&REVISIONS, range.values()).await?;
    rows.iter().map(|row| Ok((row.get("product_id")?, row.get("revision")?))).collect()
}

/// Reservations in the order of their orders' ids.
///
/// # Errors
/// See [`Error`].
pub async fn reservations(reader: &mut Reader, range: &Range) -> Result<Vec<Reservation>, Error> {
    let rows = reader.fetch_all(&RESERVATIONS, range.values()).await?;
    rows.iter().map(reservation).collect()
}

fn level(row: &Row) -> Result<Level, Error> {
    let (known, held_of): (Option<String>, Option<String>) = (row.get("known")?, row.get("held_of")?);
    let units = match known {
        Some(_) => Some([row.get("on_hand")?, row.get("reserved")?, row.get("sold")?, row.get("received")?]),
        None => None,
    };
    let sum = |column| row.get::<Option<i64>>(column).map(Option::unwrap_or_default);
    let product_id = known.or(held_of).unwrap_or_default();
    Ok(Level { product_id, units, held: sum("held")?, bought: sum("bought")? })
}

fn reservation(row: &Row) -> Result<Reservation, Error> {
    let (order_id, text): (String, String) = (row.get("order_id")?, row.get("lines")?);
    let state = match row::state(row.get("state")?)? {
        reservation::State::Active => State::Active,
        reservation::State::Committed => State::Committed,
        reservation::State::Released => State::Released,
        reservation::State::Expired => State::Expired,
    };
    let lines =
        row::lines(&text)?.into_iter().map(|line| (line.product.as_str().to_owned(), line.quantity, line.returned));
    Ok(Reservation { order_id, state, lines: lines.collect() })
}

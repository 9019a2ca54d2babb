//! Reads, on connections that cannot write.

use std::collections::HashMap;

use ::store::{Connection, Dialect, Statement, now};

use super::{OVERDUE_MAX, row};
use crate::error::Error;
use crate::reservation::OrderId;
use crate::stock::{Level, ProductId};

const LEVELS: Statement = Statement::dialect(
    "SELECT stock",
    Dialect {
        sqlite: "SELECT product_id, on_hand, reserved, sold, received, update_us, revision FROM stock \
                 WHERE product_id IN (SELECT value FROM json_each($1))",
        postgres: "SELECT product_id, on_hand, reserved, sold, received, update_us, revision FROM stock \
                   WHERE product_id IN (SELECT json_array_elements_text($1::json))",
    },
);

const LINES: Statement =
    Statement::new("SELECT reservations lines", "SELECT lines FROM reservations WHERE order_id = $1");

const OVERDUE: Statement = Statement::dialect(
    "SELECT reservations overdue",
    Dialect {
        sqlite: concat!(
            "SELECT order_id, lines FROM reservations WHERE state = 1 AND expire_us <= ",
            now!(sqlite),
            " ORDER BY expire_us LIMIT $1"
        ),
        postgres: concat!(
            "SELECT order_id, lines FROM reservations WHERE state = 1 AND expire_us <= ",
            now!(postgres),
            " ORDER BY expire_us LIMIT $1"
        ),
    },
);

/// The levels of those of these products that are known.
pub(super) async fn levels(
    mut connection: Connection,
    products: Vec<ProductId>,
) -> Result<HashMap<ProductId, Level>, Error> {
    let mut levels = HashMap::with_capacity(products.len());
    for found in connection.fetch_all(&LEVELS, [row::ids(&products)?.into()]).await? {
        let id: String = found.get("product_id")?;
        levels.insert(row::product(&id)?, row::level(&found)?);
    }
    Ok(levels)
}

/// The products of an order's reservation.
pub(super) async fn products(mut connection: Connection, order: OrderId) -> Result<Vec<ProductId>, Error> {
    let found = connection.fetch_optional(&LINES, [order.as_str().into()]).await?;
    let Some(found) = found else { return Ok(Vec::new()) };
    let text: String = found.get("lines")?;
    Ok(row::lines(&text)?.into_iter().map(|line| line.product).collect())
}

/// Orders whose reservation is active and over, with their products, the oldest first.
pub(super) async fn overdue(mut connection: Connection) -> Result<Vec<(OrderId, Vec<ProductId>)>, Error> {
    let limit = i64::from(OVERDUE_MAX);
    let mut overdue = Vec::new();
    for found in connection.fetch_all(&OVERDUE, [limit.into()]).await? {
        let (order, text): (String, String) = (found.get("order_id")?, found.get("lines")?);
        let products = row::lines(&text)?.into_iter().map(|line| line.product);
        overdue.push((row::order(&order)?, products.collect()));
    }
    Ok(overdue)
}

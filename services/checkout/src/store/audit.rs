//! What is in this service's database, for whoever checks it from outside.

use ::store::{Dialect, Error, Range, Reader, Statement};
use rpc::money::Money;

use super::load::columns;
use super::{PLACE_ORDER, row};
use crate::order::{self, Order};

pub use crate::order::State;

const ORDERS: Statement = Statement::new(
    "SELECT orders",
    concat!("SELECT ", columns!(), " FROM orders WHERE order_id >= $1 AND order_id <= $2 ORDER BY order_id LIMIT $3"),
);

/// Requests and orders that are not one each, in one statement and so of one moment: a unit writes both in one commit.
macro_rules! requests {
    ($text:literal) => {
        concat!(
            "SELECT placed.order_id AS answered, orders.order_id AS placed, requests, request_id FROM (SELECT ",
            $text,
            " AS order_id, COUNT(*) AS requests, MIN(request_id) AS request_id FROM store_request WHERE rpc = $1 \
             GROUP BY 1) AS placed LEFT JOIN orders ON orders.order_id = placed.order_id \
             WHERE orders.order_id IS NULL OR requests > 1 \
             UNION ALL SELECT placed.order_id, orders.order_id, requests, request_id FROM orders LEFT JOIN (SELECT ",
            $text,
            " AS order_id, 0 AS requests, '' AS request_id FROM store_request WHERE rpc = $1 GROUP BY 1) AS placed \
             ON placed.order_id = orders.order_id WHERE placed.order_id IS NULL LIMIT $2"
        )
    };
}

const REQUESTS: Statement = Statement::dialect(
    "SELECT store_request",
    Dialect {
        sqlite: requests!("CAST(answer AS TEXT)"),
        postgres: requests!("encode(answer, 'escape') COLLATE \"C\""),
    },
);

const UNFINISHED: Statement = Statement::new(
    "SELECT orders",
    "SELECT state, COUNT(*) AS orders FROM orders WHERE step_since_us IS NOT NULL GROUP BY state ORDER BY state",
);

/// An order, as far as stock and money have to agree with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// Its id.
    pub order_id: String,
    /// Where it stands.
    pub state: State,
    /// What it costs.
    pub total: Money,
    /// Its products and their quantities.
    pub lines: Vec<(String, u32)>,
    /// The refunds that are done, with their amounts in minor units.
    pub refunds: Vec<(String, i64)>,
}

/// What an order sold, as far as others count it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sale {
    /// The order.
    pub order_id: String,
    /// When it was placed, in microseconds since 1970.
    pub placed_us: i64,
    /// Its products, and how many units of each stand: 0 of an order that came to nothing.
    pub lines: Vec<(String, u32)>,
    /// Whether something is still to be done for it, so that others may not have been told yet.
    pub unfinished: bool,
}

/// A request that does not have its one order, or an order that does not have its one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unpaired {
    /// The answer of this request names an order that is not there.
    NoOrder {
        /// The request.
        request_id: String,
        /// The order.
        order_id: String,
    },
    /// The answers of several requests name this order.
    Shared {
        /// The order.
        order_id: String,
        /// How many requests.
        requests: i64,
    },
    /// No remembered answer names this order.
    NoRequest {
        /// The order.
        order_id: String,
    },
}

/// Orders in the order of their ids.
///
/// # Errors
/// See [`Error`].
pub async fn orders(reader: &mut Reader, range: &Range) -> Result<Vec<Audited>, Error> {
    let mut orders = Vec::new();
    for row in reader.fetch_all(&ORDERS, range.values()).await? {
        orders.push(audited(&row::found(&row)?.order));
    }
    Ok(orders)
}

/// What orders sold, in the order of their ids.
///
/// # Errors
/// See [`Error`].
pub async fn sales(reader: &mut Reader, range: &Range) -> Result<Vec<Sale>, Error> {
    let mut sales = Vec::new();
    for row in reader.fetch_all(&ORDERS, range.values()).await? {
        let order = row::found(&row)?.order;
        let stands = matches!(order.state, State::Confirmed | State::Captured | State::Fulfilled);
        let stands = stands && !order.progress.cancel_requested;
        let refunded = order.refunded_units();
        let units = order.placed.lines.iter().map(|line| {
            let left = line.quantity - refunded.get(line.product.as_str()).copied().unwrap_or_default();
            (line.product.clone(), if stands { left } else { 0 })
        });
        sales.push(Sale {
            order_id: order.id.as_str().to_owned(),
            placed_us: order.create_us,
            lines: units.collect(),
            unfinished: order.progress.step.is_some(),
        });
    }
    Ok(sales)
}

/// The requests and orders that do not belong together one by one.
///
/// # Errors
/// See [`Error`].
pub async fn unpaired(reader: &mut Reader, most: u32) -> Result<Vec<Unpaired>, Error> {
    let mut unpaired = Vec::new();
    for row in reader.fetch_all(&REQUESTS, [PLACE_ORDER.into(), most.into()]).await? {
        let (answered, placed): (Option<String>, Option<String>) = (row.get("answered")?, row.get("placed")?);
        unpaired.push(match (answered, placed) {
            (Some(_), Some(order_id)) => Unpaired::Shared { order_id, requests: row.get("requests")? },
            (Some(order_id), None) => Unpaired::NoOrder { request_id: row.get("request_id")?, order_id },
            (None, order_id) => Unpaired::NoRequest { order_id: order_id.unwrap_or_default() },
        });
    }
    Ok(unpaired)
}

/// How many orders are not at rest, by state.
///
/// # Errors
/// See [`Error`].
pub async fn unfinished(reader: &mut Reader) -> Result<Vec<(State, u64)>, Error> {
    let rows = reader.fetch_all(&UNFINISHED, []).await?;
    rows.iter().map(|row| Ok((row::state(row.get("state")?)?, row.get("orders")?))).collect()
}

fn audited(order: &Order) -> Audited {
    let done = order.progress.refunds.iter().filter(|refund| refund.state == order::RefundState::Done);
    Audited {
        order_id: order.id.as_str().to_owned(),
        state: order.state,
        total: order.placed.money(order.placed.amounts.total),
        lines: order.placed.lines.iter().map(|line| (line.product.clone(), line.quantity)).collect(),
        refunds: done.map(|refund| (refund.id.clone(), refund.amount)).collect(),
    }
}

//! Requests, parsed: everything wrong with one is found at once.

use std::collections::HashSet;

use contracts::inventory::v1 as pb;
use contracts::inventory::v1::stock_adjustment;
use mesh::Violations;
use prost::Message as _;
use prost_types::Duration;
use rpc::{once, principal, request_id};
use store::{Keep, Request};

use crate::reservation::{LINES_MAX, OrderId, Units};
use crate::stock::{Change, ProductId, QUANTITY_MAX, RECEIVED_MAX};

/// The most ids of a batch.
const IDS_MAX: usize = 100;
/// The most lines of a change of what was received.
const ADJUSTMENTS_MAX: usize = 500;
/// How long a reservation holds unless its caller says, and within which limits. Microseconds.
const TTL_DEFAULT_US: i64 = 15 * 60 * SECOND_US;
const TTL_MIN_US: i64 = SECOND_US;
const TTL_MAX_US: i64 = 24 * 60 * 60 * SECOND_US;
const SECOND_US: i64 = 1_000_000;

/// An `AdjustStockRequest`.
#[derive(Debug)]
pub(super) struct Adjust {
    pub(super) lines: Vec<(ProductId, Change)>,
    pub(super) request: Request,
}

/// A `ReserveStockRequest`.
#[derive(Debug)]
pub(super) struct Reserve {
    pub(super) order: OrderId,
    pub(super) lines: Vec<Units>,
    pub(super) ttl_us: i64,
}

/// A `ReturnStockRequest`.
#[derive(Debug)]
pub(super) struct Return {
    pub(super) order: OrderId,
    pub(super) units: Vec<Units>,
    pub(super) request: Request,
}

pub(super) fn product(id: &str) -> Result<ProductId, Violations> {
    ProductId::parse(id).ok_or_else(|| Violations::one("product_id", ProductId::RULE))
}

pub(super) fn order(id: &str) -> Result<OrderId, Violations> {
    OrderId::parse(id).ok_or_else(|| Violations::one("order_id", OrderId::RULE))
}

/// The ids of a batch, each once, in their order.
pub(super) fn distinct_products(ids: &[String]) -> Result<Vec<ProductId>, Violations> {
    if ids.is_empty() || ids.len() > IDS_MAX {
        return Err(Violations::one("product_ids", format!("must be 1 to {IDS_MAX} ids")));
    }
    let mut violations = Violations::default();
    let (mut seen, mut distinct) = (HashSet::with_capacity(ids.len()), Vec::with_capacity(ids.len()));
    for (index, id) in ids.iter().enumerate() {
        match ProductId::parse(id) {
            None => violations.add(format!("product_ids[{index}]"), ProductId::RULE),
            Some(product) => {
                if seen.insert(id) {
                    distinct.push(product);
                }
            }
        }
    }
    violations.check().map(|()| distinct)
}

pub(super) fn adjust(mut request: pb::AdjustStockRequest) -> Result<Adjust, Violations> {
    let mut violations = Violations::default();
    let request_id = request_id(&mut request.request_id, &mut violations);
    let mut lines = Vec::new();
    if request.lines.is_empty() || request.lines.len() > ADJUSTMENTS_MAX {
        violations.add("lines", format!("must be 1 to {ADJUSTMENTS_MAX} changes"));
    } else {
        let mut seen = HashSet::with_capacity(request.lines.len());
        for (index, line) in request.lines.iter().enumerate() {
            let product = line_product(index, &line.product_id, &mut seen, &mut violations);
            let change = change(index, line.change, &mut violations);
            lines.extend(product.zip(change));
        }
    }
    violations.check()?;
    let rpc = "souk.inventory.v1.InventoryService/AdjustStock";
    let request = once(principal(), rpc, request_id, &request.encode_to_vec());
    Ok(Adjust { lines, request })
}

pub(super) fn reserve(request: &pb::ReserveStockRequest) -> Result<Reserve, Violations> {
    let mut violations = Violations::default();
    let order = order_in(&request.order_id, &mut violations);
    let lines = units(&request.lines, 1, &mut violations);
    let ttl_us = match &request.ttl {
        None => TTL_DEFAULT_US,
        Some(ttl) => ttl_us(ttl).unwrap_or_else(|| {
            violations.add("ttl", "must be 1 second to 24 hours");
            TTL_DEFAULT_US
        }),
    };
    violations.clone().check()?;
    let Some(order) = order else { return Err(violations) };
    Ok(Reserve { order, lines, ttl_us })
}

pub(super) fn give_back(mut request: pb::ReturnStockRequest) -> Result<Return, Violations> {
    let mut violations = Violations::default();
    let request_id = request_id(&mut request.request_id, &mut violations);
    let order = order_in(&request.order_id, &mut violations);
    let units = units(&request.lines, 0, &mut violations);
    violations.clone().check()?;
    let Some(order) = order else { return Err(violations) };
    let rpc = "souk.inventory.v1.InventoryService/ReturnStock";
    let request = once(order.as_str(), rpc, request_id, &request.encode_to_vec());
    // As long as the order.
    let request = Request { keep: Keep::Forever, ..request };
    Ok(Return { order, units, request })
}

fn order_in(id: &str, violations: &mut Violations) -> Option<OrderId> {
    let order = OrderId::parse(id);
    if order.is_none() {
        violations.add("order_id", OrderId::RULE);
    }
    order
}

/// Each of another product, at least `min` of them.
fn units(lines: &[pb::StockLine], min: usize, violations: &mut Violations) -> Vec<Units> {
    if lines.len() < min || lines.len() > LINES_MAX {
        violations.add("lines", format!("must be {min} to {LINES_MAX} lines"));
        return Vec::new();
    }
    let (mut seen, mut units) = (HashSet::with_capacity(lines.len()), Vec::with_capacity(lines.len()));
    for (index, line) in lines.iter().enumerate() {
        let product = line_product(index, &line.product_id, &mut seen, violations);
        let quantity = u32::try_from(line.quantity).ok().filter(|quantity| (1..=QUANTITY_MAX).contains(quantity));
        if quantity.is_none() {
            violations.add(format!("lines[{index}].quantity"), format!("must be 1 to {QUANTITY_MAX}"));
        }
        units.extend(product.zip(quantity).map(|(product, quantity)| Units { product, quantity }));
    }
    units
}

fn line_product<'a>(
    index: usize,
    id: &'a str,
    seen: &mut HashSet<&'a str>,
    violations: &mut Violations,
) -> Option<ProductId> {
    let product = ProductId::parse(id);
    if product.is_none() {
        violations.add(format!("lines[{index}].product_id"), ProductId::RULE);
    } else if !seen.insert(id) {
        violations.add(format!("lines[{index}].product_id"), "must differ from the products before it");
    }
    product
}

fn change(index: usize, change: Option<stock_adjustment::Change>, violations: &mut Violations) -> Option<Change> {
    const MOST: i64 = RECEIVED_MAX;
    match change {
        None => {
            violations.add(format!("lines[{index}].change"), "must be set: delta or received");
            None
        }
        Some(stock_adjustment::Change::Delta(delta)) => {
            if delta == 0 || !(-MOST..=MOST).contains(&delta) {
                violations.add(format!("lines[{index}].delta"), format!("must be -{MOST} to {MOST}, and not 0"));
            }
            Some(Change::Delta(delta))
        }
        Some(stock_adjustment::Change::Received(received)) => {
            if !(0..=MOST).contains(&received) {
                violations.add(format!("lines[{index}].received"), format!("must be 0 to {MOST}"));
            }
            Some(Change::Received(received))
        }
    }
}

fn ttl_us(ttl: &Duration) -> Option<i64> {
    let nanos = u32::try_from(ttl.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    let ttl_us = ttl.seconds.checked_mul(SECOND_US)?.checked_add(i64::from(nanos / 1_000))?;
    let whole = ttl_us < TTL_MAX_US || nanos % 1_000 == 0;
    (whole && (TTL_MIN_US..=TTL_MAX_US).contains(&ttl_us)).then_some(ttl_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_holds_for_one_second_to_a_day() {
        let us = |seconds, nanos| ttl_us(&Duration { seconds, nanos });
        assert_eq!(us(1, 0), Some(SECOND_US));
        assert_eq!(us(1, 1_999), Some(SECOND_US + 1));
        assert_eq!(us(86_400, 0), Some(TTL_MAX_US));
        for (seconds, nanos) in
            [(0, 0), (0, 999_999_999), (86_400, 1), (86_401, 0), (-5, 0), (5, -1), (5, 1_000_000_000)]
        {
            assert_eq!(us(seconds, nanos), None, "{seconds} s {nanos} ns");
        }
        assert_eq!(us(i64::MAX, 0), None);
    }

    #[tokio::test]
    async fn a_retry_is_known_by_its_content_and_by_whom_or_which_order_it_is_for() {
        let id = "3F2a8d4e-0b6c-4f6e-9c1d-2a7b5e8f9d10";
        let adjustment = |received| {
            let change = Some(stock_adjustment::Change::Received(received));
            let line = pb::StockAdjustment { product_id: "mug".into(), change };
            adjust(pb::AdjustStockRequest { lines: vec![line], request_id: id.into() }).unwrap().request
        };
        assert_eq!((adjustment(1).request_id, adjustment(1).scope), (id.to_lowercase(), "anonymous".into()));
        assert_eq!(adjustment(1).fingerprint, adjustment(1).fingerprint);
        assert_ne!(adjustment(1).fingerprint, adjustment(2).fingerprint);
        let order_id = "0123456789abcdef0123456789abcdef".to_owned();
        let returned = pb::ReturnStockRequest { order_id: order_id.clone(), lines: vec![], request_id: id.into() };
        let returned = give_back(returned).unwrap().request;
        assert_eq!((returned.scope, returned.keep), (order_id, Keep::Forever));
    }
}

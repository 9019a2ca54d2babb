//! What was sold lately by checkout's orders, as search counts it.

use std::collections::HashMap;

use anyhow::Context as _;
use store::Range;

use super::databases::Databases;

/// Orders in a page.
const PAGE: u32 = 1_000;
/// How many days count, the current one included.
const DAYS: i64 = 30;
const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

/// What was sold of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sold {
    /// So many units.
    Units(u64),
    /// Something of it is not settled, of which others are told later.
    Unsettled,
}

/// What was sold of each product that was.
pub(super) async fn sold(databases: &mut Databases) -> anyhow::Result<HashMap<String, Sold>> {
    let today = rpc::now_us() / DAY_US;
    let (mut sold, mut after) = (HashMap::new(), String::new());
    loop {
        let page = checkout::audit::sales(&mut databases.checkout, &Range::after(&after, PAGE)).await;
        let page = page.context("read checkout")?;
        let Some(last) = page.last() else { return Ok(sold) };
        after.clone_from(&last.order_id);
        for sale in page {
            let counts = sale.placed_us / DAY_US > today - DAYS;
            for (product, units) in sale.lines.into_iter().filter(|_| counts || sale.unfinished) {
                let sum = sold.entry(product).or_insert(Sold::Units(0));
                match sum {
                    Sold::Units(_) if sale.unfinished => *sum = Sold::Unsettled,
                    Sold::Units(sum) => *sum += u64::from(units),
                    Sold::Unsettled => {}
                }
            }
        }
    }
}

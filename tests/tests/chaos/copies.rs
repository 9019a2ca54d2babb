//! What search has copied of the others once it is quiet (I5): each product that was on sale, whether it is in stock, and
//! how many units of it the orders have.

use std::time::Duration;

use contracts::{
    checkout::v1::OrderSummary,
    search::v1::{Availability, SearchHit, SearchProductsRequest},
};
use system_tests::{Kept, search};

use crate::{plan::Plan, quiet::until, stock};

/// How long a copy may be behind its source.
const CAUGHT_UP: Duration = Duration::from_secs(60);

/// What a copy says that its source does not.
pub(crate) async fn audit(fleet: &Kept, plan: &Plan, orders: &[OrderSummary]) -> Vec<String> {
    let mut last = Vec::new();
    let caught_up = tokio::time::timeout(CAUGHT_UP, async {
        loop {
            last = differences(&hits(fleet).await, plan, orders);
            if last.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    if caught_up.await.is_ok() { Vec::new() } else { last }
}

async fn hits(fleet: &Kept) -> Vec<SearchHit> {
    until("search answers", CAUGHT_UP, async || {
        let mut request = SearchProductsRequest { page_size: 100, ..SearchProductsRequest::default() };
        let mut all = Vec::new();
        loop {
            let page = search(&fleet.edge).search_products(request.clone()).await?.into_inner();
            all.extend(page.hits);
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            request.page_token = page.next_page_token;
        }
    })
    .await
}

fn differences(hits: &[SearchHit], plan: &Plan, orders: &[OrderSummary]) -> Vec<String> {
    let mut wrong = Vec::new();
    for product in plan.products() {
        let sold = stock::sold(orders, &product.id);
        let expected = if sold < product.units { Availability::InStock } else { Availability::OutOfStock };
        let found: Vec<_> = hits.iter().filter(|hit| hit.product_id == product.id).collect();
        let same = |hit: &&SearchHit| hit.popularity == sold && hit.availability() == expected;
        if found.len() != 1 || !found.iter().all(same) {
            wrong.push(format!("I5: {} has {sold} units sold and is {expected:?}; search has {found:?}", product.id));
        }
    }
    wrong
}

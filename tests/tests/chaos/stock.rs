//! What is on sale, and whether its units add up.

use std::time::Duration;

use anyhow::ensure;
use contracts::{
    cart::v1::AddItemRequest,
    checkout::v1::{OrderState, OrderSummary},
    inventory::v1::GetStockRequest,
};
use system_tests::{Kept, Shopper, cart, inventory, uuid};

use crate::{plan::Plan, quiet::until};

/// How long carts may take to know what is on sale, and the inventory to answer.
const KNOWN: Duration = Duration::from_secs(60);

/// Puts everything on sale, and waits until carts know it.
pub(crate) async fn sell(operator: &Shopper, edge: &str, plan: &Plan) {
    for product in plan.products() {
        operator.sell(&product.id, product.units).await;
        let (product_id, quantity) = (product.id, 1);
        let add =
            || AddItemRequest { product_id: product_id.clone(), quantity, request_id: uuid(), ..Default::default() };
        until("carts know the product", KNOWN, async || Ok(cart(edge).add_item(add()).await?)).await;
    }
}

/// What is wrong with the stock, once every order is at rest: units that do not add up (I1), or not to the orders.
pub(crate) async fn audit(fleet: &Kept, plan: &Plan, orders: &[OrderSummary]) -> Vec<String> {
    let mut wrong = Vec::new();
    for product in plan.products() {
        let request = GetStockRequest { product_id: product.id.clone() };
        let stock = until("the stock is known", KNOWN, async || {
            let stock = inventory(&fleet.edge).get_stock(request.clone()).await?.into_inner().stock;
            ensure!(stock.is_some(), "an answer without stock");
            Ok(stock.unwrap())
        })
        .await;
        let sold = sold(orders, &product.id);
        let expected = (product.units - sold, 0, sold, product.units);
        if (stock.on_hand, stock.reserved, stock.sold, stock.received) != expected || stock.on_hand < 0 {
            wrong.push(format!(
                "I1: (on hand, reserved, sold, received) is not {expected:?} by the orders in {stock:?}"
            ));
        }
    }
    wrong
}

/// The units that orders have and have not given back.
pub(crate) fn sold(orders: &[OrderSummary], product: &str) -> i64 {
    let kept = orders.iter().filter(|order| matches!(order.state(), OrderState::Captured | OrderState::Fulfilled));
    let lines = kept.flat_map(|order| &order.lines).filter(|line| line.product_id == product);
    lines.map(|line| i64::from(line.quantity - line.refunded_quantity)).sum()
}

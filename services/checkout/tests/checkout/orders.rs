//! From a cart to what is paid and sent; and what comes of an order that cannot be.

use std::time::Duration;

use contracts::checkout::v1 as pb;
use contracts::payment::v1::{DeclineReason, PaymentState};
use tokio::sync::Semaphore;

use crate::ask::{self, OrderState, get, placed, placing, precondition, quote, states};
use crate::bank::{Card, cents};
use crate::relay::Fate;
use crate::shop::{Shop, eventually, money};

crate::on_both_databases!(
    a_cart_becomes_an_order_that_is_paid_and_sent,
    units_that_are_gone_give_a_failed_order_and_everything_is_given_up,
    a_card_that_is_declined_gives_a_failed_order_and_the_units_back,
    a_token_that_is_of_no_use_gives_a_failed_order_and_the_units_back,
    a_reservation_that_expires_while_the_card_is_authorized_gives_a_failed_order,
    an_order_that_takes_long_is_answered_as_it_stands_and_goes_on_by_itself,
    a_cart_that_was_changed_meanwhile_is_left_as_it_is,
    a_cart_that_cannot_be_emptied_now_is_emptied_later_and_holds_nothing_up,
);

async fn a_cart_becomes_an_order_that_is_paid_and_sent(shop: Shop) {
    shop.sell("mug", 1_250, 5).await;
    shop.sell("jug", 3_000, 5).await;
    let cart = shop.cart(&[("mug", 2), ("jug", 1)]).await;
    let quote = quote(&shop.client, &cart).await.unwrap();
    let order = placed(&shop.client, placing(&quote, Card::Good)).await.unwrap();
    assert!([OrderState::Confirmed, OrderState::Captured].contains(&order.state()), "{order:?}");
    let order = shop.rests(&order).await;
    let amounts = order.amounts.as_ref().unwrap();
    assert_eq!(
        (amounts.subtotal.clone(), amounts.shipping.clone()),
        (Some(money("EUR", 5_500)), Some(money("EUR", 490)))
    );
    // 19 % of 59.90 is in it.
    assert_eq!((amounts.total.clone(), amounts.tax.clone()), (Some(money("EUR", 5_990)), Some(money("EUR", 956))));
    assert!(amounts.tax_included);
    let lines: Vec<_> = order.lines.iter().map(|line| (&*line.name, line.quantity, &*line.picture_uri)).collect();
    assert_eq!(lines, [("The mug", 2, "/mug.svg"), ("The jug", 1, "/jug.svg")]);
    use OrderState::{Authorized, Captured, Confirmed, Pending, Reserved};
    assert_eq!(states(&order), [Pending, Reserved, Authorized, Confirmed, Captured]);
    assert_eq!((order.card.as_ref().unwrap().last_four.as_str(), order.revision), ("4242", 5));
    assert_eq!((order.shipping_address.clone(), &*order.contact_email), (Some(ask::address()), "ada@example.org"));
    assert_eq!(shop.units("mug").await, (3, 0, 2));
    assert_eq!(shop.units("jug").await, (4, 0, 1));
    assert_eq!(shop.bank.captures(&order.order_id), 1);
    assert_eq!(cents(shop.bank.payment(&order.order_id).unwrap().amount.as_ref()), 5_990);
    eventually(async || shop.items(&cart).await == 0).await;
    let sent = ask::fulfill(&shop.client, &order.order_id, "1").await.unwrap();
    assert_eq!((sent.state(), sent.tracking.as_ref().unwrap().tracking_number.as_str()), (OrderState::Fulfilled, "1"));
    let again = ask::fulfill(&shop.client, &order.order_id, "2").await.unwrap();
    assert_eq!(again.tracking.as_ref().unwrap().tracking_number, "2");
    assert_eq!(get(&shop.client, &order.order_id).await.unwrap(), again);
    assert_eq!(precondition(ask::cancel(&shop.client, &order.order_id).await), "ORDER_FULFILLED");
}

/// Neither units nor money are held, and neither ever will be.
async fn everything_is_given_up(shop: &Shop, order: &pb::Order, on_hand: i64) {
    assert_eq!(shop.units("mug").await, (on_hand, 0, 0));
    let payment = shop.bank.payment(&order.order_id).unwrap();
    assert!([PaymentState::Voided, PaymentState::Declined].contains(&payment.state()), "{payment:?}");
    assert_eq!(shop.bank.captures(&order.order_id), 0);
    let late = contracts::inventory::v1::ReserveStockRequest {
        order_id: order.order_id.clone(),
        lines: vec![contracts::inventory::v1::StockLine { product_id: "mug".into(), quantity: 1 }],
        ttl: None,
    };
    shop.inventory.clone().reserve_stock(late).await.unwrap_err();
}

async fn units_that_are_gone_give_a_failed_order_and_everything_is_given_up(shop: Shop) {
    shop.sell("mug", 1_250, 1).await;
    let order = shop.order(&[("mug", 2)], Card::Good).await;
    assert_eq!(order.state(), OrderState::Failed);
    let failure = order.failure.as_ref().unwrap();
    assert_eq!(
        (failure.reason(), &failure.product_ids[..]),
        (pb::OrderFailureReason::OutOfStock, &["mug".to_owned()][..])
    );
    assert_eq!(states(&order), [OrderState::Pending, OrderState::Cancelling, OrderState::Failed]);
    everything_is_given_up(&shop, &order, 1).await;
    assert_eq!(precondition(ask::cancel(&shop.client, &order.order_id).await), "ORDER_FAILED");
}

async fn a_card_that_is_declined_gives_a_failed_order_and_the_units_back(shop: Shop) {
    shop.sell("mug", 1_250, 1).await;
    let order = shop.order(&[("mug", 1)], Card::Declined).await;
    let failure = order.failure.as_ref().unwrap();
    assert_eq!((order.state(), failure.reason()), (OrderState::Failed, pb::OrderFailureReason::CardDeclined));
    assert_eq!(failure.decline_reason(), DeclineReason::InsufficientFunds);
    everything_is_given_up(&shop, &order, 1).await;
    // The cart is there for another try.
    assert!(order.step.is_none() && order.card.is_none());
}

async fn a_token_that_is_of_no_use_gives_a_failed_order_and_the_units_back(shop: Shop) {
    shop.sell("mug", 1_250, 1).await;
    let order = shop.order(&[("mug", 1)], Card::Unknown).await;
    let failure = order.failure.as_ref().unwrap();
    assert_eq!((order.state(), failure.reason()), (OrderState::Failed, pb::OrderFailureReason::CardTokenInvalid));
    everything_is_given_up(&shop, &order, 1).await;
}

async fn a_reservation_that_expires_while_the_card_is_authorized_gives_a_failed_order(shop: Shop) {
    shop.sell("mug", 1_250, 1).await;
    let permits = std::sync::Arc::new(Semaphore::new(0));
    shop.to_payment.set("AuthorizePayment", Fate::Answered(permits.clone()));
    let config =
        checkout::Config { confirm_within: Duration::from_secs(1), lease: Duration::from_secs(30), ..shop.config() };
    let brief = shop.replica(config).await;
    let cart = shop.cart(&[("mug", 1)]).await;
    let request = placing(&quote(&brief, &cart).await.unwrap(), Card::Good);
    let placing = tokio::spawn(async move { placed(&brief, request).await });
    eventually(async || shop.to_payment.seen("AuthorizePayment") == 1).await;
    // Its units are somebody else's before the issuer's answer is there.
    eventually(async || shop.units("mug").await == (1, 0, 0)).await;
    let other = contracts::inventory::v1::ReserveStockRequest {
        order_id: "0".repeat(32),
        lines: vec![contracts::inventory::v1::StockLine { product_id: "mug".into(), quantity: 1 }],
        ttl: None,
    };
    shop.inventory.clone().reserve_stock(other).await.unwrap();
    permits.add_permits(1);
    let order = placing.await.unwrap().unwrap();
    let failure = order.failure.as_ref().unwrap();
    assert_eq!((order.state(), failure.reason()), (OrderState::Failed, pb::OrderFailureReason::Expired));
    assert_eq!(shop.bank.payment(&order.order_id).unwrap().state(), PaymentState::Voided);
    assert_eq!(shop.units("mug").await, (0, 1, 0));
}

async fn an_order_that_takes_long_is_answered_as_it_stands_and_goes_on_by_itself(shop: Shop) {
    shop.sell("mug", 1_250, 1).await;
    let permits = std::sync::Arc::new(Semaphore::new(0));
    shop.to_payment.set("AuthorizePayment", Fate::Held(permits.clone()));
    let begun = tokio::time::Instant::now();
    let order = shop.order_within(&[("mug", 1)], Card::Good, Duration::from_secs(3)).await;
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_eq!(
        (order.state(), order.step.as_ref().unwrap().kind()),
        (OrderState::Reserved, pb::OrderStepKind::Authorize)
    );
    permits.add_permits(1_000);
    shop.reaches(&order, OrderState::Captured).await;
    assert_eq!(shop.bank.captures(&order.order_id), 1);
}

async fn a_cart_that_was_changed_meanwhile_is_left_as_it_is(shop: Shop) {
    shop.sell("mug", 1_250, 1).await;
    shop.sell("jug", 1_250, 1).await;
    let permits = std::sync::Arc::new(Semaphore::new(0));
    shop.to_payment.set("AuthorizePayment", Fate::Held(permits.clone()));
    let cart = shop.cart(&[("mug", 1)]).await;
    let request = placing(&quote(&shop.client, &cart).await.unwrap(), Card::Good);
    let client = shop.client.clone();
    let placing = tokio::spawn(async move { placed(&client, request).await });
    eventually(async || shop.to_payment.seen("AuthorizePayment") > 0).await;
    shop.add(&cart, "jug", 1).await;
    permits.add_permits(1_000);
    let order = placing.await.unwrap().unwrap();
    shop.reaches(&order, OrderState::Captured).await;
    eventually(async || shop.to_cart.seen("ClearCart") > 0).await;
    assert_eq!(shop.items(&cart).await, 2);
}

async fn a_cart_that_cannot_be_emptied_now_is_emptied_later_and_holds_nothing_up(shop: Shop) {
    shop.sell("mug", 1_250, 1).await;
    let cart = shop.cart(&[("mug", 1)]).await;
    let request = placing(&quote(&shop.client, &cart).await.unwrap(), Card::Good);
    shop.to_cart.set("ClearCart", Fate::Lost);
    let order = placed(&shop.client, request).await.unwrap();
    shop.reaches(&order, OrderState::Captured).await;
    eventually(async || shop.to_cart.seen("ClearCart") >= 2).await;
    shop.to_cart.clear("ClearCart");
    eventually(async || shop.items(&cart).await == 0).await;
}

//! Orders through the edge: a real catalog, inventory, cart and payment, down to the acquirer's ledger.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod fsck;
mod operators;

use anyhow::ensure;
use contracts::{
    cart::v1::GetCartRequest,
    checkout::v1::{self as pb, OrderState},
    payment::v1::{ListPaymentsRequest, PaymentState},
};
use system_tests::{CardOfShopper, Shop, Shopper, Signal, cart, eventually, uuid};

#[tokio::test]
async fn a_shopper_orders_pays_cancels_and_gets_everything_back() {
    let shop = Shop::open(&[]).await;
    let mut shopper = Shopper::at(&shop.grpc);
    shopper.sell("mug-of-the-test", 5).await;
    let request = shopper.wishes("mug-of-the-test", 2, CardOfShopper::GOOD).await;
    let cart_id = request.cart_id.clone();
    let order = shopper.place(request.clone()).await;
    let order = shopper.reaches(&order, OrderState::Captured).await;
    assert_eq!(order.card.as_ref().unwrap().last_four, "4242");
    assert_eq!(shopper.units("mug-of-the-test").await, (3, 0, 2));
    let payment = shopper.payment(&order).await;
    assert_eq!((payment.state(), payment.amount), (PaymentState::Captured, order.amounts.clone().unwrap().total));
    eventually("the cart is emptied", async || {
        let request = GetCartRequest { cart_id: cart_id.clone() };
        let items = cart(&shop.grpc).get_cart(request).await?.into_inner().cart.unwrap().items;
        ensure!(items.is_empty(), "{items:?}");
        Ok(())
    })
    .await;
    assert_eq!(shopper.place(request).await.order_id, order.order_id);
    sold_two(&shopper).await;

    let (order_id, etag) = (order.order_id.clone(), String::new());
    let request = pb::CancelOrderRequest { order_id, etag, request_id: uuid() };
    shopper.orders.cancel_order(request).await.unwrap();
    let order = shopper.reaches(&order, OrderState::Refunded).await;
    assert_eq!(shopper.units("mug-of-the-test").await, (5, 0, 0));
    let payment = shopper.payment(&order).await;
    assert_eq!(payment.refunded_amount, payment.amount);
    eventually("what was given back makes nothing popular", async || {
        let popular = shopper.most_popular().await?;
        ensure!(popular.1 == 0, "{popular:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_declined_card_gives_the_units_back_and_a_lost_answer_charges_once() {
    let shop = Shop::open(&[]).await;
    let mut shopper = Shopper::at(&shop.grpc);
    shopper.sell("mug-of-the-test", 5).await;
    let request = shopper.wishes("mug-of-the-test", 1, CardOfShopper::DECLINED).await;
    let order = shopper.place(request).await;
    let failure = order.failure.as_ref().unwrap();
    assert_eq!((order.state(), failure.reason()), (OrderState::Failed, pb::OrderFailureReason::CardDeclined));
    assert_eq!(failure.decline_reason(), contracts::payment::v1::DeclineReason::InsufficientFunds);
    assert_eq!(shopper.units("mug-of-the-test").await, (5, 0, 0));

    let request = shopper.wishes("mug-of-the-test", 1, CardOfShopper::LOST).await;
    let order = shopper.place(request).await;
    let order = shopper.reaches(&order, OrderState::Captured).await;
    let payment = shopper.payment(&order).await;
    assert_eq!((payment.state(), shopper.units("mug-of-the-test").await), (PaymentState::Captured, (4, 0, 1)));
}

#[tokio::test]
async fn what_is_popular_is_counted_anew_where_its_file_was_lost() {
    let data = tempfile::tempdir().unwrap();
    let shop = Shop::open_on(data.path(), &[]).await;
    let mut shopper = Shopper::at(&shop.grpc);
    shopper.sell("mug-of-the-test", 5).await;
    let request = shopper.wishes("mug-of-the-test", 2, CardOfShopper::GOOD).await;
    let order = shopper.place(request).await;
    shopper.reaches(&order, OrderState::Captured).await;
    sold_two(&shopper).await;
    shop.signal(Signal::KILL);
    drop(shop);
    // The index beside it stays, so nothing but the orders' feed tells what was sold.
    let sales = data.path().join("search/sales.db");
    for file in ["sales.db", "sales.db-wal", "sales.db-shm"].map(|name| sales.with_file_name(name)) {
        std::fs::remove_file(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    let shop = Shop::open_on(data.path(), &[]).await;
    sold_two(&Shopper::at(&shop.grpc)).await;
}

async fn sold_two(shopper: &Shopper) {
    eventually("it is the most popular product", async || {
        let popular = shopper.most_popular().await?;
        ensure!(popular == ("mug-of-the-test".to_owned(), 2), "{popular:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn orders_of_a_shop_that_is_killed_go_on_when_it_opens_again() {
    let data = tempfile::tempdir().unwrap();
    let shop = Shop::open_on(data.path(), &[]).await;
    let mut shopper = Shopper::at(&shop.grpc);
    shopper.sell("mug-of-the-test", 8).await;
    let mut placing = Vec::new();
    for _ in 0..8 {
        let request = shopper.wishes("mug-of-the-test", 1, CardOfShopper::GOOD).await;
        let mut orders = shopper.orders.clone();
        placing.push((request.clone(), tokio::spawn(async move { orders.place_order(request).await })));
    }
    shop.signal(Signal::KILL);
    drop(shop);
    let shop = Shop::open_on(data.path(), &[]).await;
    let mut shopper = Shopper::at(&shop.grpc);
    // Whatever became of the first try, the same request is the same order, and one.
    for (request, first) in placing {
        let first = first.await.unwrap().ok().and_then(|answer| answer.into_inner().order);
        let order = shopper.place(request).await;
        assert!(first.is_none_or(|first| first.order_id == order.order_id));
        shopper.reaches(&order, OrderState::Captured).await;
    }
    assert_eq!(shopper.units("mug-of-the-test").await, (0, 0, 8));
    let listed = shopper.payments.list_payments(ListPaymentsRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.payments.len(), 8);
    assert!(listed.payments.iter().all(|payment| payment.state() == PaymentState::Captured));
}

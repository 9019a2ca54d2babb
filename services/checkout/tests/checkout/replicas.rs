//! Several replicas on one database, and many shoppers at once.

use std::sync::Arc;
use std::time::Duration;

use contracts::checkout::v1::ListOrdersRequest;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::ask::{self, OrderState, placed, placed_within, placing, quote};
use crate::bank::Card;
use crate::relay::Fate;
use crate::shop::{Shop, eventually};

crate::on_both_databases!(
    the_last_unit_that_64_shoppers_want_is_sold_to_exactly_one,
    two_replicas_with_the_same_order_do_everything_once,
    the_same_request_at_two_replicas_at_once_is_one_order,
    a_replica_takes_over_when_a_lease_has_run_out_and_the_first_writes_nothing_more,
    a_replica_that_was_overtaken_writes_nothing_though_the_order_stands_as_it_stood,
    a_command_leaves_an_order_to_whoever_works_on_it,
    orders_that_were_left_behind_are_all_carried_on,
);

async fn the_last_unit_that_64_shoppers_want_is_sold_to_exactly_one(shop: Shop) {
    shop.sell("mug", 1_250, 1).await;
    let other = shop.replica(shop.config()).await;
    let mut shoppers = JoinSet::new();
    for number in 0..64 {
        let client = if number % 2 == 0 { shop.client.clone() } else { other.clone() };
        let cart = shop.cart(&[("mug", 1)]).await;
        let request = placing(&quote(&client, &cart).await.unwrap(), Card::Good);
        shoppers.spawn(async move { placed(&client, request).await.unwrap() });
    }
    let orders = shoppers.join_all().await;
    let mut paid = 0;
    for order in orders {
        let order = shop.rests(&order).await;
        match order.state() {
            OrderState::Captured => paid += 1,
            state => assert_eq!((state, shop.bank.captures(&order.order_id)), (OrderState::Failed, 0)),
        }
    }
    assert_eq!((paid, shop.units("mug").await), (1, (0, 0, 1)));
}

async fn two_replicas_with_the_same_order_do_everything_once(shop: Shop) {
    shop.sell("mug", 1_250, 8).await;
    let hasty =
        checkout::Config { lease: Duration::from_millis(1), drive_interval: Duration::from_millis(1), ..shop.config() };
    // Leases that are over at once: each takes the other's orders all the time.
    let replicas = [shop.replica(hasty.clone()).await, shop.replica(hasty).await];
    for number in 0..8 {
        let cart = shop.cart(&[("mug", 1)]).await;
        let client = &replicas[number % 2];
        let order = placed(client, placing(&quote(client, &cart).await.unwrap(), Card::Good)).await.unwrap();
        let order = shop.rests(&order).await;
        assert_eq!((order.state(), shop.bank.captures(&order.order_id)), (OrderState::Captured, 1));
        assert_eq!((order.transitions.len(), order.revision), (5, 5), "every change was made once");
    }
    assert_eq!(shop.units("mug").await, (0, 0, 8));
}

async fn the_same_request_at_two_replicas_at_once_is_one_order(shop: Shop) {
    shop.sell("mug", 1_250, 8).await;
    let other = shop.replica(shop.config()).await;
    for number in 1..=8 {
        let cart = shop.cart(&[("mug", 1)]).await;
        let request = placing(&quote(&shop.client, &cart).await.unwrap(), Card::Good);
        let mut tries = JoinSet::new();
        for client in [&shop.client, &other, &shop.client, &other] {
            let (client, request) = (client.clone(), request.clone());
            tries.spawn(async move { placed(&client, request).await.unwrap().order_id });
        }
        let mut orders = tries.join_all().await;
        orders.dedup();
        assert_eq!(orders.len(), 1, "{orders:?}");
        let order = ask::get(&other, &orders[0]).await.unwrap();
        assert_eq!(shop.rests(&order).await.state(), OrderState::Captured);
        assert_eq!((shop.bank.captures(&orders[0]), shop.units("mug").await), (1, (8 - number, 0, number)));
    }
    let request = ask::as_operator(ListOrdersRequest::default());
    let listed = shop.client.clone().list_orders(request).await.unwrap().into_inner().orders;
    assert_eq!(listed.len(), 8);
}

async fn a_replica_takes_over_when_a_lease_has_run_out_and_the_first_writes_nothing_more(shop: Shop) {
    shop.sell("mug", 1_250, 1).await;
    let permits = Arc::new(Semaphore::new(0));
    shop.to_inventory.set("ReserveStock", Fate::Answered(permits.clone()));
    let order = shop.order_within(&[("mug", 1)], Card::Good, Duration::from_millis(1_500)).await;
    assert_eq!(order.state(), OrderState::Pending);
    shop.to_inventory.clear("ReserveStock");
    // Somebody else found the lease over, while the first still waits for its answer.
    let order = shop.rests(&order).await;
    assert_eq!(order.state(), OrderState::Captured);
    permits.add_permits(1_000);
    let refunds = ask::refunding(&order.order_id, &[], true);
    ask::refunded(&shop.client, refunds).await.unwrap();
    let order = shop.reaches(&order, OrderState::Refunded).await;
    assert_eq!((order.transitions.len(), shop.units("mug").await), (6, (1, 0, 0)));
}

async fn a_replica_that_was_overtaken_writes_nothing_though_the_order_stands_as_it_stood(shop: Shop) {
    shop.sell("mug", 1_250, 2).await;
    let [first, others] = [(); 2].map(|()| Arc::new(Semaphore::new(0)));
    shop.to_payment.set("CapturePayment", Fate::Answered(first.clone()));
    let order = shop.order(&[("mug", 1)], Card::Good).await;
    eventually(async || shop.bank.captures(&order.order_id) == 1).await;
    // Whoever takes it up next waits as well, in the same state.
    shop.to_payment.set("CapturePayment", Fate::Held(others.clone()));
    let tries = shop.to_payment.seen("CapturePayment");
    eventually(async || shop.to_payment.seen("CapturePayment") > tries).await;
    let stands = ask::get(&shop.client, &order.order_id).await.unwrap();
    first.add_permits(1_000);
    let heard = "checkout_step_duration_seconds_count{step=\"capture\"} 1";
    eventually(async || shop.process.metrics().encode().contains(heard)).await;
    // Whatever the first has to say is written before what another order has.
    assert_eq!(shop.order(&[("mug", 1)], Card::Good).await.state(), OrderState::Confirmed);
    let now = ask::get(&shop.client, &order.order_id).await.unwrap();
    assert_eq!((now.state(), now.revision), (OrderState::Confirmed, stands.revision));
    others.add_permits(1_000);
    assert_eq!(shop.reaches(&order, OrderState::Captured).await.revision, 5);
    assert_eq!(shop.bank.captures(&order.order_id), 1);
}

async fn a_command_leaves_an_order_to_whoever_works_on_it(shop: Shop) {
    shop.sell("mug", 1_250, 2).await;
    let patient = shop.replica(checkout::Config { lease: Duration::from_secs(30), ..shop.config() }).await;
    let permits = Arc::new(Semaphore::new(0));
    shop.to_payment.set("CapturePayment", Fate::Held(permits.clone()));
    let mut orders = Vec::new();
    for _ in 0..2 {
        let cart = shop.cart(&[("mug", 1)]).await;
        orders.push(placed(&patient, placing(&quote(&patient, &cart).await.unwrap(), Card::Good)).await.unwrap());
        assert!(ask::cancel(&patient, &orders[0].order_id).await.unwrap().cancel_requested);
    }
    permits.add_permits(1_000);
    shop.reaches(&orders[0], OrderState::Refunded).await;
    shop.reaches(&orders[1], OrderState::Captured).await;
    assert_eq!(shop.to_payment.seen("CapturePayment"), 2, "each was asked for once");
}

async fn orders_that_were_left_behind_are_all_carried_on(shop: Shop) {
    shop.sell("mug", 1_250, 200).await;
    shop.to_inventory.set("ReserveStock", Fate::Refused);
    let mut placing_ = JoinSet::new();
    for _ in 0..150 {
        let cart = shop.cart(&[("mug", 1)]).await;
        let (client, request) = (shop.client.clone(), placing(&quote(&shop.client, &cart).await.unwrap(), Card::Good));
        placing_.spawn(async move { placed_within(&client, request, Duration::from_secs(5)).await.unwrap() });
    }
    let orders = placing_.join_all().await;
    shop.to_inventory.clear("ReserveStock");
    eventually(async || shop.units("mug").await == (50, 0, 150)).await;
    for order in orders {
        assert_eq!(shop.rests(&order).await.state(), OrderState::Captured);
    }
}

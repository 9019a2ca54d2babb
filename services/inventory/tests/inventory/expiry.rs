//! Reservations whose time is over: ended by whoever comes first, and never twice.

use std::time::Duration;

use contracts::inventory::v1::ReservationState::{Active, Committed, Expired};
use contracts::inventory::v1::stock_adjustment::Change::Delta;
use tonic::Code;

use crate::shop::{self, Shop, order_id, refusal};

crate::on_both_databases!(
    a_commit_that_comes_too_late_finds_it_expired,
    a_release_that_comes_too_late_finds_it_expired,
    a_reserve_of_an_expired_order_is_refused_and_ends_it,
    what_was_committed_in_time_does_not_expire,
    units_that_are_held_too_long_are_there_for_whoever_is_short_of_them,
    the_sweepers_of_two_replicas_end_each_reservation_once,
);

async fn a_commit_that_comes_too_late_finds_it_expired(shop: Shop) {
    shop.receive(&[("mug", 5)]).await;
    let order = order_id();
    shop.reserve(&order, &[("mug", 2)]).await.unwrap();
    shop.time_passes(&order).await;
    // Nobody has looked yet.
    assert_eq!(shop.units("mug").await, (3, 2, 0));
    let late = shop.commit(&order).await.unwrap();
    assert_eq!(late.state(), Expired);
    assert_eq!(shop.units("mug").await, (5, 0, 0));
    assert_eq!(shop.commit(&order).await.unwrap(), late);
    assert_eq!(shop.release(&order).await.unwrap(), late);
    assert_eq!(shop.units("mug").await, (5, 0, 0));
}

async fn a_release_that_comes_too_late_finds_it_expired(shop: Shop) {
    shop.receive(&[("mug", 5)]).await;
    let order = order_id();
    shop.reserve(&order, &[("mug", 2)]).await.unwrap();
    shop.time_passes(&order).await;
    assert_eq!(shop.release(&order).await.unwrap().state(), Expired);
    assert_eq!(shop.units("mug").await, (5, 0, 0));
}

async fn a_reserve_of_an_expired_order_is_refused_and_ends_it(shop: Shop) {
    shop.receive(&[("mug", 5), ("jug", 5)]).await;
    let order = order_id();
    shop.reserve(&order, &[("mug", 2)]).await.unwrap();
    shop.time_passes(&order).await;
    // Whatever its lines are.
    for lines in [[("jug", 1)], [("mug", 2)]] {
        let refused = shop.reserve(&order, &lines).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::FailedPrecondition, "RESERVATION_CLOSED".into()));
        assert_eq!((shop.units("mug").await, shop.units("jug").await), ((5, 0, 0), (5, 0, 0)));
    }
}

async fn what_was_committed_in_time_does_not_expire(shop: Shop) {
    shop.receive(&[("mug", 5)]).await;
    let (sold, held) = (order_id(), order_id());
    shop.reserve(&sold, &[("mug", 2)]).await.unwrap();
    shop.commit(&sold).await.unwrap();
    shop.reserve(&held, &[("mug", 1)]).await.unwrap();
    shop.time_passes(&sold).await;
    // Looks for what is over, since there is too little.
    shop.reserve(&order_id(), &[("mug", 3)]).await.unwrap_err();
    assert_eq!(shop.units("mug").await, (2, 1, 2));
    assert_eq!(shop.commit(&sold).await.unwrap().state(), Committed);
    assert_eq!(shop.reserve(&held, &[("mug", 1)]).await.unwrap().state(), Active);
}

async fn units_that_are_held_too_long_are_there_for_whoever_is_short_of_them(shop: Shop) {
    shop.receive(&[("mug", 2)]).await;
    for round in 0..2 {
        let (idle, next) = (order_id(), order_id());
        shop.reserve(&idle, &[("mug", 2)]).await.unwrap();
        shop.reserve(&next, &[("mug", 2)]).await.unwrap_err();
        shop.time_passes(&idle).await;
        if round == 0 {
            shop.reserve(&next, &[("mug", 2)]).await.unwrap();
            shop.release(&next).await.unwrap();
        } else {
            shop.adjust(&[("mug", Delta(-2))]).await.unwrap();
        }
        assert_eq!(shop.commit(&idle).await.unwrap().state(), Expired);
    }
    assert_eq!(shop.units("mug").await, (0, 0, 0));
}

async fn the_sweepers_of_two_replicas_end_each_reservation_once(shop: Shop) {
    const ORDERS: i64 = 150;
    shop.receive(&[("mug", ORDERS), ("jug", ORDERS)]).await;
    let mut orders = tokio::task::JoinSet::new();
    for _ in 0..ORDERS {
        let client = shop.client.clone();
        orders.spawn(async move {
            let order = order_id();
            shop::reserve(&client, &order, &[("mug", 1), ("jug", 1)]).await.unwrap();
            order
        });
    }
    let orders = orders.join_all().await;
    assert_eq!(shop.units("mug").await, (0, ORDERS, 0));
    for order in &orders {
        shop.time_passes(order).await;
    }
    let sweeping = Duration::from_millis(5);
    let _replicas = (shop.replica_that_sweeps(sweeping).await, shop.replica_that_sweeps(sweeping).await);
    shop::eventually(async || shop.units("mug").await == (ORDERS, 0, 0)).await;
    shop::eventually(async || shop.units("jug").await == (ORDERS, 0, 0)).await;
    // Received, reserved and expired: each once.
    assert_eq!(shop.stock("mug").await.unwrap().revision, 1 + 2 * u64::try_from(ORDERS).unwrap() as i64);
    for order in &orders {
        assert_eq!(shop.commit(order).await.unwrap().state(), Expired);
    }
}

//! A replica that dies between any two effects of a saga: another goes on, and the order ends as if nothing had happened.
//!
//! Each test has the points where a replica dies in it, one after the other; together they are all that there are.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use checkout::Point::{self, Ahead, Answered, CartCleared, Placed, Refunded, Released, TakenUp, Told, Voided, Written};
use contracts::checkout::v1::OrderRefundState;
use contracts::payment::v1::PaymentState;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::ask::{self, OrderState};
use crate::bank::{Card, refunded};
use crate::relay::Fate;
use crate::shop::{Shop, eventually};

crate::on_both_databases!(
    an_order_is_paid_once_wherever_a_replica_dies,
    a_declined_order_gives_everything_up_wherever_a_replica_dies,
    an_order_without_units_fails_wherever_a_replica_dies,
    a_cancelled_order_is_refunded_once_wherever_a_replica_dies,
    an_order_out_of_attention_is_cancelled_wherever_a_replica_dies,
    a_refund_of_what_was_sent_is_made_once_wherever_a_replica_dies,
    an_order_that_had_to_wait_is_paid_once_wherever_a_replica_dies,
);

const PAID: &[Point] = &[
    Placed,
    Answered("reserve"),
    Ahead("authorize"),
    Written("reserved"),
    Answered("authorize"),
    Ahead("commit"),
    Written("authorized"),
    Answered("commit"),
    Written("confirmed"),
    CartCleared,
    Answered("capture"),
    Written("captured"),
];
const DECLINED: &[Point] = &[
    Placed,
    Answered("reserve"),
    Ahead("authorize"),
    Written("reserved"),
    Answered("authorize"),
    Written("cancelling"),
    Released,
    Answered("undo"),
    Written("failed"),
];
const WITHOUT_UNITS: &[Point] =
    &[Placed, Answered("reserve"), Written("cancelling"), Released, Answered("undo"), Written("failed")];
const CANCELLED: &[Point] =
    &[Told, Answered("capture"), Written("captured"), Refunded, Answered("refund"), Written("refunded")];
const OUT_OF_ATTENTION: &[Point] =
    &[Written("needs_attention"), Told, TakenUp, Voided, Answered("undo"), Written("cancelled")];
const SENT: &[Point] = &[Told, TakenUp, Refunded, Answered("refund"), Written("fulfilled")];
const WAITING: &[Point] = &[Written("pending"), TakenUp];

#[test]
fn a_replica_dies_at_every_point_where_it_may() {
    let tried = [PAID, DECLINED, WITHOUT_UNITS, CANCELLED, OUT_OF_ATTENTION, SENT, WAITING].concat();
    let missing: Vec<_> = Point::all().into_iter().filter(|point| !tried.contains(point)).collect();
    assert!(missing.is_empty(), "no replica dies at {missing:?}");
}

#[test]
fn every_write_of_an_order_has_its_point() {
    // Written, Told, none (it writes nothing), Placed, TakenUp: one that is not here needs a point of its own.
    let known = ["AdvanceOrder", "ChangeOrder", "FindPlacedOrder", "PlaceOrder", "TakeUpOrder"];
    let mut units = Vec::new();
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/store")).unwrap() {
        let source = fs::read_to_string(file.unwrap().path()).unwrap();
        let named = source.lines().filter_map(|line| line.trim().strip_prefix("const NAME: &'static str = \""));
        units.extend(named.map(|name| name.trim_end_matches("\";").to_owned()));
    }
    units.sort_unstable();
    assert_eq!(units, known);
}

/// How long a replica may take to come to a point that it has written already.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is written at a point can be read a moment before the replica dies there.
async fn died(shop: &Shop, point: Point) {
    let happened = timeout(PATIENCE, eventually(async || shop.crash.happened())).await;
    assert!(happened.is_ok(), "no replica died at {point:?}");
}

async fn an_order_is_paid_once_wherever_a_replica_dies(shop: Shop) {
    shop.sell("mug", 1_250, 100).await;
    for (before, point) in (0..).zip(PAID) {
        let cart = shop.cart(&[("mug", 1)]).await;
        let request = ask::placing(&ask::quote(&shop.client, &cart).await.unwrap(), Card::Good);
        shop.crash.at(*point);
        let order = ask::placed(&shop.client, request).await.unwrap();
        shop.reaches(&order, OrderState::Captured).await;
        eventually(async || shop.items(&cart).await == 0).await;
        died(&shop, *point).await;
        assert_eq!(shop.bank.captures(&order.order_id), 1, "{point:?}");
        assert_eq!(shop.units("mug").await, (99 - before, 0, before + 1), "{point:?}");
    }
}

async fn a_declined_order_gives_everything_up_wherever_a_replica_dies(shop: Shop) {
    shop.sell("mug", 1_250, 1).await;
    for point in DECLINED {
        shop.crash.at(*point);
        let order = shop.order(&[("mug", 1)], Card::Declined).await;
        let order = shop.reaches(&order, OrderState::Failed).await;
        died(&shop, *point).await;
        assert_eq!(shop.units("mug").await, (1, 0, 0), "{point:?}");
        assert_eq!(shop.bank.payment(&order.order_id).unwrap().state(), PaymentState::Declined);
    }
}

async fn an_order_without_units_fails_wherever_a_replica_dies(shop: Shop) {
    shop.sell("mug", 1_250, 1).await;
    for point in WITHOUT_UNITS {
        shop.crash.at(*point);
        let order = shop.order(&[("mug", 2)], Card::Good).await;
        let order = shop.reaches(&order, OrderState::Failed).await;
        died(&shop, *point).await;
        assert_eq!(shop.units("mug").await, (1, 0, 0), "{point:?}");
        assert_eq!(shop.bank.payment(&order.order_id).unwrap().state(), PaymentState::Voided);
    }
}

async fn a_cancelled_order_is_refunded_once_wherever_a_replica_dies(shop: Shop) {
    shop.sell("mug", 1_250, 3).await;
    for point in CANCELLED {
        let permits = Arc::new(Semaphore::new(0));
        shop.to_payment.set("CapturePayment", Fate::Held(permits.clone()));
        let order = shop.order(&[("mug", 3)], Card::Good).await;
        assert_eq!(order.state(), OrderState::Confirmed);
        shop.crash.at(*point);
        let cancelled = ask::cancel(&shop.client, &order.order_id).await.unwrap();
        assert_eq!((cancelled.state(), cancelled.cancel_requested), (OrderState::Confirmed, true));
        shop.to_payment.clear("CapturePayment");
        permits.add_permits(Semaphore::MAX_PERMITS);
        let order = shop.reaches(&order, OrderState::Refunded).await;
        died(&shop, *point).await;
        let payment = shop.bank.payment(&order.order_id).unwrap();
        assert_eq!((shop.bank.captures(&order.order_id), refunded(&payment)), (1, 3 * 1_250 + 490), "{point:?}");
        assert_eq!((payment.refunds.len(), order.refunds.len()), (1, 1));
        assert_eq!(shop.units("mug").await, (3, 0, 0), "{point:?}");
    }
}

async fn an_order_out_of_attention_is_cancelled_wherever_a_replica_dies(shop: Shop) {
    shop.sell("mug", 1_250, 1).await;
    for point in OUT_OF_ATTENTION {
        shop.crash.at(*point);
        let order = shop.order(&[("mug", 1)], Card::NotCaptured).await;
        shop.reaches(&order, OrderState::NeedsAttention).await;
        ask::cancel_as_operator(&shop.client, &order.order_id).await.unwrap();
        shop.reaches(&order, OrderState::Cancelled).await;
        died(&shop, *point).await;
        assert_eq!(shop.bank.payment(&order.order_id).unwrap().state(), PaymentState::Voided);
        assert_eq!(shop.units("mug").await, (1, 0, 0), "{point:?}");
    }
}

async fn a_refund_of_what_was_sent_is_made_once_wherever_a_replica_dies(shop: Shop) {
    shop.sell("mug", 1_250, 2).await;
    for point in SENT {
        let order = shop.paid(&[("mug", 2)], Card::Good).await;
        ask::fulfill(&shop.client, &order.order_id, "1").await.unwrap();
        shop.crash.at(*point);
        let request = ask::refunding(&order.order_id, &[("mug", 2)], true);
        let order = ask::refunded(&shop.client, request).await.unwrap();
        let order = shop.rests(&order).await;
        died(&shop, *point).await;
        let refunds: Vec<_> = order.refunds.iter().map(|refund| refund.state()).collect();
        assert_eq!((order.state(), refunds), (OrderState::Fulfilled, vec![OrderRefundState::Done]), "{point:?}");
        assert_eq!(refunded(&shop.bank.payment(&order.order_id).unwrap()), 2 * 1_250, "{point:?}");
        assert_eq!(shop.units("mug").await, (2, 0, 0), "{point:?}");
    }
}

async fn an_order_that_had_to_wait_is_paid_once_wherever_a_replica_dies(shop: Shop) {
    shop.sell("mug", 1_250, 2).await;
    for (before, point) in (0..).zip(WAITING) {
        shop.to_inventory.set("ReserveStock", Fate::Refused);
        shop.crash.at(*point);
        let order = shop.order_within(&[("mug", 1)], Card::Good, Duration::from_secs(1)).await;
        assert_eq!(order.state(), OrderState::Pending);
        eventually(async || shop.crash.happened()).await;
        shop.to_inventory.clear("ReserveStock");
        shop.reaches(&order, OrderState::Captured).await;
        assert_eq!(shop.bank.captures(&order.order_id), 1, "{point:?}");
        assert_eq!(shop.units("mug").await, (1 - before, 0, before + 1), "{point:?}");
    }
}

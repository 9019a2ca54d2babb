//! Others that are away, or whose answers are lost, and a database that goes away.

use std::time::Duration;

use test_postgres::Server;
use tonic::Code;

use crate::ask::{self, OrderState, placed, placing, quote, refusal};
use crate::bank::Card;
use crate::relay::Fate;
use crate::shop::{Shop, eventually};

crate::on_both_databases!(
    answers_that_are_lost_are_asked_for_again_and_nothing_is_done_twice,
    an_order_that_is_not_confirmed_in_time_fails_and_gives_up_what_it_may_hold,
    an_undo_is_asked_for_until_it_is_answered,
    an_operator_sees_what_waits_and_why,
);

async fn answers_that_are_lost_are_asked_for_again_and_nothing_is_done_twice(shop: Shop) {
    shop.sell("mug", 1_250, 5).await;
    let all = [
        (&shop.to_inventory, "ReserveStock"),
        (&shop.to_payment, "AuthorizePayment"),
        (&shop.to_inventory, "CommitReservation"),
        (&shop.to_payment, "CapturePayment"),
    ];
    for (fates, method) in all {
        fates.set(method, Fate::Lost);
    }
    let order = shop.order_within(&[("mug", 1)], Card::Good, Duration::from_secs(1)).await;
    for (fates, method) in all {
        eventually(async || fates.seen(method) >= 2).await;
        fates.clear(method);
    }
    let order = shop.rests(&order).await;
    let order = if order.state() == OrderState::NeedsAttention { order } else { shop.rests(&order).await };
    assert_eq!((order.state(), shop.bank.captures(&order.order_id)), (OrderState::Captured, 1));
    assert_eq!(shop.units("mug").await, (4, 0, 1));
}

async fn an_order_that_is_not_confirmed_in_time_fails_and_gives_up_what_it_may_hold(shop: Shop) {
    shop.sell("mug", 1_250, 5).await;
    let brief = shop.replica(checkout::Config { confirm_within: Duration::from_secs(1), ..shop.config() }).await;
    // The money is set aside, and nobody hears of it.
    shop.to_payment.set("AuthorizePayment", Fate::Lost);
    let cart = shop.cart(&[("mug", 1)]).await;
    let order = placed(&brief, placing(&quote(&brief, &cart).await.unwrap(), Card::Good)).await.unwrap();
    let reason = order.failure.as_ref().unwrap().reason();
    assert_eq!((order.state(), reason), (OrderState::Failed, contracts::checkout::v1::OrderFailureReason::Expired));
    let payment = shop.bank.payment(&order.order_id).unwrap();
    assert_eq!((payment.state(), shop.units("mug").await), (contracts::payment::v1::PaymentState::Voided, (5, 0, 0)));
}

async fn an_undo_is_asked_for_until_it_is_answered(shop: Shop) {
    shop.sell("mug", 1_250, 5).await;
    shop.to_payment.set("VoidPayment", Fate::Refused);
    let order = shop.order_within(&[("mug", 9)], Card::Good, Duration::from_secs(1)).await;
    assert_eq!(order.state(), OrderState::Cancelling, "nothing is FAILED before it is given up");
    assert!(order.failure.is_some());
    // More often than what is given up at all.
    eventually(async || shop.to_payment.seen("VoidPayment") > 8).await;
    shop.to_payment.clear("VoidPayment");
    shop.reaches(&order, OrderState::Failed).await;
}

async fn an_operator_sees_what_waits_and_why(shop: Shop) {
    shop.sell("mug", 1_250, 5).await;
    shop.to_inventory.set("ReserveStock", Fate::Refused);
    let order = shop.order_within(&[("mug", 1)], Card::Good, Duration::from_secs(1)).await;
    let mut step = order.step.unwrap();
    eventually(async || {
        step = ask::get(&shop.client, &order.order_id).await.unwrap().step.unwrap();
        step.attempt_count >= 2
    })
    .await;
    assert_eq!((&*step.last_error, step.kind()), ("UNAVAILABLE", contracts::checkout::v1::OrderStepKind::Reserve));
    let metrics = shop.process.metrics().encode();
    assert!(metrics.contains("checkout_step_retries_total{step=\"reserve\"}"), "{metrics}");
    assert!(metrics.contains("checkout_orders_entered_total{state=\"pending\"} 1"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_goes_away_is_refused_at_once_and_its_orders_go_on_when_it_is_back() {
    let server = Server::start().unwrap();
    let url = server.create_database().await.unwrap();
    let shop = Shop::on(url, tempfile::tempdir().unwrap()).await;
    shop.sell("mug", 1_250, 5).await;
    let cart = shop.cart(&[("mug", 1)]).await;
    let request = placing(&quote(&shop.client, &cart).await.unwrap(), Card::Good);
    let permits = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    shop.to_payment.set("AuthorizePayment", Fate::Held(permits.clone()));
    let order = ask::placed_within(&shop.client, request.clone(), Duration::from_secs(2)).await.unwrap();
    server.kill().unwrap();
    permits.add_permits(1_000);
    for _ in 0..10 {
        let refused = ask::get(&shop.client, &order.order_id).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::Unavailable, "DATABASE_UNAVAILABLE".into()));
        let (code, _) = refusal(&placed(&shop.client, request.clone()).await.unwrap_err());
        assert_eq!(code, Code::Unavailable);
    }
    server.start_again().unwrap();
    eventually(async || ask::get(&shop.client, &order.order_id).await.is_ok()).await;
    shop.reaches(&order, OrderState::Captured).await;
    assert_eq!((shop.bank.captures(&order.order_id), shop.units("mug").await), (1, (4, 0, 1)));
}

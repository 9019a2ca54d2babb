//! Lost answers, slow ones, an acquirer that is down: what is in doubt is asked about before it is done again.

use std::time::Duration;

use contracts::acquirer::v1::{FaultKind, FaultRule, Operation};
use contracts::payment::v1 as pb;
use pb::PaymentState::{Authorized, Authorizing, Captured, Capturing, Voided, Voiding};
use tonic::{Code, Request};

use crate::shop::{self, GOOD, Shop, failed, payment_id, refusal, request_id, rule, unavailable};

crate::on_both_databases!(
    an_answer_that_is_lost_is_asked_for_at_once,
    an_acquirer_that_is_down_leaves_no_trace_and_the_same_call_works_once_it_is_up,
    a_call_that_ends_between_sent_and_recorded_is_settled_without_a_second_charge,
    a_capture_and_a_refund_that_end_unrecorded_are_settled_without_a_second_one,
    a_doubt_is_settled_by_asking_alone_while_the_acquirer_would_do_nothing_again,
    a_doubt_that_cannot_be_settled_is_said_and_settled_by_the_reconciler,
    what_never_reached_the_acquirer_is_told_again_by_the_reconciler,
    an_authorization_in_doubt_whose_code_is_erased_is_closed,
    a_doubt_is_voided_after_it_was_asked_about,
    of_two_replicas_one_settles_a_doubt,
);

async fn an_answer_that_is_lost_is_asked_for_at_once(shop: Shop) {
    shop.faults(vec![rule(&[], FaultKind::LoseAnswer)]).await;
    let id = shop.captured(500).await;
    assert_eq!(shop.refund(&id, &request_id(), 500).await.unwrap().refunds.len(), 1);
    let voided = shop.authorized(500).await;
    assert_eq!(shop.void(&voided).await.unwrap().state(), Voided);
    // By the card alone.
    shop.faults(vec![]).await;
    let (id, token) = (payment_id(), shop.token("4000000000000259").await);
    assert_eq!(shop.authorize(&id, &token, 100).await.unwrap().state(), Authorized);
    assert_eq!(shop.ledger().await.len(), 6);
}

async fn an_acquirer_that_is_down_leaves_no_trace_and_the_same_call_works_once_it_is_up(shop: Shop) {
    let (id, token) = (payment_id(), shop.token(GOOD).await);
    shop.down(true).await;
    for _ in 0..2 {
        let refused = shop.authorize(&id, &token, 100).await.unwrap_err();
        assert_eq!(refusal(&refused), unavailable("PROCESSOR_UNAVAILABLE"));
        assert_eq!(shop.get(&id).await.unwrap_err().code(), Code::NotFound);
    }
    shop.down(false).await;
    shop.authorize(&id, &token, 100).await.unwrap();
    shop.down(true).await;
    assert_eq!(refusal(&shop.capture(&id).await.unwrap_err()), unavailable("PROCESSOR_UNAVAILABLE"));
    assert_eq!(shop.state(&id).await, Authorized);
    shop.down(false).await;
    assert_eq!(shop.capture(&id).await.unwrap().state(), Captured);
    assert_eq!(shop.ledger().await.len(), 2);
}

/// A call that is given up after the acquirer has done its work, and before anybody hears of it.
async fn abandoned<T>(shop: &Shop, id: &str, operation: Operation, call: impl Future<Output = T>) {
    let never = prost_types::Duration { seconds: 60, nanos: 0 };
    shop.faults(vec![FaultRule { delay: Some(never), ..rule(&[operation], FaultKind::LoseAnswer) }]).await;
    let done = shop::eventually(async || shop.entries(id, operation).await == 1);
    tokio::select! {
        _ = call => panic!("its answer comes in a minute"),
        () = done => {}
    }
    shop.faults(vec![]).await;
}

async fn a_call_that_ends_between_sent_and_recorded_is_settled_without_a_second_charge(shop: Shop) {
    let (id, token) = (payment_id(), shop.token(GOOD).await);
    abandoned(&shop, &id, Operation::Authorize, shop.authorize(&id, &token, 100)).await;
    assert_eq!(shop.state(&id).await, Authorizing);
    let _reconciler = shop.reconciler().await;
    shop::eventually(async || shop.state(&id).await == Authorized).await;
    assert_eq!(shop.entries(&id, Operation::Authorize).await, 1);
    assert_eq!(shop.codes_and_cards().await, (0, 1));
    // The caller's next try finds it.
    assert_eq!(shop.authorize(&id, &token, 100).await.unwrap().state(), Authorized);
    assert_eq!(shop.ledger().await.len(), 1);
}

async fn a_capture_and_a_refund_that_end_unrecorded_are_settled_without_a_second_one(shop: Shop) {
    let (id, refund) = (shop.authorized(100).await, request_id());
    abandoned(&shop, &id, Operation::Capture, shop.capture(&id)).await;
    assert_eq!(shop.state(&id).await, Capturing);
    // Here by the caller's next try.
    assert_eq!(shop.capture(&id).await.unwrap().state(), Captured);
    abandoned(&shop, &id, Operation::Refund, shop.refund(&id, &refund, 60)).await;
    let pending = shop.get(&id).await.unwrap();
    assert_eq!(pending.refunds[0].state(), pb::PaymentRefundState::Pending);
    assert_eq!(pending.refunded_amount.as_ref().map(shop::cents), Some(60));
    let _reconciler = shop.reconciler().await;
    shop::eventually(async || shop.get(&id).await.unwrap().refunds[0].state() == pb::PaymentRefundState::Done).await;
    assert_eq!(shop.ledger().await.len(), 3);
}

async fn a_doubt_is_settled_by_asking_alone_while_the_acquirer_would_do_nothing_again(shop: Shop) {
    let (id, token, refund) = (payment_id(), shop.token(GOOD).await, request_id());
    abandoned(&shop, &id, Operation::Authorize, shop.authorize(&id, &token, 100)).await;
    // It answers questions. Whoever tells it again before asking hears that it is down.
    shop.faults(vec![rule(&[Operation::Authorize], FaultKind::Down)]).await;
    assert_eq!(shop.authorize(&id, &token, 100).await.unwrap().state(), Authorized);
    abandoned(&shop, &id, Operation::Capture, shop.capture(&id)).await;
    shop.faults(vec![rule(&[Operation::Capture], FaultKind::Down)]).await;
    assert_eq!(shop.capture(&id).await.unwrap().state(), Captured);
    abandoned(&shop, &id, Operation::Refund, shop.refund(&id, &refund, 60)).await;
    shop.faults(vec![rule(&[Operation::Refund], FaultKind::Down)]).await;
    assert_eq!(shop.refund(&id, &refund, 60).await.unwrap().refunds[0].state(), pb::PaymentRefundState::Done);
    assert_eq!(shop.ledger().await.len(), 3);
}

async fn a_doubt_that_cannot_be_settled_is_said_and_settled_by_the_reconciler(shop: Shop) {
    let (id, token) = (payment_id(), shop.token(GOOD).await);
    abandoned(&shop, &id, Operation::Authorize, shop.authorize(&id, &token, 100)).await;
    shop.down(true).await;
    let _reconciler = shop.reconciler().await;
    for _ in 0..2 {
        let refused = shop.authorize(&id, &token, 100).await.unwrap_err();
        assert_eq!(refusal(&refused), unavailable("OUTCOME_UNKNOWN"));
        assert_eq!(refusal(&shop.void(&id).await.unwrap_err()), unavailable("OUTCOME_UNKNOWN"));
        assert_eq!(shop.state(&id).await, Authorizing);
    }
    shop.down(false).await;
    shop::eventually(async || {
        shop.reconciled().await;
        shop.state(&id).await == Authorized
    })
    .await;
    assert_eq!(shop.entries(&id, Operation::Authorize).await, 1);
}

async fn what_never_reached_the_acquirer_is_told_again_by_the_reconciler(shop: Shop) {
    let (id, token) = (payment_id(), shop.token(GOOD).await);
    shop.unreached(&id, &token, 100).await;
    assert!(shop.charge(&id).await.is_none());
    let _reconciler = shop.reconciler().await;
    shop::eventually(async || shop.state(&id).await == Authorized).await;
    assert_eq!(shop.entries(&id, Operation::Authorize).await, 1);
}

async fn an_authorization_in_doubt_whose_code_is_erased_is_closed(shop: Shop) {
    let (id, token) = (payment_id(), shop.token(GOOD).await);
    shop.unreached(&id, &token, 100).await;
    shop.time_passes().await;
    shop.sweeper().await;
    shop::eventually(async || shop.codes_and_cards().await == (0, 1)).await;
    let _reconciler = shop.reconciler().await;
    shop::eventually(async || shop.state(&id).await == Voided).await;
    assert_eq!(refusal(&shop.authorize(&id, &token, 100).await.unwrap_err()), failed("PAYMENT_CLOSED"));
    assert_eq!(shop.ledger().await, []);
}

async fn a_doubt_is_voided_after_it_was_asked_about(shop: Shop) {
    // Authorized, as it turns out.
    let (id, token) = (payment_id(), shop.token(GOOD).await);
    abandoned(&shop, &id, Operation::Authorize, shop.authorize(&id, &token, 100)).await;
    assert_eq!(shop.void(&id).await.unwrap().state(), Voided);
    assert_eq!(shop.entries(&id, Operation::Void).await, 1);
    // Captured, as it turns out.
    let id = shop.authorized(100).await;
    abandoned(&shop, &id, Operation::Capture, shop.capture(&id)).await;
    assert_eq!(refusal(&shop.void(&id).await.unwrap_err()), failed("PAYMENT_CAPTURED"));
    assert_eq!(shop.state(&id).await, Captured);
    // Never there.
    let (id, token) = (payment_id(), shop.token(GOOD).await);
    shop.unreached(&id, &token, 100).await;
    assert_eq!(shop.void(&id).await.unwrap().state(), Voided);
    assert_eq!(refusal(&shop.authorize(&id, &token, 100).await.unwrap_err()), failed("PAYMENT_CLOSED"));
    // Voided, and the answer lost with whoever asked.
    let id = shop.authorized(100).await;
    abandoned(&shop, &id, Operation::Void, shop.void(&id)).await;
    assert_eq!(shop.state(&id).await, Voiding);
    let _reconciler = shop.reconciler().await;
    shop::eventually(async || shop.state(&id).await == Voided).await;
    assert_eq!(shop.entries(&id, Operation::Void).await, 1);
}

async fn of_two_replicas_one_settles_a_doubt(shop: Shop) {
    let mut ids = Vec::new();
    for _ in 0..5 {
        let (id, token) = (payment_id(), shop.token(GOOD).await);
        shop.unreached(&id, &token, 100).await;
        ids.push(id);
    }
    let _replicas = (shop.reconciler().await, shop.reconciler().await);
    for id in &ids {
        shop::eventually(async || shop.state(id).await == Authorized).await;
    }
    // Begun once, joined once, settled once: nobody else was given them.
    for id in &ids {
        assert_eq!(shop.get(id).await.unwrap().revision, 3);
    }
    assert_eq!(shop.doubts_reconciled(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_acquirer_costs_a_caller_no_more_than_its_deadline() {
    let shop = Shop::on_sqlite().await;
    let (id, token) = (payment_id(), shop.token(GOOD).await);
    let minute = prost_types::Duration { seconds: 60, nanos: 0 };
    shop.faults(vec![FaultRule { delay: Some(minute), ..rule(&[], FaultKind::Slow) }]).await;
    let mut request = Request::new(pb::AuthorizePaymentRequest {
        payment_id: id.clone(),
        card_token: token.clone(),
        amount: Some(shop::euros(100)),
    });
    request.set_timeout(Duration::from_millis(200));
    let begun = tokio::time::Instant::now();
    let late = shop.client.clone().authorize_payment(request).await.unwrap_err();
    // Whichever of the two deadlines, which are the same, is found out first.
    let in_doubt = || refusal(&late) == unavailable("OUTCOME_UNKNOWN");
    assert!(late.code() == Code::DeadlineExceeded || in_doubt(), "{late:?}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(shop.state(&id).await, Authorizing);
    shop.faults(vec![]).await;
    assert_eq!(shop.authorize(&id, &token, 100).await.unwrap().state(), Authorized);
    assert_eq!(shop.entries(&id, Operation::Authorize).await, 1);
}

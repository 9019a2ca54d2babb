//! Cancels, whenever they come, and orders that need attention.

use std::sync::Arc;
use std::time::Duration;

use contracts::checkout::v1 as pb;
use contracts::payment::v1::PaymentState;
use tokio::sync::Semaphore;

use crate::ask::{self, OrderState, cancel, precondition, states};
use crate::bank::{Card, refunded};
use crate::relay::Fate;
use crate::shop::{Shop, eventually};

crate::on_both_databases!(
    a_cancel_before_the_units_are_sold_gives_everything_up,
    a_cancel_that_finds_the_units_sold_becomes_a_refund,
    a_cancel_that_races_the_capture_ends_in_one_whole_refund,
    a_cancel_of_what_is_paid_gives_back_what_is_left_and_all_units,
    a_capture_that_will_not_go_through_needs_attention_until_it_does,
    only_an_operator_cancels_what_needs_attention_and_nothing_is_kept,
    money_that_is_taken_after_all_is_given_back,
    a_cancel_whose_money_is_not_given_back_needs_attention,
    an_order_whose_cancel_was_asked_for_is_not_sent,
);

async fn a_cancel_before_the_units_are_sold_gives_everything_up(shop: Shop) {
    shop.sell("mug", 1_250, 1).await;
    let permits = Arc::new(Semaphore::new(0));
    // The issuer has said yes, but nobody knows.
    shop.to_payment.set("AuthorizePayment", Fate::Answered(permits.clone()));
    let order = shop.order_within(&[("mug", 1)], Card::Good, Duration::from_secs(2)).await;
    assert_eq!(order.state(), OrderState::Reserved);
    let order = cancel(&shop.client, &order.order_id).await.unwrap();
    assert_eq!((order.state(), order.cancel_requested), (OrderState::Cancelling, false));
    let order = shop.reaches(&order, OrderState::Cancelled).await;
    permits.add_permits(1_000);
    assert_eq!(shop.units("mug").await, (1, 0, 0));
    assert_eq!(shop.bank.payment(&order.order_id).unwrap().state(), PaymentState::Voided);
    // Whoever waited for the issuer was overtaken.
    let again = cancel(&shop.client, &order.order_id).await.unwrap();
    assert_eq!((again.state(), again.revision), (OrderState::Cancelled, order.revision));
}

async fn a_cancel_that_finds_the_units_sold_becomes_a_refund(shop: Shop) {
    shop.sell("mug", 1_250, 1).await;
    let permits = Arc::new(Semaphore::new(0));
    // The units are sold, but nobody knows.
    shop.to_inventory.set("CommitReservation", Fate::Answered(permits.clone()));
    let order = shop.order_within(&[("mug", 1)], Card::Good, Duration::from_secs(2)).await;
    assert_eq!(order.state(), OrderState::Authorized);
    let cancelled = cancel(&shop.client, &order.order_id).await.unwrap();
    assert_eq!(cancelled.state(), OrderState::Cancelling);
    let order = shop.reaches(&order, OrderState::Refunded).await;
    permits.add_permits(1_000);
    use OrderState::{Authorized, Cancelling, Captured, Confirmed, Pending, Refunded, Reserved};
    assert_eq!(states(&order), [Pending, Reserved, Authorized, Cancelling, Confirmed, Captured, Refunded]);
    assert_eq!((shop.bank.captures(&order.order_id), shop.units("mug").await), (1, (1, 0, 0)));
    assert_eq!(refunded(&shop.bank.payment(&order.order_id).unwrap()), 1_740);
}

async fn a_cancel_that_races_the_capture_ends_in_one_whole_refund(shop: Shop) {
    shop.sell("mug", 1_250, 8).await;
    for _ in 0..8 {
        // CONFIRMED, or CAPTURED already.
        let order = shop.order(&[("mug", 8)], Card::Good).await;
        let client = &shop.client;
        let (one, other) = tokio::join!(cancel(client, &order.order_id), cancel(client, &order.order_id));
        assert!(one.unwrap().cancel_requested || other.unwrap().cancel_requested);
        let order = shop.reaches(&order, OrderState::Refunded).await;
        let payment = shop.bank.payment(&order.order_id).unwrap();
        assert_eq!((shop.bank.captures(&order.order_id), payment.refunds.len()), (1, 1));
        assert_eq!(refunded(&payment), 8 * 1_250 + 490);
        assert_eq!(shop.units("mug").await, (8, 0, 0));
    }
}

async fn a_cancel_of_what_is_paid_gives_back_what_is_left_and_all_units(shop: Shop) {
    shop.sell("mug", 1_250, 3).await;
    let order = shop.paid(&[("mug", 3)], Card::Good).await;
    let request = ask::refunding(&order.order_id, &[("mug", 1)], false);
    ask::refunded(&shop.client, request).await.unwrap();
    eventually(async || shop.bank.payment(&order.order_id).is_some_and(|payment| refunded(&payment) == 1_250)).await;
    let order = cancel(&shop.client, &order.order_id).await.unwrap();
    assert!(order.cancel_requested);
    let order = shop.reaches(&order, OrderState::Refunded).await;
    assert_eq!(order.refunds.iter().map(|refund| refund.lines[0].quantity).collect::<Vec<_>>(), [1, 2]);
    // The one that was given back without its unit stays out.
    assert_eq!(shop.units("mug").await, (2, 0, 1));
    assert_eq!(refunded(&shop.bank.payment(&order.order_id).unwrap()), 3 * 1_250 + 490);
}

async fn a_capture_that_will_not_go_through_needs_attention_until_it_does(shop: Shop) {
    shop.sell("mug", 1_250, 1).await;
    shop.to_payment.set("CapturePayment", Fate::Refused);
    let order = shop.order(&[("mug", 1)], Card::Good).await;
    assert!([OrderState::Confirmed, OrderState::NeedsAttention].contains(&order.state()));
    let order = shop.reaches(&order, OrderState::NeedsAttention).await;
    let step = order.step.clone().unwrap();
    assert_eq!((step.kind(), step.attempt_count, &*step.last_error), (pb::OrderStepKind::Capture, 4, "UNAVAILABLE"));
    assert!(step.next_attempt_time.is_none());
    let tried = shop.to_payment.seen("CapturePayment");
    let again = ask::retry(&shop.client, &order.order_id).await.unwrap();
    assert_eq!((again.state(), again.step.unwrap().attempt_count), (OrderState::Confirmed, 0));
    shop.reaches(&order, OrderState::NeedsAttention).await;
    assert_eq!(shop.to_payment.seen("CapturePayment"), tried + 4);
    shop.to_payment.clear("CapturePayment");
    ask::retry(&shop.client, &order.order_id).await.unwrap();
    let order = shop.reaches(&order, OrderState::Captured).await;
    assert_eq!(shop.bank.captures(&order.order_id), 1);
    // One without a step is given as it is.
    assert_eq!(ask::retry(&shop.client, &order.order_id).await.unwrap().revision, order.revision);
}

async fn only_an_operator_cancels_what_needs_attention_and_nothing_is_kept(shop: Shop) {
    shop.sell("mug", 1_250, 1).await;
    let order = shop.order(&[("mug", 1)], Card::NotCaptured).await;
    let order = shop.reaches(&order, OrderState::NeedsAttention).await;
    assert_eq!(order.step.as_ref().unwrap().last_error, "FAILED_PRECONDITION CAPTURE_REFUSED");
    assert_eq!(precondition(cancel(&shop.client, &order.order_id).await), "ORDER_NEEDS_ATTENTION");
    // A token of another role is a shopper's, and a header that is none is refused whoever sends it.
    let request = || pb::CancelOrderRequest {
        order_id: order.order_id.clone(),
        etag: String::new(),
        request_id: crate::shop::request_id(),
    };
    let by_other = shop.client.clone().cancel_order(ask::as_role("courier", request())).await;
    assert_eq!(precondition(by_other), "ORDER_NEEDS_ATTENTION");
    let mut forged = tonic::Request::new(request());
    forged.metadata_mut().insert("authorization", "Bearer token".parse().unwrap());
    assert_eq!(shop.client.clone().cancel_order(forged).await.unwrap_err().code(), tonic::Code::Unauthenticated);
    assert_eq!(shop.units("mug").await, (0, 0, 1));
    let order = ask::cancel_as_operator(&shop.client, &order.order_id).await.unwrap();
    assert_eq!(order.state(), OrderState::Cancelling);
    let order = shop.reaches(&order, OrderState::Cancelled).await;
    assert_eq!(shop.units("mug").await, (1, 0, 0));
    assert_eq!(shop.bank.payment(&order.order_id).unwrap().state(), PaymentState::Voided);
    assert_eq!(shop.bank.captures(&order.order_id), 0);
}

async fn money_that_is_taken_after_all_is_given_back(shop: Shop) {
    shop.sell("mug", 1_250, 1).await;
    // Every capture is done, and nobody hears of it.
    shop.to_payment.set("CapturePayment", Fate::Lost);
    let order = shop.order(&[("mug", 1)], Card::Good).await;
    let order = shop.reaches(&order, OrderState::NeedsAttention).await;
    ask::cancel_as_operator(&shop.client, &order.order_id).await.unwrap();
    let order = shop.reaches(&order, OrderState::Refunded).await;
    assert_eq!(shop.bank.captures(&order.order_id), 1);
    assert_eq!(refunded(&shop.bank.payment(&order.order_id).unwrap()), 1_740);
    assert_eq!(shop.units("mug").await, (1, 0, 0));
}

async fn a_cancel_whose_money_is_not_given_back_needs_attention(shop: Shop) {
    shop.sell("mug", 1_250, 1).await;
    let order = shop.paid(&[("mug", 1)], Card::NotRefunded).await;
    cancel(&shop.client, &order.order_id).await.unwrap();
    let order = shop.reaches(&order, OrderState::NeedsAttention).await;
    assert_eq!(order.step.as_ref().unwrap().kind(), pb::OrderStepKind::Refund);
    assert_eq!(order.refunds[0].state(), pb::OrderRefundState::Failed);
    assert_eq!(shop.units("mug").await, (0, 0, 1));
    shop.bank.relents();
    // What was refused for good is refused for ever, so it is asked for anew.
    ask::cancel_as_operator(&shop.client, &order.order_id).await.unwrap();
    let order = shop.reaches(&order, OrderState::Refunded).await;
    assert_eq!(order.refunds.len(), 2);
    assert_ne!(order.refunds[0].refund_id, order.refunds[1].refund_id);
    assert_eq!(shop.units("mug").await, (1, 0, 0));
}

async fn an_order_whose_cancel_was_asked_for_is_not_sent(shop: Shop) {
    shop.sell("mug", 1_250, 1).await;
    let order = shop.paid(&[("mug", 1)], Card::Good).await;
    shop.to_payment.set("RefundPayment", Fate::Refused);
    cancel(&shop.client, &order.order_id).await.unwrap();
    assert_eq!(precondition(ask::fulfill(&shop.client, &order.order_id, "1").await), "ORDER_CANCELLING");
}

//! Refunds: in parts, once each, and never above the capture.

use contracts::acquirer::v1::{FaultKind, Operation};
use contracts::payment::v1::PaymentRefundState::{Done, Failed};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::shop::{self, Shop, failed, payment_id, refusal, request_id, rule, unavailable};

crate::on_both_databases!(
    a_payment_is_refunded_in_parts_each_once,
    more_than_was_captured_is_refused_with_what_is_left,
    thirty_two_refunds_at_once_never_exceed_the_capture,
    a_refund_that_is_refused_for_good_has_failed_and_leaves_the_money,
    a_refund_that_does_not_reach_the_acquirer_never_was,
    only_what_was_captured_can_be_refunded_and_only_in_its_currency,
);

async fn a_payment_is_refunded_in_parts_each_once(shop: Shop) {
    let (id, first) = (shop.captured(1000).await, request_id());
    let refunded = shop.refund(&id, &first, 300).await.unwrap();
    assert_eq!(shop.refund(&id, &first.to_uppercase(), 300).await.unwrap(), refunded);
    assert_eq!(refusal(&shop.refund(&id, &first, 301).await.unwrap_err()), failed("REFUND_MISMATCH"));
    let refunded = shop.refund(&id, &request_id(), 700).await.unwrap();
    assert_eq!(refunded.refunded_amount.as_ref().map(shop::cents), Some(1000));
    let parts: Vec<_> =
        refunded.refunds.iter().map(|part| (part.state(), shop::cents(part.amount.as_ref().unwrap()))).collect();
    assert_eq!(parts, [(Done, 300), (Done, 700)]);
    assert_eq!(shop.entries(&id, Operation::Refund).await, 2);
}

async fn more_than_was_captured_is_refused_with_what_is_left(shop: Shop) {
    let id = shop.captured(1000).await;
    shop.refund(&id, &request_id(), 250).await.unwrap();
    let refused = shop.refund(&id, &request_id(), 751).await.unwrap_err();
    assert_eq!(refusal(&refused), failed("REFUND_EXCEEDS_CAPTURE"));
    assert_eq!(refused.get_error_details().error_info().unwrap().metadata["refundable"], "7.50 EUR");
    shop.refund(&id, &request_id(), 750).await.unwrap();
}

async fn thirty_two_refunds_at_once_never_exceed_the_capture(shop: Shop) {
    let (id, other) = (shop.captured(1000).await, shop.replica(shop::config(&shop.payment_url, shop::NEW_KEY)).await);
    let refunds = (0..32).map(|number| {
        let mut client = if number % 2 == 0 { shop.client.clone() } else { other.clone() };
        let request = contracts::payment::v1::RefundPaymentRequest {
            payment_id: id.clone(),
            refund_id: request_id(),
            amount: Some(shop::euros(150)),
        };
        async move { client.refund_payment(request).await }
    });
    let ended = futures_util::future::join_all(refunds).await;
    assert_eq!(ended.iter().filter(|refund| refund.is_ok()).count(), 6);
    for refused in ended.iter().filter_map(|refund| refund.as_ref().err()) {
        assert_eq!(refusal(refused), failed("REFUND_EXCEEDS_CAPTURE"));
    }
    assert_eq!(shop.get(&id).await.unwrap().refunded_amount.as_ref().map(shop::cents), Some(900));
    assert_eq!(shop.charge(&id).await.unwrap().refunded_amount.as_ref().map(shop::cents), Some(900));
    assert_eq!(shop.entries(&id, Operation::Refund).await, 6);
}

async fn a_refund_that_is_refused_for_good_has_failed_and_leaves_the_money(shop: Shop) {
    let (id, refund) = (shop.captured(1000).await, request_id());
    shop.faults(vec![rule(&[Operation::Refund], FaultKind::Refuse)]).await;
    let refused = shop.refund(&id, &refund, 1000).await.unwrap_err();
    assert_eq!(refusal(&refused), failed("REFUND_REFUSED"));
    shop.faults(vec![]).await;
    // The same refund is answered the same for ever; another one goes through.
    assert_eq!(refusal(&shop.refund(&id, &refund, 1000).await.unwrap_err()), failed("REFUND_REFUSED"));
    let refunded = shop.refund(&id, &request_id(), 1000).await.unwrap();
    assert_eq!(refunded.refunds.iter().map(|part| part.state()).collect::<Vec<_>>(), [Failed, Done]);
    assert_eq!(refunded.refunded_amount.as_ref().map(shop::cents), Some(1000));
}

async fn a_refund_that_does_not_reach_the_acquirer_never_was(shop: Shop) {
    let (id, refund) = (shop.captured(1000).await, request_id());
    shop.down(true).await;
    assert_eq!(refusal(&shop.refund(&id, &refund, 1000).await.unwrap_err()), unavailable("PROCESSOR_UNAVAILABLE"));
    assert!(shop.get(&id).await.unwrap().refunds.is_empty());
    shop.down(false).await;
    shop.refund(&id, &refund, 1000).await.unwrap();
    assert_eq!(shop.entries(&id, Operation::Refund).await, 1);
}

async fn only_what_was_captured_can_be_refunded_and_only_in_its_currency(shop: Shop) {
    let refused = shop.refund(&payment_id(), &request_id(), 1).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::NotFound, "PAYMENT_NOT_FOUND".into()));
    let authorized = shop.authorized(100).await;
    let refused = shop.refund(&authorized, &request_id(), 1).await.unwrap_err();
    assert_eq!(refusal(&refused), failed("PAYMENT_NOT_CAPTURED"));
    let request = contracts::payment::v1::RefundPaymentRequest {
        payment_id: shop.captured(100).await,
        refund_id: request_id(),
        amount: Some(contracts::google::r#type::Money { currency_code: "USD".into(), units: 1, nanos: 0 }),
    };
    let refused = shop.client.clone().refund_payment(request).await.unwrap_err();
    assert_eq!(shop::fields(&refused), ["amount.currency_code"]);
}

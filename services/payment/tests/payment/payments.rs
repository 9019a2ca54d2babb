//! Authorize, capture, void, and again: the same gives the same, and nothing is done twice.

use contracts::acquirer::v1::{FaultKind, FaultRule, IssuerReason, Operation};
use contracts::payment::v1 as pb;
use pb::PaymentState::{Authorized, Captured, Declined, Voided};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::shop::{self, GOOD, Shop, failed, payment_id, refusal, rule};

crate::on_both_databases!(
    a_payment_is_authorized_and_captured_once_however_often_it_is_asked_for,
    other_content_under_the_same_id_is_refused,
    a_declined_payment_says_why_and_stays_declined,
    a_rule_of_the_acquirer_declines_by_card_and_amount,
    a_capture_that_is_refused_for_good_leaves_the_payment_authorized,
    what_cannot_be_captured_is_refused,
);

async fn a_payment_is_authorized_and_captured_once_however_often_it_is_asked_for(shop: Shop) {
    let (id, token) = (payment_id(), shop.token(GOOD).await);
    let first = shop.authorize(&id, &token, 1250).await.unwrap();
    assert_eq!((first.state(), first.amount.as_ref().map(shop::cents)), (Authorized, Some(1250)));
    assert_eq!(first.refunded_amount.as_ref().map(shop::cents), Some(0));
    assert!(first.expire_time.is_some() && first.processor_reference.starts_with("ch_"));
    assert_eq!(first.card.as_ref().unwrap().last_four, "4242");
    assert_eq!(shop.authorize(&id, &token, 1250).await.unwrap(), first);
    let captured = shop.capture(&id).await.unwrap();
    assert_eq!((captured.state(), captured.expire_time.is_some()), (Captured, false));
    assert!(captured.revision > first.revision);
    assert_eq!(shop.capture(&id).await.unwrap(), captured);
    assert_eq!(shop.authorize(&id, &token, 1250).await.unwrap(), captured);
    assert_eq!(shop.get(&id).await.unwrap(), captured);
    assert_eq!(shop.ledger().await, [(id.clone(), Operation::Authorize, 1250), (id, Operation::Capture, 1250)]);
}

async fn other_content_under_the_same_id_is_refused(shop: Shop) {
    let (id, token) = (payment_id(), shop.token(GOOD).await);
    shop.authorize(&id, &token, 1250).await.unwrap();
    let refused = shop.authorize(&id, &token, 1251).await.unwrap_err();
    assert_eq!(refusal(&refused), failed("PAYMENT_MISMATCH"));
    let other = shop.token(GOOD).await;
    let refused = shop.authorize(&id, &other, 1250).await.unwrap_err();
    assert_eq!(refusal(&refused), failed("PAYMENT_MISMATCH"));
    // The other card was not used up.
    shop.authorize(&payment_id(), &other, 1250).await.unwrap();
}

async fn a_declined_payment_says_why_and_stays_declined(shop: Shop) {
    for (number, reason) in [
        ("4000000000000002", pb::DeclineReason::Generic),
        ("4000000000009995", pb::DeclineReason::InsufficientFunds),
        ("4000000000000069", pb::DeclineReason::ExpiredCard),
        ("4000000000000127", pb::DeclineReason::IncorrectCode),
        ("4000000000009979", pb::DeclineReason::SuspectedFraud),
        ("4000000000000028", pb::DeclineReason::CardNotAccepted),
    ] {
        let (id, token) = (payment_id(), shop.token(number).await);
        let payment = shop.authorize(&id, &token, 100).await.unwrap();
        assert_eq!((payment.state(), payment.decline_reason()), (Declined, reason), "{reason:?}");
        assert_eq!(shop.authorize(&id, &token, 100).await.unwrap(), payment);
        assert_eq!(shop.void(&id).await.unwrap(), payment);
        assert_eq!(refusal(&shop.capture(&id).await.unwrap_err()), failed("PAYMENT_NOT_AUTHORIZED"));
    }
    assert_eq!(shop.ledger().await, []);
}

async fn a_rule_of_the_acquirer_declines_by_card_and_amount(shop: Shop) {
    let decline = FaultRule {
        card_last_four: "4444".into(),
        amount: Some(shop::euros(777)),
        issuer_reason: IssuerReason::InsufficientFunds.into(),
        ..rule(&[Operation::Authorize], FaultKind::Decline)
    };
    shop.faults(vec![decline]).await;
    let authorize = async |number: &str, minor| {
        let token = shop.token(number).await;
        shop.authorize(&payment_id(), &token, minor).await.unwrap().state()
    };
    assert_eq!(authorize("5555555555554444", 777).await, Declined);
    assert_eq!(authorize("5555555555554444", 778).await, Authorized);
    assert_eq!(authorize(GOOD, 777).await, Authorized);
}

async fn a_capture_that_is_refused_for_good_leaves_the_payment_authorized(shop: Shop) {
    let id = shop.authorized(500).await;
    shop.faults(vec![rule(&[Operation::Capture], FaultKind::Refuse)]).await;
    for _ in 0..2 {
        let refused = shop.capture(&id).await.unwrap_err();
        assert_eq!(refusal(&refused), failed("CAPTURE_REFUSED"));
        let details = refused.get_error_details();
        assert!(!details.error_info().unwrap().metadata["processor_reason"].is_empty());
        assert_eq!(shop.state(&id).await, Authorized);
    }
    assert_eq!(shop.void(&id).await.unwrap().state(), Voided);
}

async fn what_cannot_be_captured_is_refused(shop: Shop) {
    let refused = shop.capture(&payment_id()).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::NotFound, "PAYMENT_NOT_FOUND".into()));
    let id = shop.authorized(500).await;
    shop.void(&id).await.unwrap();
    assert_eq!(refusal(&shop.capture(&id).await.unwrap_err()), failed("PAYMENT_NOT_AUTHORIZED"));
    assert_eq!(shop.entries(&id, Operation::Capture).await, 0);
}

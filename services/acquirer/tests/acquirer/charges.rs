//! Charges: the same call gives the same answer, other content is refused.

use contracts::acquirer::v1 as pb;
use pb::ChargeState::{Authorized, Captured, Declined, Voided};
use tonic::Code;

use crate::bank::{Bank, GOOD, authorize, card, cents, failed, payment_id, refund_id, refusal};

crate::on_both_databases!(
    a_charge_is_authorized_captured_and_refunded_once_however_often_it_is_asked_for,
    other_content_under_the_same_name_is_refused,
    a_card_that_is_declined_is_declined_for_ever,
    a_void_of_an_unseen_charge_refuses_a_late_authorization_for_ever,
    what_cannot_follow_is_refused,
    refunds_at_once_never_exceed_the_capture,
);

async fn a_charge_is_authorized_captured_and_refunded_once_however_often_it_is_asked_for(bank: Bank) {
    let (id, refund) = (payment_id(), refund_id());
    let first = bank.authorize(&id, GOOD, 1250).await.unwrap();
    assert_eq!((first.state(), cents(first.amount.as_ref()), &*first.card_last_four), (Authorized, 1250, "4242"));
    assert!(first.expire_time.is_some() && !first.reference.is_empty());
    assert_eq!(bank.authorize(&id, GOOD, 1250).await.unwrap(), first);
    let captured = bank.capture(&id).await.unwrap();
    assert_eq!((captured.state(), captured.expire_time.is_some()), (Captured, false));
    assert_eq!(bank.capture(&id).await.unwrap(), captured);
    assert_eq!(bank.authorize(&id, GOOD, 1250).await.unwrap(), captured);
    let refunded = bank.refund(&id, &refund, 250).await.unwrap();
    assert_eq!((cents(refunded.refunded_amount.as_ref()), refunded.refunds.len()), (250, 1));
    assert_eq!(bank.refund(&id, &refund, 250).await.unwrap(), refunded);
    assert_eq!(bank.get(&id).await.unwrap(), refunded);
    assert_eq!(bank.page(0, "").await.entries.len(), 3);
}

async fn other_content_under_the_same_name_is_refused(bank: Bank) {
    let id = payment_id();
    bank.authorize(&id, GOOD, 1250).await.unwrap();
    assert_eq!(refusal(&bank.authorize(&id, GOOD, 1251).await.unwrap_err()), failed("CHARGE_MISMATCH"));
    for other in [
        card("5555555555554444"),
        pb::Card { security_code: "740".into(), ..card(GOOD) },
        pb::Card { expiry_month: 11, ..card(GOOD) },
    ] {
        let refused = authorize(&bank.client, &id, other, 1250).await.unwrap_err();
        assert_eq!(refusal(&refused), failed("CHARGE_MISMATCH"));
    }
    let (id, refund) = (bank.captured(1000).await, refund_id());
    bank.refund(&id, &refund, 100).await.unwrap();
    assert_eq!(refusal(&bank.refund(&id, &refund, 101).await.unwrap_err()), failed("REFUND_MISMATCH"));
}

async fn a_card_that_is_declined_is_declined_for_ever(bank: Bank) {
    for (number, reason) in [
        ("4000000000000002", pb::IssuerReason::Generic),
        ("4000000000009995", pb::IssuerReason::InsufficientFunds),
        ("4000000000000069", pb::IssuerReason::ExpiredCard),
        ("4000000000000127", pb::IssuerReason::IncorrectCode),
        ("4000000000009979", pb::IssuerReason::StolenCard),
        ("4000000000000028", pb::IssuerReason::NotAccepted),
    ] {
        let id = payment_id();
        let charge = bank.authorize(&id, number, 100).await.unwrap();
        assert_eq!((charge.state(), charge.issuer_reason()), (Declined, reason));
        assert_eq!(bank.authorize(&id, number, 100).await.unwrap(), charge);
        assert_eq!(bank.void(&id).await.unwrap(), charge);
        assert_eq!(refusal(&bank.capture(&id).await.unwrap_err()), failed("CHARGE_NOT_AUTHORIZED"));
    }
    let old = pb::Card { expiry_year: 2020, ..card(GOOD) };
    let charge = authorize(&bank.client, &payment_id(), old, 100).await.unwrap();
    assert_eq!(charge.issuer_reason(), pb::IssuerReason::ExpiredCard);
    assert!(bank.page(0, "").await.entries.is_empty());
}

async fn a_void_of_an_unseen_charge_refuses_a_late_authorization_for_ever(bank: Bank) {
    let id = payment_id();
    let closed = bank.void(&id).await.unwrap();
    assert_eq!((closed.state(), closed.amount.is_none(), &*closed.card_last_four), (Voided, true, ""));
    assert_eq!(bank.void(&id).await.unwrap(), closed);
    for _ in 0..2 {
        assert_eq!(refusal(&bank.authorize(&id, GOOD, 100).await.unwrap_err()), failed("CHARGE_CLOSED"));
    }
    assert!(bank.page(0, "").await.entries.is_empty());
}

async fn what_cannot_follow_is_refused(bank: Bank) {
    let none = (Code::NotFound, "CHARGE_NOT_FOUND".to_owned());
    assert_eq!(refusal(&bank.get(&payment_id()).await.unwrap_err()), none);
    assert_eq!(refusal(&bank.capture(&payment_id()).await.unwrap_err()), none);
    assert_eq!(refusal(&bank.refund(&payment_id(), &refund_id(), 1).await.unwrap_err()), none);
    let captured = bank.captured(100).await;
    assert_eq!(refusal(&bank.void(&captured).await.unwrap_err()), failed("CHARGE_CAPTURED"));
    let voided = payment_id();
    bank.authorize(&voided, GOOD, 100).await.unwrap();
    assert_eq!(bank.void(&voided).await.unwrap().state(), Voided);
    assert_eq!(refusal(&bank.capture(&voided).await.unwrap_err()), failed("CHARGE_NOT_AUTHORIZED"));
    assert_eq!(refusal(&bank.refund(&voided, &refund_id(), 1).await.unwrap_err()), failed("CHARGE_NOT_CAPTURED"));
}

async fn refunds_at_once_never_exceed_the_capture(bank: Bank) {
    let (id, other) = (bank.captured(1000).await, bank.replica().await);
    let mut refunds = tokio::task::JoinSet::new();
    for number in 0..32 {
        let mut client = if number % 2 == 0 { bank.client.clone() } else { other.clone() };
        let amount = Some(crate::bank::euros(150));
        let request = pb::RefundChargeRequest { payment_id: id.clone(), refund_id: refund_id(), amount };
        refunds.spawn(async move { client.refund_charge(request).await });
    }
    let ended = refunds.join_all().await;
    assert_eq!(ended.iter().filter(|refund| refund.is_ok()).count(), 6);
    for refused in ended.iter().filter_map(|refund| refund.as_ref().err()) {
        assert_eq!(refusal(refused), failed("REFUND_EXCEEDS_CAPTURE"));
    }
    assert_eq!(cents(bank.get(&id).await.unwrap().refunded_amount.as_ref()), 900);
}

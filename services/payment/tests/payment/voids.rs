//! Voids: before, after and instead of an authorization.

use contracts::acquirer::v1::{ChargeState, Operation};
use contracts::payment::v1::PaymentState::{Captured, Voided};

use crate::shop::{GOOD, Shop, failed, payment_id, refusal, unavailable};

crate::on_both_databases!(
    a_void_gives_back_what_was_set_aside_and_repeating_it_changes_nothing,
    a_void_of_an_unseen_payment_closes_it_here_and_at_the_acquirer,
    a_void_that_does_not_reach_the_acquirer_changes_nothing,
    a_captured_payment_cannot_be_voided,
    of_a_void_and_a_capture_at_once_the_ledger_has_one,
);

async fn a_void_gives_back_what_was_set_aside_and_repeating_it_changes_nothing(shop: Shop) {
    let id = shop.authorized(500).await;
    let voided = shop.void(&id).await.unwrap();
    assert_eq!(voided.state(), Voided);
    assert_eq!(shop.void(&id).await.unwrap(), voided);
    assert_eq!(shop.ledger().await, [(id.clone(), Operation::Authorize, 500), (id, Operation::Void, 500)]);
}

async fn a_void_of_an_unseen_payment_closes_it_here_and_at_the_acquirer(shop: Shop) {
    let (id, token) = (payment_id(), shop.token(GOOD).await);
    let voided = shop.void(&id).await.unwrap();
    assert_eq!((voided.state(), voided.amount.is_none(), voided.card.is_none()), (Voided, true, true));
    assert_eq!(shop.charge(&id).await.unwrap().state(), ChargeState::Voided);
    for _ in 0..2 {
        let refused = shop.authorize(&id, &token, 500).await.unwrap_err();
        assert_eq!(refusal(&refused), failed("PAYMENT_CLOSED"));
    }
    // The card was not used up by it, and nothing was ever set aside.
    shop.authorize(&payment_id(), &token, 500).await.unwrap();
    assert_eq!(shop.entries(&id, Operation::Authorize).await, 0);
}

async fn a_void_that_does_not_reach_the_acquirer_changes_nothing(shop: Shop) {
    let (authorized, unseen) = (shop.authorized(500).await, payment_id());
    shop.down(true).await;
    assert_eq!(refusal(&shop.void(&authorized).await.unwrap_err()), unavailable("PROCESSOR_UNAVAILABLE"));
    assert_eq!(refusal(&shop.void(&unseen).await.unwrap_err()), unavailable("PROCESSOR_UNAVAILABLE"));
    shop.down(false).await;
    assert_eq!(shop.capture(&authorized).await.unwrap().state(), Captured);
    let token = shop.token(GOOD).await;
    shop.authorize(&unseen, &token, 500).await.unwrap();
}

async fn a_captured_payment_cannot_be_voided(shop: Shop) {
    let id = shop.captured(500).await;
    assert_eq!(refusal(&shop.void(&id).await.unwrap_err()), failed("PAYMENT_CAPTURED"));
    assert_eq!(shop.state(&id).await, Captured);
}

async fn of_a_void_and_a_capture_at_once_the_ledger_has_one(shop: Shop) {
    for _ in 0..8 {
        let id = shop.authorized(500).await;
        let (capture, void) = tokio::join!(shop.capture(&id), shop.void(&id));
        let state = shop.state(&id).await;
        let charge = shop.charge(&id).await.unwrap().state();
        match state {
            Captured => assert!(charge == ChargeState::Captured && capture.is_ok(), "{capture:?} {void:?}"),
            Voided => assert!(charge == ChargeState::Voided && void.is_ok(), "{capture:?} {void:?}"),
            other => panic!("{other:?} after {capture:?} and {void:?}"),
        }
        let done = shop.entries(&id, Operation::Capture).await + shop.entries(&id, Operation::Void).await;
        assert_eq!(done, 1);
    }
}

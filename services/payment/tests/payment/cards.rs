//! Tokens for cards: once, for 15 minutes, and the code no longer than that.

use contracts::payment::v1 as pb;
use tonic::Code;

use crate::shop::{self, GOOD, Shop, failed, payment_id, refusal, request_id, tokenize};

crate::on_both_databases!(
    a_card_gives_a_token_and_what_may_be_shown_of_it,
    the_same_request_gives_the_first_token_again_and_another_card_is_refused,
    a_token_is_good_for_one_payment,
    a_token_whose_time_is_over_is_refused_and_its_card_deleted,
    a_code_is_erased_at_the_outcome_or_when_its_time_is_over,
);

async fn a_card_gives_a_token_and_what_may_be_shown_of_it(shop: Shop) {
    let answer = tokenize(&shop.client, shop::card("4242 4242-4242 4242"), &request_id()).await.unwrap();
    assert!(answer.card_token.len() == 32 && answer.expire_time.is_some());
    let card = answer.card.unwrap();
    assert_eq!((card.brand(), &*card.last_four, card.expiry_month), (pb::CardBrand::Visa, "4242", 12));
    let express = pb::CardDetails { security_code: "7391".into(), ..shop::card("378282246310005") };
    let card = tokenize(&shop.client, express, &request_id()).await.unwrap().card.unwrap();
    assert_eq!((card.brand(), &*card.last_four), (pb::CardBrand::AmericanExpress, "0005"));
}

async fn the_same_request_gives_the_first_token_again_and_another_card_is_refused(shop: Shop) {
    let id = request_id();
    let first = tokenize(&shop.client, shop::card(GOOD), &id).await.unwrap();
    assert_eq!(tokenize(&shop.client, shop::card("4242 4242 4242 4242"), &id.to_uppercase()).await.unwrap(), first);
    let others = [
        shop::card("5555555555554444"),
        pb::CardDetails { security_code: "740".into(), ..shop::card(GOOD) },
        pb::CardDetails { expiry_month: 11, ..shop::card(GOOD) },
        pb::CardDetails { holder_name: "B. Shopper".into(), ..shop::card(GOOD) },
    ];
    for other in others {
        let refused = tokenize(&shop.client, other, &id).await.unwrap_err();
        assert_eq!(refusal(&refused), failed("REQUEST_ID_REUSED"));
    }
    assert_ne!(tokenize(&shop.client, shop::card(GOOD), &request_id()).await.unwrap().card_token, first.card_token);
}

async fn a_token_is_good_for_one_payment(shop: Shop) {
    let (token, first) = (shop.token(GOOD).await, payment_id());
    shop.authorize(&first, &token, 100).await.unwrap();
    let refused = shop.authorize(&payment_id(), &token, 100).await.unwrap_err();
    assert_eq!(refusal(&refused), failed("CARD_TOKEN_INVALID"));
    let refused = shop.authorize(&payment_id(), &payment_id(), 100).await.unwrap_err();
    assert_eq!(refusal(&refused), failed("CARD_TOKEN_INVALID"));
    // Its own payment is as it was.
    assert_eq!(shop.authorize(&first, &token, 100).await.unwrap().state(), pb::PaymentState::Authorized);
}

async fn a_token_whose_time_is_over_is_refused_and_its_card_deleted(shop: Shop) {
    let token = shop.token(GOOD).await;
    shop.time_passes().await;
    let id = payment_id();
    let refused = shop.authorize(&id, &token, 100).await.unwrap_err();
    assert_eq!(refusal(&refused), failed("CARD_TOKEN_INVALID"));
    assert_eq!(refusal(&shop.get(&id).await.unwrap_err()), (Code::NotFound, "PAYMENT_NOT_FOUND".into()));
    shop.sweeper().await;
    shop::eventually(async || shop.codes_and_cards().await == (0, 0)).await;
}

async fn a_code_is_erased_at_the_outcome_or_when_its_time_is_over(shop: Shop) {
    let declined = shop.token("4000000000000002").await;
    let (unused, kept) = (shop.token(GOOD).await, shop.token(GOOD).await);
    assert_eq!(shop.codes_and_cards().await, (3, 3));
    shop.authorize(&payment_id(), &kept, 100).await.unwrap();
    assert_eq!(shop.codes_and_cards().await, (2, 3));
    let payment = shop.authorize(&payment_id(), &declined, 100).await.unwrap();
    assert_eq!(payment.state(), pb::PaymentState::Declined);
    assert_eq!(shop.codes_and_cards().await, (1, 3));
    // In doubt, so that the code is still there when its time is over.
    shop.lose_everything().await;
    let refused = shop.authorize(&payment_id(), &unused, 100).await.unwrap_err();
    assert_eq!(refusal(&refused), shop::unavailable("OUTCOME_UNKNOWN"));
    assert_eq!(shop.codes_and_cards().await, (1, 3));
    shop.time_passes().await;
    shop.sweeper().await;
    shop::eventually(async || shop.codes_and_cards().await == (0, 3)).await;
}

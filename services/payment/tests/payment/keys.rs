//! Keys are changed while cards are kept.

use contracts::payment::v1::PaymentState::Authorized;
use mesh::Directory;

use crate::shop::{self, GOOD, NEW_KEY, OLD_KEY, Shop, authorize, failed, payment_id, refusal, request_id, tokenize};

crate::on_both_databases!(a_card_that_was_kept_under_the_old_key_is_charged_and_known_again_under_the_new_one);

async fn a_card_that_was_kept_under_the_old_key_is_charged_and_known_again_under_the_new_one(shop: Shop) {
    let old = shop.replica(shop::config(&shop.payment_url, OLD_KEY)).await;
    let (request, other) = (request_id(), request_id());
    let kept = tokenize(&old, shop::card(GOOD), &request).await.unwrap();
    let unreadable = tokenize(&old, shop::card(GOOD), &other).await.unwrap();

    let rotated = shop.replica(shop::config(&shop.payment_url, &format!("{NEW_KEY},{OLD_KEY}"))).await;
    assert_eq!(tokenize(&rotated, shop::card(GOOD), &request).await.unwrap(), kept);
    let refused = tokenize(&rotated, shop::card("5555555555554444"), &request).await.unwrap_err();
    assert_eq!(refusal(&refused), failed("REQUEST_ID_REUSED"));
    let payment = authorize(&rotated, &payment_id(), &kept.card_token, 100).await.unwrap();
    assert_eq!(payment.state(), Authorized);

    // What only a key that is gone can open is an internal error, and no charge.
    let id = payment_id();
    let refused = authorize(&shop.client, &id, &unreadable.card_token, 100).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Internal);
    assert!(shop.charge(&id).await.is_none());
    assert_eq!(shop.get(&id).await.unwrap_err().code(), tonic::Code::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payments_without_a_key_do_not_start_and_say_which_variable_it_is() {
    let shop = Shop::on_sqlite().await;
    for keys in ["", "1:short", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="] {
        let config = shop::config(&shop.payment_url, keys);
        let refused = payment::start(config, &shop.process, &Directory::default()).await.unwrap_err().to_string();
        assert!(refused.starts_with("PAYMENT_KEYS: ") && !refused.contains("short"), "{refused}");
    }
}

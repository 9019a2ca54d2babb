//! The same request again.

use contracts::cart::v1::{AddItemRequest, ClearCartRequest, MergeCartsRequest};
use tokio::task::JoinSet;
use tonic::Code;

use crate::shop::{self, Shop, add, added, items, refusal, request_id};

crate::on_both_databases!(
    a_retry_gets_the_first_answer_and_does_nothing,
    a_retry_of_an_item_that_made_a_cart_makes_no_other,
    tries_at_the_same_time_make_one_cart,
    a_request_id_with_other_content_is_refused_but_not_for_another_cart,
    a_refusal_is_not_remembered,
    a_retry_of_a_merge_moves_nothing_again,
);

async fn a_retry_gets_the_first_answer_and_does_nothing(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    let cart = shop.filled(&[("mug", 1)]).await;
    let request = AddItemRequest { etag: cart.etag.clone(), ..shop::addition(&cart.cart_id, "mug") };
    let first = added(&shop.client, request.clone()).await.unwrap();
    let later = add(&shop.client, &cart.cart_id, "mug", 5).await.unwrap();
    // Although its etag is old, and by whichever replica.
    assert_eq!(added(&shop.client, request.clone()).await.unwrap(), first);
    let upper = AddItemRequest { request_id: request.request_id.to_uppercase(), ..request };
    assert_eq!(added(&shop.replica().await, upper).await.unwrap(), first);
    assert_eq!(shop.get(&cart.cart_id).await.unwrap(), later);
}

async fn a_retry_of_an_item_that_made_a_cart_makes_no_other(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    let request = shop::addition("", "mug");
    let first = added(&shop.client, request.clone()).await.unwrap();
    shop.delete("mug").await;
    assert_eq!(added(&shop.client, request).await.unwrap(), first);
    assert_eq!(shop.stored().await, 1);
}

async fn tries_at_the_same_time_make_one_cart(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    let (request, replica, mut tries) = (shop::addition("", "mug"), shop.replica().await, JoinSet::new());
    for number in 0..16 {
        let (client, request) = (if number % 2 == 0 { &shop.client } else { &replica }.clone(), request.clone());
        tries.spawn(async move { added(&client, request).await.unwrap() });
    }
    let carts = tries.join_all().await;
    assert!(carts.iter().all(|cart| *cart == carts[0]));
    assert_eq!((shop.stored().await, items(&carts[0])), (1, vec![("mug", 1)]));
}

async fn a_request_id_with_other_content_is_refused_but_not_for_another_cart(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    let (one, other) = (shop.filled(&[("mug", 1)]).await, shop.filled(&[("mug", 1)]).await);
    let request = shop::addition(&one.cart_id, "mug");
    added(&shop.client, request.clone()).await.unwrap();
    let changed = added(&shop.client, AddItemRequest { quantity: 2, ..request.clone() }).await.unwrap_err();
    assert_eq!(refusal(&changed), (Code::FailedPrecondition, "REQUEST_ID_REUSED".into()));
    let elsewhere = added(&shop.client, AddItemRequest { cart_id: other.cart_id, ..request }).await.unwrap();
    assert_eq!(items(&elsewhere), [("mug", 2)]);
    assert_eq!(items(&shop.get(&one.cart_id).await.unwrap()), [("mug", 2)]);
}

async fn a_refusal_is_not_remembered(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    let cart = shop.filled(&[("mug", 1)]).await;
    let request = shop::addition(&cart.cart_id, "jug");
    let refused = added(&shop.client, request.clone()).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::NotFound, "PRODUCT_NOT_FOUND".into()));
    shop.sell("jug", "EUR", 30).await;
    assert_eq!(items(&added(&shop.client, request).await.unwrap()), [("mug", 1), ("jug", 1)]);
}

async fn a_retry_of_a_merge_moves_nothing_again(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    let source = shop.filled(&[("mug", 2)]).await;
    let request = MergeCartsRequest { request_id: request_id(), ..shop::merger("", &source.cart_id) };
    let first = shop::merged(&shop.client, request.clone()).await.unwrap();
    let filled = add(&shop.client, &source.cart_id, "mug", 3).await.unwrap();
    assert_eq!(shop::merged(&shop.client, request).await.unwrap(), first);
    assert_eq!(shop.get(&source.cart_id).await.unwrap(), filled);
    // A write that changed nothing is answered again as well.
    let clear = ClearCartRequest { cart_id: source.cart_id.clone(), etag: String::new(), request_id: request_id() };
    let cleared = shop::cleared(&shop.client, clear.clone()).await.unwrap();
    add(&shop.client, &source.cart_id, "mug", 1).await.unwrap();
    assert_eq!(shop::cleared(&shop.client, clear).await.unwrap(), cleared);
    assert_eq!(items(&shop.get(&source.cart_id).await.unwrap()), [("mug", 1)]);
}

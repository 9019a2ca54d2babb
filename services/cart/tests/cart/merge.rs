//! Joining two carts.

use tonic::Code;

use crate::shop::{self, Shop, items, merge, metadata, refusal};

crate::on_both_databases!(
    quantities_are_added_and_the_source_is_left_empty,
    a_cart_is_made_where_none_is_named,
    a_merge_that_is_refused_leaves_both_as_they_were,
    what_is_no_longer_sold_comes_along,
    two_carts_that_are_merged_into_each_other_lose_nothing,
);

async fn quantities_are_added_and_the_source_is_left_empty(shop: Shop) {
    for id in ["mug", "jug", "pen"] {
        shop.sell(id, "EUR", 1).await;
    }
    let target = shop.filled(&[("mug", 1), ("jug", 2)]).await;
    let source = shop.filled(&[("pen", 3), ("jug", 4)]).await;
    let cart = merge(&shop.client, &target.cart_id, &source.cart_id).await.unwrap();
    assert_eq!((&cart.cart_id, items(&cart)), (&target.cart_id, vec![("mug", 1), ("jug", 6), ("pen", 3)]));
    assert_eq!(cart.items[1].create_time, target.items[1].create_time);
    assert_eq!(shop.get(&target.cart_id).await.unwrap(), cart);
    let left = shop.get(&source.cart_id).await.unwrap();
    assert_eq!((items(&left), &*left.currency_code), (vec![], ""));
    assert_ne!(left.etag, source.etag);
    // An empty cart takes the currency of what comes.
    let cart = merge(&shop.client, &source.cart_id, &target.cart_id).await.unwrap();
    assert_eq!((items(&cart), &*cart.currency_code), (vec![("mug", 1), ("jug", 6), ("pen", 3)], "EUR"));
}

async fn a_cart_is_made_where_none_is_named(shop: Shop) {
    shop.sell("mug", "EUR", 1).await;
    let source = shop.filled(&[("mug", 2)]).await;
    let cart = merge(&shop.client, "", &source.cart_id).await.unwrap();
    assert_ne!(cart.cart_id, source.cart_id);
    assert_eq!((items(&cart), shop.get(&cart.cart_id).await.unwrap()), (vec![("mug", 2)], cart.clone()));
    // Also of nothing.
    let empty = merge(&shop.client, "", &source.cart_id).await.unwrap();
    assert_eq!((items(&empty), shop.get(&empty.cart_id).await.unwrap()), (vec![], empty.clone()));
    shop::add(&shop.client, &empty.cart_id, "mug", 1).await.unwrap();
}

async fn a_merge_that_is_refused_leaves_both_as_they_were(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    shop.sell("tea", "JPY", 900).await;
    let (target, tea) = (shop.filled(&[("mug", 9_000)]).await, shop.filled(&[("tea", 1)]).await);
    let many = shop.filled(&[("mug", 1_001)]).await;
    let refused = merge(&shop.client, &target.cart_id, &tea.cart_id).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "CURRENCY_MISMATCH".into()));
    assert_eq!(
        (metadata(&refused, "cart_currency"), metadata(&refused, "source_currency")),
        ("EUR".into(), "JPY".into())
    );
    let refused = merge(&shop.client, &target.cart_id, &many.cart_id).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "QUANTITY_LIMIT".into()));
    for cart in [target, tea, many] {
        assert_eq!(shop.get(&cart.cart_id).await.unwrap(), cart);
    }
}

async fn what_is_no_longer_sold_comes_along(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    shop.sell("jug", "EUR", 30).await;
    let source = shop.filled(&[("mug", 1), ("jug", 1)]).await;
    shop.delete("mug").await;
    let cart = merge(&shop.client, "", &source.cart_id).await.unwrap();
    assert_eq!(items(&cart), [("mug", 1), ("jug", 1)]);
    assert_eq!(cart.items.iter().map(|item| item.unavailable).collect::<Vec<_>>(), [true, false]);
}

async fn two_carts_that_are_merged_into_each_other_lose_nothing(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    let (one, other) = (shop.filled(&[("mug", 3)]).await, shop.filled(&[("mug", 4)]).await);
    let replica = shop.replica().await;
    for _ in 0..10 {
        let (there, back) = tokio::join!(
            merge(&shop.client, &one.cart_id, &other.cart_id),
            merge(&replica, &other.cart_id, &one.cart_id)
        );
        there.and(back).unwrap();
        let carts = [shop.get(&one.cart_id).await.unwrap(), shop.get(&other.cart_id).await.unwrap()];
        assert_eq!(carts.iter().flat_map(|cart| &cart.items).map(|item| item.quantity).sum::<i32>(), 7);
    }
}

//! Ninety days without a change.

use std::time::Duration;

use tonic::Code;

use crate::shop::{self, Shop, add, refusal};

crate::on_both_databases!(
    a_cart_that_is_over_is_not_found_before_anybody_deletes_it,
    a_change_gives_a_cart_another_ninety_days,
    sweepers_delete_what_is_over_and_nothing_else,
);

async fn a_cart_that_is_over_is_not_found_before_anybody_deletes_it(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    let (over, there) = (shop.filled(&[("mug", 1)]).await, shop.filled(&[("mug", 1)]).await);
    shop.days_pass(&over.cart_id, 90).await;
    let client = &shop.client;
    let refused = [
        shop.get(&over.cart_id).await,
        add(client, &over.cart_id, "mug", 1).await,
        shop::clear(client, &over).await,
        shop::merge(client, &there.cart_id, &over.cart_id).await,
    ];
    for refused in refused {
        assert_eq!(refusal(&refused.unwrap_err()), (Code::NotFound, "CART_NOT_FOUND".into()));
    }
    assert_eq!((shop.stored().await, shop.get(&there.cart_id).await.unwrap()), (2, there));
}

async fn a_change_gives_a_cart_another_ninety_days(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    let cart = shop.filled(&[("mug", 1)]).await;
    for _ in 0..3 {
        shop.days_pass(&cart.cart_id, 89).await;
        let aged = shop.get(&cart.cart_id).await.unwrap();
        assert!(aged.expire_time.unwrap().seconds < cart.expire_time.unwrap().seconds);
        let now = add(&shop.client, &cart.cart_id, "mug", 1).await.unwrap();
        assert!(now.expire_time.unwrap().seconds >= cart.expire_time.unwrap().seconds);
    }
}

async fn sweepers_delete_what_is_over_and_nothing_else(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    let (fresh, aged) = (shop.filled(&[("mug", 1)]).await, shop.filled(&[("mug", 1)]).await);
    shop.days_pass(&aged.cart_id, 89).await;
    let mut over = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let client = shop.client.clone();
        over.spawn(async move { add(&client, "", "mug", 1).await.unwrap().cart_id });
    }
    for cart in over.join_all().await {
        shop.days_pass(&cart, 91).await;
    }
    assert_eq!(shop.stored().await, 302);
    let often = Duration::from_millis(5);
    let _replicas = (shop.replica_that_sweeps(often).await, shop.replica_that_sweeps(often).await);
    shop::eventually(async || shop.stored().await == 2).await;
    assert_eq!(shop.get(&fresh.cart_id).await.unwrap(), fresh);
    shop.get(&aged.cart_id).await.unwrap();
}

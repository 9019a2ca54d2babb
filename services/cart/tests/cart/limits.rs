//! One currency, a hundred products, ten thousand units.

use tonic::Code;

use crate::shop::{self, Shop, add, items, metadata, refusal};

crate::on_both_databases!(
    a_product_in_another_currency_is_refused_and_both_are_named,
    a_cart_has_ten_thousand_units_of_a_product_and_no_more,
    a_cart_has_a_hundred_products_and_no_more,
    only_what_the_catalog_sells_is_added,
);

async fn a_product_in_another_currency_is_refused_and_both_are_named(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    shop.sell("tea", "JPY", 900).await;
    let cart = shop.filled(&[("mug", 1)]).await;
    let refused = add(&shop.client, &cart.cart_id, "tea", 1).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "CURRENCY_MISMATCH".into()));
    assert_eq!(
        (metadata(&refused, "cart_currency"), metadata(&refused, "product_currency")),
        ("EUR".into(), "JPY".into())
    );
    assert_eq!(shop.get(&cart.cart_id).await.unwrap(), cart);
}

async fn a_cart_has_ten_thousand_units_of_a_product_and_no_more(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    let cart = shop.filled(&[("mug", 9_999)]).await;
    let refused = add(&shop.client, &cart.cart_id, "mug", 2).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "QUANTITY_LIMIT".into()));
    let full = add(&shop.client, &cart.cart_id, "mug", 1).await.unwrap();
    let refused = add(&shop.client, &cart.cart_id, "mug", 10_000).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "QUANTITY_LIMIT".into()));
    assert_eq!(shop.get(&cart.cart_id).await.unwrap(), full);
}

async fn a_cart_has_a_hundred_products_and_no_more(shop: Shop) {
    let ids: Vec<String> = (0..101).map(|number| format!("p{number}")).collect();
    for id in &ids {
        shop.sell(id, "EUR", 1).await;
    }
    let full: Vec<_> = ids[..100].iter().map(|id| (&**id, 1)).collect();
    let cart = shop.filled(&full).await;
    assert_eq!(items(&cart), full);
    let refused = add(&shop.client, &cart.cart_id, "p100", 1).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "CART_FULL".into()));
    // One that is there still takes units.
    let cart = add(&shop.client, &cart.cart_id, "p0", 1).await.unwrap();
    let other = shop.filled(&[("p100", 1)]).await;
    let refused = shop::merge(&shop.client, &cart.cart_id, &other.cart_id).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "CART_FULL".into()));
    assert_eq!(shop.get(&cart.cart_id).await.unwrap(), cart);
    assert_eq!(shop.get(&other.cart_id).await.unwrap(), other);
}

async fn only_what_the_catalog_sells_is_added(shop: Shop) {
    for id in ["mug", "jug", "pen"] {
        shop.sell(id, "EUR", 1).await;
    }
    shop.discontinue("jug").await;
    shop.delete("pen").await;
    let cart = shop.filled(&[("mug", 1)]).await;
    for cart in ["", &cart.cart_id] {
        for (id, code, reason) in [
            ("never", Code::NotFound, "PRODUCT_NOT_FOUND"),
            ("jug", Code::FailedPrecondition, "PRODUCT_DISCONTINUED"),
            ("pen", Code::NotFound, "PRODUCT_NOT_FOUND"),
        ] {
            let refused = add(&shop.client, cart, id, 1).await.unwrap_err();
            assert_eq!(refusal(&refused), (code, reason.into()), "{id}");
            assert_eq!(metadata(&refused, "product_id"), id);
        }
    }
    assert_eq!((shop.get(&cart.cart_id).await.unwrap(), shop.stored().await), (cart, 1));
    // One that is made again is sold again.
    shop.sell("pen", "EUR", 2).await;
    shop.filled(&[("pen", 1)]).await;
}

//! Everything that a request can get wrong.

use contracts::cart::v1 as pb;

use crate::shop::{self, Shop, added, fields, merged, request_id};

const CART: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_an_addition_keeps_its_limits() {
    let shop = Shop::on_sqlite().await;
    shop.sell("mug", "EUR", 12).await;
    let fine = shop::addition("", "mug");
    let cart = |id: &str| pb::AddItemRequest { cart_id: id.into(), ..fine.clone() };
    let product = |id: &str| pb::AddItemRequest { product_id: id.into(), ..fine.clone() };
    let quantity = |quantity| pb::AddItemRequest { quantity, ..fine.clone() };
    let id = |id: &str| pb::AddItemRequest { request_id: id.into(), ..fine.clone() };
    let mut cases = Vec::new();
    cases.extend(
        ["1", &"g".repeat(32), &"0".repeat(33), &CART.to_uppercase(), &request_id()].map(|bad| ("cart_id", cart(bad))),
    );
    cases.extend(["", "-mug", "a b", "a/b", "mug\0", "ä", &"x".repeat(65)].map(|bad| ("product_id", product(bad))));
    cases.extend([0, -1, 10_001, i32::MIN, i32::MAX].map(|bad| ("quantity", quantity(bad))));
    cases.extend(["", "1", CART, &format!("{{{}}}", request_id())].map(|bad| ("request_id", id(bad))));
    cases.push(("etag", pb::AddItemRequest { etag: "x".repeat(65), ..cart(CART) }));
    // There is no version of a cart that is not made yet.
    cases.push(("etag", pb::AddItemRequest { etag: "x".into(), ..fine.clone() }));
    for (field, request) in cases {
        assert_eq!(fields(&added(&shop.client, request.clone()).await.unwrap_err()), [field], "{request:?}");
    }
    assert_eq!(shop.stored().await, 0);
    added(&shop.client, fine).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_the_other_writes_keeps_its_limits() {
    let shop = Shop::on_sqlite().await;
    let mut client = shop.client.clone();
    let (long, no) = ("x".repeat(65), String::new());
    let bad = pb::SetItemQuantityRequest {
        cart_id: no.clone(),
        product_id: no.clone(),
        quantity: 0,
        etag: long.clone(),
        request_id: no.clone(),
    };
    let refused = client.set_item_quantity(bad).await.unwrap_err();
    assert_eq!(fields(&refused), ["request_id", "cart_id", "etag", "product_id", "quantity"]);
    for quantity in [-1, 10_001, i32::MIN] {
        let cart = pb::Cart { cart_id: CART.into(), ..pb::Cart::default() };
        assert_eq!(fields(&shop::set(&client, &cart, "mug", quantity).await.unwrap_err()), ["quantity"]);
    }
    let (cart_id, product_id, etag, request_id) = (no.clone(), no.clone(), long.clone(), no.clone());
    let bad = pb::RemoveItemRequest { cart_id, product_id, etag, request_id };
    assert_eq!(fields(&client.remove_item(bad).await.unwrap_err()), ["request_id", "cart_id", "etag", "product_id"]);
    let bad = pb::ClearCartRequest { cart_id: no.clone(), etag: long, request_id: no.clone() };
    assert_eq!(fields(&client.clear_cart(bad).await.unwrap_err()), ["request_id", "cart_id", "etag"]);
    assert_eq!(fields(&shop.get("").await.unwrap_err()), ["cart_id"]);
    assert_eq!(fields(&shop.get(&CART.to_uppercase()).await.unwrap_err()), ["cart_id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_names_two_carts() {
    let shop = Shop::on_sqlite().await;
    let other = "f".repeat(32);
    let merger = |cart: &str, source: &str| shop::merger(cart, source);
    let cases = [
        (vec!["source_cart_id"], merger(CART, "")),
        (vec!["source_cart_id"], merger("", "x")),
        (vec!["source_cart_id"], merger(CART, CART)),
        (vec!["cart_id"], merger("x", &other)),
        (vec!["etag"], pb::MergeCartsRequest { etag: "x".into(), ..merger("", &other) }),
        (vec!["etag"], pb::MergeCartsRequest { etag: "x".repeat(65), ..merger(CART, &other) }),
        (vec!["request_id"], pb::MergeCartsRequest { request_id: "x".into(), ..merger(CART, &other) }),
        (
            vec!["request_id", "cart_id", "source_cart_id"],
            pb::MergeCartsRequest { request_id: "x".into(), ..merger("x", "y") },
        ),
    ];
    for (expected, request) in cases {
        assert_eq!(fields(&merged(&shop.client, request.clone()).await.unwrap_err()), expected, "{request:?}");
    }
}

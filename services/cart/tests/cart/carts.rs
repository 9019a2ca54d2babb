//! What a cart is, and what each write makes of it.

use contracts::catalog::v1::Picture;
use contracts::google::r#type::Money;
use tonic::Code;

use crate::shop::{self, Shop, add, items, refusal};

crate::on_both_databases!(
    the_first_item_makes_a_cart_that_shows_what_the_catalog_says,
    units_of_one_product_are_added_and_keep_their_place,
    a_quantity_is_set_an_item_is_removed_and_a_cart_is_cleared,
    a_write_that_changes_nothing_gives_the_same_cart,
    an_etag_of_before_is_refused_by_every_write,
    a_cart_that_is_not_there_is_not_found_by_any_rpc,
);

async fn the_first_item_makes_a_cart_that_shows_what_the_catalog_says(shop: Shop) {
    let pictures = ["/pictures/mug.svg", "/pictures/other.svg"];
    let pictures = pictures.map(|uri| Picture { uri: uri.into(), alt_text: String::new() }).to_vec();
    let price = Money { currency_code: "KWD".into(), units: 1, nanos: 234_000_000 };
    let mug = shop::product("mug", "KWD", 0);
    let name = "ü".repeat(300);
    shop.offer(contracts::catalog::v1::Product { name, pictures, price: Some(price.clone()), ..mug }).await;
    let cart = add(&shop.client, "", "mug", 2).await.unwrap();
    assert!(cart.cart_id.len() == 32 && cart.cart_id.bytes().all(|digit| b"0123456789abcdef".contains(&digit)));
    assert_eq!((items(&cart), &*cart.currency_code), (vec![("mug", 2)], "KWD"));
    let item = &cart.items[0];
    assert_eq!((item.unavailable, &item.unit_price, &*item.picture_uri), (false, &Some(price), "/pictures/mug.svg"));
    assert_eq!(item.name, "ü".repeat(200));
    assert_eq!((item.create_time, cart.update_time), (cart.create_time, cart.create_time));
    let days = cart.expire_time.unwrap().seconds - cart.update_time.unwrap().seconds;
    assert_eq!(days, 90 * 24 * 60 * 60);
    assert!(!cart.etag.is_empty() && cart.etag.len() <= 64);
    assert_eq!(shop.get(&cart.cart_id).await.unwrap(), cart);
    let other = add(&shop.client, "", "mug", 2).await.unwrap();
    assert_ne!(other.cart_id, cart.cart_id);
}

async fn units_of_one_product_are_added_and_keep_their_place(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    shop.sell("jug", "EUR", 30).await;
    let cart = shop.filled(&[("mug", 1), ("jug", 2), ("mug", 3)]).await;
    assert_eq!(items(&cart), [("mug", 4), ("jug", 2)]);
    assert_eq!(cart.items[0].create_time, cart.create_time);
    assert!(cart.update_time.unwrap().seconds >= cart.create_time.unwrap().seconds);
}

async fn a_quantity_is_set_an_item_is_removed_and_a_cart_is_cleared(shop: Shop) {
    for (id, currency) in [("mug", "EUR"), ("jug", "EUR"), ("pen", "EUR"), ("tea", "JPY")] {
        shop.sell(id, currency, 12).await;
    }
    let client = &shop.client;
    let cart = shop.filled(&[("mug", 1), ("jug", 2), ("pen", 3)]).await;
    let cart = shop::set(client, &cart, "jug", 10_000).await.unwrap();
    assert_eq!(items(&cart), [("mug", 1), ("jug", 10_000), ("pen", 3)]);
    let refused = shop::set(client, &cart, "tea", 1).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::NotFound, "ITEM_NOT_FOUND".into()));
    let cart = shop::remove(client, &cart, "mug").await.unwrap();
    assert_eq!(items(&cart), [("jug", 10_000), ("pen", 3)]);
    let cart = shop::clear(client, &cart).await.unwrap();
    assert_eq!((items(&cart), &*cart.currency_code), (vec![], ""));
    assert_eq!(shop.get(&cart.cart_id).await.unwrap(), cart);
    // Empty, it takes any currency again; also when the last item was taken out by name.
    let cart = add(client, &cart.cart_id, "tea", 1).await.unwrap();
    assert_eq!(cart.currency_code, "JPY");
    let cart = shop::remove(client, &cart, "tea").await.unwrap();
    assert_eq!(cart.currency_code, "");
    assert_eq!(add(client, &cart.cart_id, "mug", 1).await.unwrap().currency_code, "EUR");
}

async fn a_write_that_changes_nothing_gives_the_same_cart(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    let (client, cart) = (&shop.client, shop.filled(&[("mug", 2)]).await);
    let empty = shop.filled(&[("mug", 2)]).await;
    let empty = shop::clear(client, &empty).await.unwrap();
    assert_eq!(shop::set(client, &cart, "mug", 2).await.unwrap(), cart);
    assert_eq!(shop::remove(client, &cart, "jug").await.unwrap(), cart);
    assert_eq!(shop::clear(client, &empty).await.unwrap(), empty);
    assert_eq!(shop::merge(client, &cart.cart_id, &empty.cart_id).await.unwrap(), cart);
    assert_eq!((shop.get(&cart.cart_id).await.unwrap(), shop.get(&empty.cart_id).await.unwrap()), (cart, empty));
}

async fn an_etag_of_before_is_refused_by_every_write(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    let (client, old) = (&shop.client, shop.filled(&[("mug", 1)]).await);
    let source = shop.filled(&[("mug", 5)]).await;
    let now = add(client, &old.cart_id, "mug", 1).await.unwrap();
    assert_ne!(now.etag, old.etag);
    let etag = old.etag.clone();
    let addition = shop::addition(&old.cart_id, "mug");
    let merger = shop::merger(&old.cart_id, &source.cart_id);
    let refused = [
        shop::added(client, contracts::cart::v1::AddItemRequest { etag: etag.clone(), ..addition.clone() }).await,
        shop::set(client, &old, "mug", 7).await,
        // Also where it would change nothing.
        shop::remove(client, &old, "jug").await,
        shop::clear(client, &old).await,
        shop::merged(client, contracts::cart::v1::MergeCartsRequest { etag, ..merger.clone() }).await,
    ];
    for refused in refused {
        assert_eq!(refusal(&refused.unwrap_err()), (Code::Aborted, "ETAG_MISMATCH".into()));
    }
    assert_eq!(shop.get(&old.cart_id).await.unwrap(), now);
    let etag = now.etag.clone();
    let now = shop::added(client, contracts::cart::v1::AddItemRequest { etag, ..addition }).await.unwrap();
    let etag = now.etag.clone();
    let now = shop::merged(client, contracts::cart::v1::MergeCartsRequest { etag, ..merger }).await.unwrap();
    assert_eq!(items(&now), [("mug", 8)]);
}

async fn a_cart_that_is_not_there_is_not_found_by_any_rpc(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    let (client, there) = (&shop.client, shop.filled(&[("mug", 1)]).await);
    let gone = contracts::cart::v1::Cart { cart_id: "0123456789abcdef".repeat(2), ..Default::default() };
    let refused = [
        shop.get(&gone.cart_id).await,
        add(client, &gone.cart_id, "mug", 1).await,
        shop::set(client, &gone, "mug", 1).await,
        shop::remove(client, &gone, "mug").await,
        shop::clear(client, &gone).await,
        shop::merge(client, &gone.cart_id, &there.cart_id).await,
        shop::merge(client, &there.cart_id, &gone.cart_id).await,
        shop::merge(client, "", &gone.cart_id).await,
    ];
    for refused in refused {
        let refused = refused.unwrap_err();
        assert_eq!(refusal(&refused), (Code::NotFound, "CART_NOT_FOUND".into()));
        assert!(!format!("{refused:?}").contains(&gone.cart_id), "{refused:?}");
    }
    assert_eq!(shop.get(&there.cart_id).await.unwrap(), there);
}

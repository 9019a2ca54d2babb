//! What carts make of the catalog's changes, and of its absence.

use contracts::google::r#type::Money;
use tempfile::tempdir;
use tonic::Code;

use crate::shop::{self, Shop, add, eventually, items, refusal};

const NAME: &str = "souk.cart.v1.CartService";

crate::on_both_databases!(
    an_item_shows_the_catalogs_change_and_the_cart_stays_the_same,
    an_item_that_can_no_longer_be_ordered_says_so_and_stays_as_it_was_last,
    carts_work_while_the_catalog_is_away_after_a_restart_too,
);

/// As the catalog has it now.
fn price(currency: &str, units: i64) -> Option<Money> {
    Some(Money { currency_code: currency.into(), units, nanos: 0 })
}

async fn an_item_shows_the_catalogs_change_and_the_cart_stays_the_same(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    let cart = shop.filled(&[("mug", 1)]).await;
    let changed = contracts::catalog::v1::Product { name: "A cup".into(), ..shop::product("mug", "EUR", 15) };
    shop.update(changed, &["name", "price"]).await;
    eventually(async || shop.get(&cart.cart_id).await.unwrap().items[0].name == "A cup").await;
    let now = shop.get(&cart.cart_id).await.unwrap();
    assert_eq!((&now.items[0].unit_price, now.items[0].unavailable), (&price("EUR", 15), false));
    assert_eq!((now.etag, now.update_time), (cart.etag, cart.update_time));
}

async fn an_item_that_can_no_longer_be_ordered_says_so_and_stays_as_it_was_last(shop: Shop) {
    for id in ["gone", "old", "dear", "mug"] {
        shop.sell(id, "EUR", 12).await;
    }
    let cart = shop.filled(&[("gone", 1), ("old", 1), ("dear", 1), ("mug", 1)]).await;
    shop.delete("gone").await;
    shop.discontinue("old").await;
    shop.update(shop::product("dear", "USD", 99), &["price"]).await;
    let unavailable = async || {
        let now = shop.get(&cart.cart_id).await.unwrap();
        now.items.iter().map(|item| item.unavailable).collect::<Vec<_>>()
    };
    eventually(async || unavailable().await == [true, true, true, false]).await;
    let now = shop.get(&cart.cart_id).await.unwrap();
    let shown: Vec<_> = now.items.iter().map(|item| (&*item.name, item.unit_price.clone())).collect();
    let euros = price("EUR", 12);
    assert_eq!(
        shown,
        [("The gone", euros.clone()), ("The old", euros.clone()), ("The dear", price("USD", 99)), ("The mug", euros)]
    );
    assert_eq!((&now.etag, &*now.currency_code), (&cart.etag, "EUR"));
    // It is still an item like others.
    let refused = add(&shop.client, &cart.cart_id, "dear", 1).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "CURRENCY_MISMATCH".into()));
    let now = shop::set(&shop.client, &now, "gone", 3).await.unwrap();
    assert_eq!((items(&now)[0], now.items[0].unavailable), (("gone", 3), true));
    shop::remove(&shop.client, &now, "old").await.unwrap();
    // And one that comes back is one that can be ordered.
    shop.sell("gone", "EUR", 13).await;
    eventually(async || unavailable().await == [false, true, false]).await;
}

async fn carts_work_while_the_catalog_is_away_after_a_restart_too(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    let cart = shop.filled(&[("mug", 1)]).await;
    let (process, alone) = shop.alone().await;
    eventually(async || process.health().get(NAME) == Some(true)).await;
    assert_eq!(shop::get(&alone, &cart.cart_id).await.unwrap(), cart);
    let cart = add(&alone, &cart.cart_id, "mug", 1).await.unwrap();
    assert_eq!(items(&shop::set(&alone, &cart, "mug", 7).await.unwrap()), [("mug", 7)]);
    let refused = add(&alone, "", "jug", 1).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::NotFound, "PRODUCT_NOT_FOUND".into()));
    process.stop(std::time::Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn carts_whose_catalog_was_never_there_are_not_ready_and_take_nothing_until_it_comes() {
    let folder = tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("cart.db").display());
    let shop = Shop::without_catalog(url, folder).await;
    for _ in 0..3 {
        let refused = add(&shop.client, "", "mug", 1).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::Unavailable, "CATALOG_NOT_SEEN".into()));
        let refused = shop.get(&"0".repeat(32)).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::NotFound, "CART_NOT_FOUND".into()));
        assert_eq!(shop.process.health().get(NAME), Some(false));
    }
    // A catalog that is empty is seen as well.
    shop.open_catalog().await;
    eventually(async || shop.process.health().get(NAME) == Some(true)).await;
    let refused = add(&shop.client, "", "mug", 1).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::NotFound, "PRODUCT_NOT_FOUND".into()));
    shop.sell("mug", "EUR", 12).await;
    shop.filled(&[("mug", 1)]).await;
}

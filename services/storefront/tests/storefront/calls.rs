//! How many calls a page makes, and that a cart's id is in none of its metrics.

use std::collections::BTreeMap;

use crate::{
    browser::Browser,
    shop::{Shop, eventually, product},
};

/// The calls of one page, by service.
async fn calls(shop: &Shop, browser: &mut Browser, path: &str) -> BTreeMap<&'static str, BTreeMap<String, usize>> {
    shop.gates.values().for_each(|gate| drop(gate.take_calls()));
    let page = browser.get(path).await;
    assert_eq!(page.status, 200, "{path}");
    shop.gates.iter().map(|(name, gate)| (*name, gate.take_calls())).filter(|(_, calls)| !calls.is_empty()).collect()
}

fn expected(calls: &[(&'static str, &str)]) -> BTreeMap<&'static str, BTreeMap<String, usize>> {
    calls.iter().map(|(service, rpc)| (*service, BTreeMap::from([((*rpc).to_owned(), 1)]))).collect()
}

#[tokio::test]
async fn a_page_makes_one_call_a_service_however_much_is_on_it() {
    let shop = Shop::selling((0..20).map(|index| (product(&format!("p{index}"), "Thing"), 9)).collect()).await;
    let mut cart = shop.add("", "p0", 1).await.unwrap();
    for index in 1..20 {
        cart = shop.add(&cart.cart_id, &format!("p{index}"), 1).await.unwrap();
    }
    let mut browser = Browser::with_cart(&shop.web, &cart.cart_id);
    let cart_page = [("cart", "GetCart"), ("inventory", "BatchGetStock")];
    assert_eq!(calls(&shop, &mut browser, "/cart").await, expected(&cart_page));
    let home = [
        ("cart", "GetCart"),
        ("catalog", "ListProducts"),
        ("inventory", "BatchGetStock"),
        ("search", "SearchProducts"),
    ];
    assert_eq!(calls(&shop, &mut browser, "/").await, expected(&home));
    let listing = [("cart", "GetCart"), ("catalog", "ListProducts"), ("inventory", "BatchGetStock")];
    assert_eq!(calls(&shop, &mut browser, "/category").await, expected(&listing));
    let search = [("cart", "GetCart"), ("search", "SearchProducts")];
    assert_eq!(calls(&shop, &mut browser, "/search?q=thing").await, expected(&search));
    let page = [("cart", "GetCart"), ("catalog", "GetProduct"), ("inventory", "BatchGetStock")];
    assert_eq!(calls(&shop, &mut browser, "/products/p1").await, expected(&page));
    // Who has no cart is not asked for one.
    let mut stranger = Browser::new(&shop.web);
    assert_eq!(calls(&shop, &mut stranger, "/cart").await, expected(&[]));
    assert_eq!(calls(&shop, &mut stranger, "/category").await, expected(&listing[1..]));
}

#[tokio::test]
async fn visitors_at_the_same_moment_share_what_the_first_page_shows_to_all_and_no_cart() {
    let shop = Shop::selling(vec![(product("mug", "Mug"), 9)]).await;
    let cart = shop.add("", "mug", 3).await.unwrap();
    let (mut buyer, mut stranger) = (Browser::with_cart(&shop.web, &cart.cart_id), Browser::new(&shop.web));
    let of_the_cart = expected(&[("cart", "GetCart")]);
    // Two visits that are no moment apart share nothing.
    eventually(async || {
        stranger.get("/").await.has(&["Mug", "Cart, empty"]);
        calls(&shop, &mut buyer, "/").await == of_the_cart
    })
    .await;
    eventually(async || {
        buyer.get("/").await.has(&["Mug", "Cart, 3 items"]);
        calls(&shop, &mut stranger, "/").await.is_empty()
    })
    .await;
    stranger.get("/").await.has(&["Cart, empty"]);
}

#[tokio::test]
async fn the_id_of_a_cart_is_in_no_metric() {
    let shop = Shop::selling(vec![(product("mug", "Mug"), 1)]).await;
    let cart = shop.add("", "mug", 1).await.unwrap();
    let mut browser = Browser::with_cart(&shop.web, &cart.cart_id);
    browser.get("/cart").await;
    Browser::new(&shop.web).get(&format!("/carts/{}", cart.cart_id)).await;
    let metrics = shop.process.metrics().encode();
    assert!(metrics.contains("route=\"/carts/{cart}\"") && metrics.contains("route=\"/cart\""), "{metrics}");
    assert!(!metrics.contains(&cart.cart_id));
}

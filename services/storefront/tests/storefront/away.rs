//! One service is away, and the rest of the shop goes on and says so.

use http::StatusCode;

use crate::{
    browser::Browser,
    shop::{Shop, lamp, product},
};

/// A shop, and somebody with a lamp in the cart.
async fn shop() -> (Shop, Browser) {
    let shop = Shop::selling(vec![(product("mug", "Mug"), 2), (lamp(), 9)]).await;
    let cart = shop.add("", "lamp", 1).await.unwrap();
    let browser = Browser::with_cart(&shop.web, &cart.cart_id);
    (shop, browser)
}

#[tokio::test]
async fn without_search_one_browses_and_buys_and_the_search_box_says_so() {
    let (shop, mut browser) = shop().await;
    shop.gates["search"].shut();
    for (path, shown) in [
        ("/", "Linen lamp"),
        ("/category?path=Lighting", "Linen lamp"),
        ("/products/lamp", "In stock"),
        ("/cart", "Linen lamp"),
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        page.has(&[shown, "Search is away for a moment", "aria-describedby=\"search-away\"", "Cart, 1 item"]);
    }
    let search = browser.get("/search?q=lamp").await;
    assert_eq!(search.status, StatusCode::SERVICE_UNAVAILABLE);
    search.has(&["Search is away for a moment", "value=\"lamp\"", "walk the aisles"]);
    assert_eq!(browser.get("/suggest?q=la").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let page = browser.get("/products/mug").await;
    let added = browser.submit(&page, "/cart/add", "", &[]).await;
    browser.follow(&added).await.has(&["Mug is in your cart."]);
    shop.gates["search"].open();
    browser.get("/search?q=lamp").await.has(&["Linen"]).lacks(&["Search is away"]);
    browser.get("/cart").await.lacks(&["Search is away"]);
}

#[tokio::test]
async fn without_the_catalog_products_are_shown_as_they_were_last_and_search_and_carts_go_on() {
    let (shop, mut browser) = shop().await;
    browser.get("/products/lamp").await.lacks(&["as this shop last saw it"]);
    shop.gates["catalog"].shut();
    let lamp = browser.get("/products/lamp").await;
    assert_eq!(lamp.status, StatusCode::OK);
    lamp.has(&["A shade of linen.", "€12.50", "as this shop last saw it, less than a minute ago", "In stock"]);
    let added = browser.submit(&lamp, "/cart/add", "", &[]).await;
    browser.follow(&added).await.has(&["Linen lamp is in your cart.", "€25.00"]);
    browser.get("/search?q=lamp").await.has(&["Linen <mark>lamp</mark>"]);
    let unseen = browser.get("/products/mug").await;
    assert_eq!(unseen.status, StatusCode::SERVICE_UNAVAILABLE);
    unseen.has(&["The catalog does not answer", "Nothing is lost"]);
    let home = browser.get("/").await;
    assert_eq!(home.status, StatusCode::OK);
    home.has(&["The catalog is away", "What people like best", "Cart, 2 items"]);
    let aisle = browser.get("/category?path=Lighting").await;
    assert_eq!(aisle.status, StatusCode::SERVICE_UNAVAILABLE);
    let found = browser.get(&aisle.link("same in search")).await;
    found.has(&["Linen lamp"]).lacks(&["Mug"]);
    shop.gates["catalog"].open();
    browser.get("/products/lamp").await.lacks(&["as this shop last saw it"]);
}

#[tokio::test]
async fn a_product_that_was_deleted_is_not_shown_from_memory() {
    let (shop, mut browser) = shop().await;
    browser.get("/products/mug").await.has(&["Mug"]);
    shop.delete("mug").await;
    assert_eq!(browser.get("/products/mug").await.status, StatusCode::NOT_FOUND);
    shop.gates["catalog"].shut();
    assert_eq!(browser.get("/products/mug").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn without_inventory_the_stock_is_unknown_and_everything_else_as_ever() {
    let (shop, mut browser) = shop().await;
    shop.gates["inventory"].shut();
    let page = browser.get("/products/lamp").await;
    assert_eq!(page.status, StatusCode::OK);
    page.has(&["Stock unknown", "Add to cart"]);
    let added = browser.submit(&page, "/cart/add", "", &[]).await;
    browser.follow(&added).await.has(&["Inventory is away", "Stock unknown", "€25.00"]);
    browser.get("/search?q=lamp").await.has(&["Linen"]);
}

#[tokio::test]
async fn without_the_cart_one_looks_around_and_a_change_can_be_sent_again() {
    let (shop, mut browser) = shop().await;
    let lamp = browser.get("/products/lamp").await;
    let before = browser.get("/cart").await;
    shop.gates["cart"].shut();
    for (path, shown) in
        [("/", "Linen lamp"), ("/category", "Mug"), ("/search?q=lamp", "Linen"), ("/products/lamp", "In stock")]
    {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        page.has(&[shown, "aria-label=\"Cart, away for a moment\""]);
    }
    let cart = browser.get("/cart").await;
    assert_eq!(cart.status, StatusCode::SERVICE_UNAVAILABLE);
    cart.has(&["The cart is away for a moment", "What is in it is kept"]);
    let doubtful = browser.submit(&lamp, "/cart/add", "", &[("quantity", "2")]).await;
    let removed = browser.submit(&before, "/cart/remove", "", &[]).await;
    assert_eq!((doubtful.status, removed.status), (StatusCode::SERVICE_UNAVAILABLE, StatusCode::SERVICE_UNAVAILABLE));
    doubtful.has(&["may or may not have been made"]);
    assert_eq!(doubtful.form("/cart/add", "")["request_id"], lamp.form("/cart/add", "")["request_id"]);
    shop.gates["cart"].open();
    for _ in 0..2 {
        let again = browser.submit(&doubtful, "/cart/add", "", &[]).await;
        assert_eq!(again.status, StatusCode::SEE_OTHER);
    }
    assert_eq!(shop.cart(browser.cart()).await.items[0].quantity, 3);
}

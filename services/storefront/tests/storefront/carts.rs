//! The cart, from its first product on: changes, conflicts, double clicks, and a cart that is opened by its link.

use http::StatusCode;

use crate::{
    browser::Browser,
    shop::{Shop, lamp, money, product},
};

async fn shop() -> Shop {
    let yen = contracts::catalog::v1::Product { price: Some(money("JPY", 1_500, 0)), ..product("yen", "Yen") };
    Shop::selling(vec![(yen, 9), (product("mug", "Mug"), 2), (lamp(), 100)]).await
}

/// The units of each product in a cart.
async fn units(shop: &Shop, cart: &str) -> Vec<(String, i32)> {
    shop.cart(cart).await.items.into_iter().map(|item| (item.product_id, item.quantity)).collect()
}

#[tokio::test]
async fn a_cart_is_filled_changed_and_emptied_by_forms_alone() {
    let shop = shop().await;
    let mut browser = Browser::new(&shop.web);
    browser.get("/cart").await.has(&["There is nothing in it yet", "aria-label=\"Cart, empty\""]);
    let page = browser.get("/products/lamp").await;
    let added = browser.submit(&page, "/cart/add", "", &[("quantity", "2")]).await;
    let cart = browser.follow(&added).await;
    cart.has(&["Linen lamp is in your cart.", "€12.50", "€25.00", "aria-label=\"Cart, 2 items\"", "In stock"]);
    let page = browser.get("/products/mug").await;
    let added = browser.submit(&page, "/cart/add", "", &[("quantity", "3")]).await;
    let cart = browser.follow(&added).await;
    cart.has(&["There are only 2 of it just now.", "€62.50", "Cart, 5 items"]);
    let set = browser.submit(&cart, "/cart/set", "value=\"lamp\"", &[("quantity", "10")]).await;
    let cart = browser.follow(&set).await;
    cart.has(&["The quantity was changed.", "€125.00", "€162.50"]);
    let removed = browser.submit(&cart, "/cart/remove", "value=\"mug\"", &[]).await;
    let cart = browser.follow(&removed).await;
    cart.has(&["It was taken out of your cart.", "Cart, 10 items"]).lacks(&["Mug"]);
    let cleared = browser.submit(&cart, "/cart/clear", "", &[]).await;
    let cart = browser.follow(&cleared).await;
    cart.has(&["Your cart was emptied.", "There is nothing in it yet"]);
    let nothing = Vec::<(String, i32)>::new();
    assert_eq!(units(&shop, browser.cart()).await, nothing);
}

#[tokio::test]
async fn a_form_that_is_sent_twice_counts_once() {
    let shop = shop().await;
    let mut browser = Browser::new(&shop.web);
    let page = browser.get("/products/lamp").await;
    let first = browser.submit(&page, "/cart/add", "", &[]).await;
    assert_eq!(first.status, StatusCode::SEE_OTHER);
    // Twice before the first answer came: neither had the cookie yet.
    let mut impatient = Browser::new(&shop.web);
    let second = impatient.submit(&page, "/cart/add", "", &[]).await;
    assert_eq!((second.status, impatient.cart()), (StatusCode::SEE_OTHER, browser.cart()));
    assert_eq!(units(&shop, browser.cart()).await, [("lamp".to_owned(), 1)]);

    let cart = browser.get("/cart").await;
    for _ in 0..2 {
        let set = browser.submit(&cart, "/cart/set", "value=\"lamp\"", &[("quantity", "4")]).await;
        assert_eq!(set.status, StatusCode::SEE_OTHER);
    }
    assert_eq!(units(&shop, browser.cart()).await, [("lamp".to_owned(), 4)]);
}

#[tokio::test]
async fn of_two_windows_the_older_one_changes_nothing_and_says_so() {
    let shop = shop().await;
    let cart = shop.add("", "lamp", 1).await.unwrap();
    let mut browser = Browser::with_cart(&shop.web, &cart.cart_id);
    let (one, other) = (browser.get("/cart").await, browser.get("/cart").await);
    let set = browser.submit(&one, "/cart/set", "value=\"lamp\"", &[("quantity", "7")]).await;
    assert_eq!(set.status, StatusCode::SEE_OTHER);
    for (action, filled) in [("/cart/set", &[("quantity", "3")][..]), ("/cart/remove", &[]), ("/cart/clear", &[])] {
        let late = browser.submit(&other, action, "", filled).await;
        assert_eq!(late.status, StatusCode::CONFLICT, "{action}");
        late.has(&["was changed elsewhere", "role=\"alert\"", "value=\"7\""]);
    }
    assert_eq!(units(&shop, &cart.cart_id).await, [("lamp".to_owned(), 7)]);
}

#[tokio::test]
async fn a_number_that_is_none_is_said_beside_its_field_and_nothing_is_lost() {
    let shop = shop().await;
    let mut browser = Browser::new(&shop.web);
    let page = browser.get("/products/lamp").await;
    for wrong in ["", "0", "-1", "two", "10001", "1.5", "\"><script>"] {
        let refused = browser.submit(&page, "/cart/add", "", &[("quantity", wrong)]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        refused.has(&["Write a whole number", "aria-describedby=\"quantity-fault\"", "A shade of linen."]);
        assert_eq!(refused.form("/cart/add", "")["quantity"], wrong);
    }
    assert!(browser.cookies.is_empty());
    let cart = shop.add("", "lamp", 5).await.unwrap();
    let mut browser = Browser::with_cart(&shop.web, &cart.cart_id);
    let page = browser.get("/cart").await;
    let refused = browser.submit(&page, "/cart/set", "value=\"lamp\"", &[("quantity", "lots")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    refused.has(&["value=\"lots\" aria-invalid=\"true\" aria-describedby=\"fault-lamp\"", "id=\"fault-lamp\""]);
    assert_eq!(units(&shop, &cart.cart_id).await, [("lamp".to_owned(), 5)]);
    let page = browser.get("/products/lamp").await;
    let brimful = browser.submit(&page, "/cart/add", "", &[("quantity", "9999")]).await;
    assert_eq!(brimful.status, StatusCode::CONFLICT);
    brimful.has(&["more than 10,000", "role=\"alert\""]);
}

#[tokio::test]
async fn limits_of_the_cart_are_said_on_the_products_page() {
    let shop = shop().await;
    let cart = shop.add("", "lamp", 1).await.unwrap();
    let mut browser = Browser::with_cart(&shop.web, &cart.cart_id);
    let yen = browser.get("/products/yen").await;
    let mixed = browser.submit(&yen, "/cart/add", "", &[]).await;
    assert_eq!(mixed.status, StatusCode::CONFLICT);
    mixed.has(&["priced in another currency", "Yen"]);
    let page = browser.get("/products/lamp").await;
    browser.submit(&page, "/cart/add", "", &[]).await;
    let reused = browser.submit(&page, "/cart/add", "", &[("quantity", "5")]).await;
    assert_eq!(reused.status, StatusCode::CONFLICT);
    reused.has(&["was sent before with another number"]);
    assert_eq!(units(&shop, &cart.cart_id).await, [("lamp".to_owned(), 2)]);
    shop.delete("lamp").await;
    browser.get("/cart").await.has(&["can no longer be ordered", "is not in the sum", ">–<"]);
}

#[tokio::test]
async fn a_cart_that_is_gone_gives_way_to_a_new_one() {
    const GONE: &str = "00000000000000000000000000000000";
    let shop = shop().await;
    let mut browser = Browser::with_cart(&shop.web, GONE);
    let page = browser.get("/products/lamp").await;
    assert_eq!(browser.submit(&page, "/cart/add", "", &[]).await.status, StatusCode::SEE_OTHER);
    assert_ne!(browser.cart(), GONE);
    let mut other = Browser::with_cart(&shop.web, GONE);
    other.get("/cart").await.has(&["Your cart is gone", "There is nothing in it yet"]);
    assert!(other.cookies.is_empty());
    let nobody = other.post("/cart/clear", &[("request_id", &uuid::Uuid::new_v4().to_string())]).await;
    assert_eq!((nobody.status, nobody.headers["location"].to_str().unwrap()), (StatusCode::SEE_OTHER, "/cart"));
}

#[tokio::test]
async fn a_cart_that_is_opened_by_its_link_moves_into_the_visitors_own() {
    let shop = shop().await;
    let theirs = shop.add("", "lamp", 2).await.unwrap();
    let own = shop.add("", "lamp", 1).await.unwrap();
    let mut browser = Browser::with_cart(&shop.web, &own.cart_id);
    let link = Browser::with_cart(&shop.web, &theirs.cart_id).get("/cart").await.link("this link to your cart");
    let opened = browser.get(&link).await;
    assert_eq!(opened.headers["referrer-policy"], "no-referrer");
    let offer = browser.follow(&opened).await;
    offer.has(&["A cart from elsewhere", "Linen lamp", "× 2"]).lacks(&[&theirs.cart_id]);
    assert_eq!(units(&shop, &own.cart_id).await, [("lamp".to_owned(), 1)], "looking moves nothing");
    let merged = browser.submit(&offer, "/cart/merge", "", &[]).await;
    browser.follow(&merged).await.has(&["things are in yours now", "value=\"3\""]);
    assert_eq!(units(&shop, &own.cart_id).await, [("lamp".to_owned(), 3)]);
    assert!(!browser.cookies.contains_key("souk_offer"));
    // A second click finds nothing left to do.
    assert_eq!(browser.submit(&offer, "/cart/merge", "", &[]).await.status, StatusCode::SEE_OTHER);

    let mut newcomer = Browser::new(&shop.web);
    let opened = newcomer.get(&format!("/carts/{}", own.cart_id)).await;
    let offer = newcomer.follow(&opened).await;
    newcomer.submit(&offer, "/cart/merge", "", &[]).await;
    assert_eq!(units(&shop, newcomer.cart()).await, [("lamp".to_owned(), 3)]);
    let cart = newcomer.cart().to_owned();
    let mine = newcomer.get(&format!("/carts/{cart}")).await;
    assert_eq!(mine.headers["location"], "/cart");

    let yen = shop.add("", "yen", 1).await.unwrap();
    let opened = newcomer.get(&format!("/carts/{}", yen.cart_id)).await;
    let offer = newcomer.follow(&opened).await;
    let refused = newcomer.submit(&offer, "/cart/merge", "", &[]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    refused.has(&["different currencies", "Both carts are as they were"]);
    for gone in ["/carts/00000000000000000000000000000000", "/carts/nonsense"] {
        let mut visitor = Browser::new(&shop.web);
        let page = visitor.get(gone).await;
        let page = if page.status == StatusCode::SEE_OTHER { visitor.follow(&page).await } else { page };
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{gone}");
    }
}

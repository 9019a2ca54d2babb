//! From the cart to an order, as a browser without scripts makes it: every service is the real one, down to the acquirer.

use http::{Request, StatusCode, header};
use mesh::Body;

use crate::{
    browser::{Browser, Page},
    shop::{Shop, eventually, money, product},
};

pub(crate) const GOOD: &str = "4242424242424242";
const DECLINED: &str = "4000000000009995";

const ADDRESS: [(&str, &str); 6] = [
    ("email", "ada@example.org"),
    ("recipient", "Ada Lovelace"),
    ("line1", "1 St James's Square"),
    ("postal_code", "10115"),
    ("locality", "Berlin"),
    ("country", "DE"),
];

/// A shop that sells so many mugs, and a browser with some of them in its cart.
pub(crate) async fn shop_and_browser(on_hand: i64, wanted: i32) -> (Shop, Browser) {
    let shop = Shop::selling(vec![(product("mug", "Mug"), on_hand)]).await;
    let cart = shop.add("", "mug", wanted).await.unwrap();
    let browser = Browser::with_cart(&shop.web, &cart.cart_id);
    (shop, browser)
}

/// Gives an address and a way to deliver; the page of the card that comes next.
pub(crate) async fn up_to_card(browser: &mut Browser) -> Page {
    let page = browser.get("/checkout").await;
    page.has(&["Where does it go?", "autocomplete=\"shipping address-line1\"", "inputmode=\"email\""]);
    let sent = browser.submit(&page, "/checkout/address", "", &ADDRESS).await;
    let page = browser.follow(&sent).await;
    page.has(&["How does it get there?", "Standard delivery", "Express delivery", "Ada Lovelace"]);
    let sent = browser.submit(&page, "/checkout/delivery", "", &[("option", "express")]).await;
    browser.follow(&sent).await
}

/// Gives a card on payment's page; the review that comes next.
pub(crate) async fn give_card(browser: &mut Browser, page: &Page, number: &str) -> Page {
    assert_eq!(page.status, StatusCode::OK, "{page:?}");
    let action = "/pay/card?return=%2Fcheckout%2Fcard";
    let card = [("number", number), ("expiry", "12/40"), ("code", "737"), ("name", "A. Lovelace")];
    let taken = browser.submit(page, action, "", &card).await;
    let token = taken.headers[header::LOCATION].to_str().unwrap().to_owned();
    assert!(token.starts_with("/checkout/card?card_token="), "{token}");
    let left = browser.follow(&taken).await;
    // The token is in no address that stays.
    assert_eq!(left.headers[header::LOCATION], "/checkout/review");
    browser.follow(&left).await
}

pub(crate) async fn up_to_review(browser: &mut Browser, number: &str) -> Page {
    let page = up_to_card(browser).await;
    give_card(browser, &page, number).await
}

pub(crate) async fn place(browser: &mut Browser, review: &Page) -> Page {
    browser.submit(review, "/checkout/place", "", &[]).await
}

#[track_caller]
fn order_of(sent: &Page) -> String {
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    let place = sent.headers[header::LOCATION].to_str().unwrap();
    assert!(place.strip_prefix("/order/").is_some_and(|id| id.len() == 32), "{place}");
    place.to_owned()
}

#[tokio::test]
async fn a_shopper_without_scripts_goes_from_the_cart_to_an_order_that_is_paid() {
    let (shop, mut browser) = shop_and_browser(5, 2).await;
    let cart = browser.get("/cart").await;
    assert_eq!(cart.link("Check out"), "/checkout");
    let review = up_to_review(&mut browser, GOOD).await;
    assert_eq!(review.status, StatusCode::OK);
    // 2 × 12.50, and 12.90 for express.
    review.has(&["Is this right?", "Your card is given", "Express delivery, 1 to 2 working days", "€37.90"]);
    let order = order_of(&place(&mut browser, &review).await);
    eventually(async || browser.get(&order).await.text.contains("Thank you, it is ordered and paid")).await;
    let page = browser.get(&order).await;
    page.has(&["Visa ending in 4242", "€37.90", "Ada Lovelace", "ada@example.org", "Express delivery", "Paid"]);
    eventually(async || browser.get("/cart").await.text.contains("There is nothing in it yet")).await;
    assert_eq!(shop.cart(browser.cart()).await.items, []);
    // What was written is kept no longer than it is needed.
    assert_eq!(browser.cookies.keys().collect::<Vec<_>>(), ["souk_cart"]);
    assert_eq!(browser.get("/checkout").await.headers[header::LOCATION], "/cart");
}

#[tokio::test]
async fn an_order_that_is_sent_twice_is_one_however_it_is_sent_again() {
    let (shop, mut browser) = shop_and_browser(9, 1).await;
    let review = up_to_review(&mut browser, GOOD).await;
    let mut second = Browser::with_cart(&shop.web, browser.cart());
    second.cookies.clone_from(&browser.cookies);
    // A double click sends the form while its first sending is not answered yet.
    let (one, other) = tokio::join!(place(&mut browser, &review), place(&mut second, &review));
    let order = order_of(&one);
    assert_eq!(order_of(&other), order);
    eventually(async || browser.get(&order).await.text.contains("ordered and paid")).await;
    // The page from the browser's history, once the cart is empty and the cookies are gone.
    assert_eq!(order_of(&place(&mut browser, &review).await), order);
    // Another tab with another form finds an empty cart, and not a second order.
    let other = place_with_new_id(&mut browser, &review).await;
    assert_eq!(other.headers[header::LOCATION], "/cart", "{other:?}");
}

async fn place_with_new_id(browser: &mut Browser, review: &Page) -> Page {
    let id = uuid::Uuid::new_v4().to_string();
    browser.submit(review, "/checkout/place", "", &[("request_id", &id)]).await
}

#[tokio::test]
async fn a_card_that_is_declined_is_said_beside_the_card_and_another_one_pays() {
    let (shop, mut browser) = shop_and_browser(5, 1).await;
    let review = up_to_review(&mut browser, DECLINED).await;
    let declined = place(&mut browser, &review).await;
    assert_eq!(declined.status, StatusCode::UNPROCESSABLE_ENTITY);
    let (_, card) = declined.text.split_once("id=\"card-title\"").unwrap();
    assert!(card.split("</section>").next().unwrap().contains("there is not enough money on it"), "{card}");
    declined.has(&["aria-describedby=\"card-fault\"", "Your cart is kept"]).lacks(&["Order and pay"]);
    assert_eq!(shop.cart(browser.cart()).await.items.len(), 1);
    assert!(!browser.cookies.contains_key("souk_card"));
    // Sent again it is the same order, and says the same.
    place(&mut browser, &review).await.has(&["there is not enough money on it"]);
    let page = browser.get(&declined.link("Give another card")).await;
    let review = give_card(&mut browser, &page, GOOD).await;
    order_of(&place(&mut browser, &review).await);
}

#[tokio::test]
async fn a_price_that_changes_is_asked_about_again_and_nothing_is_ordered_before() {
    let (shop, mut browser) = shop_and_browser(5, 1).await;
    let review = up_to_review(&mut browser, GOOD).await;
    shop.replace(contracts::catalog::v1::Product { price: Some(money("EUR", 14, 0)), ..product("mug", "Mug") }).await;
    let changed = place(&mut browser, &review).await;
    assert_eq!(changed.status, StatusCode::CONFLICT, "{}", changed.text);
    changed.has(&["The total was €25.40, and is €26.90 now", "Nothing was ordered", "Your card is given"]);
    assert_ne!(changed.form("/checkout/place", "")["request_id"], review.form("/checkout/place", "")["request_id"]);
    order_of(&place(&mut browser, &changed).await);
}

#[tokio::test]
async fn a_quote_that_is_not_the_carts_any_more_or_nobodys_is_made_anew() {
    let (shop, mut browser) = shop_and_browser(5, 1).await;
    let review = up_to_review(&mut browser, GOOD).await;
    for quote in ["", "x", "0".repeat(1_024).as_str()] {
        let again = browser.submit(&review, "/checkout/place", "", &[("quote_id", quote)]).await;
        assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text);
        again.has(&["Nothing was ordered", "Order and pay"]);
    }
    // Something more was put into the cart in another window.
    shop.add(browser.cart(), "mug", 1).await.unwrap();
    let again = place(&mut browser, &review).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    again.has(&["Your cart or its prices have changed", "× 2"]);
}

#[tokio::test]
async fn units_that_are_gone_are_named_and_the_cart_is_kept() {
    let (shop, mut browser) = shop_and_browser(1, 2).await;
    let review = up_to_review(&mut browser, GOOD).await;
    let short = place(&mut browser, &review).await;
    assert_eq!(short.status, StatusCode::CONFLICT, "{}", short.text);
    short.has(&["There is not enough left of: Mug", "Your cart is kept"]);
    assert_eq!(shop.cart(browser.cart()).await.items.len(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_an_address_stands_beside_its_field_and_above_them_all() {
    let (_shop, mut browser) = shop_and_browser(5, 1).await;
    let page = browser.get("/checkout").await;
    let script = "\"><script>alert(1)</script>";
    let wrong = [("email", "ada"), ("recipient", ""), ("country", "XX"), ("line1", script), ("phone", "none")];
    let refused = browser.submit(&page, "/checkout/address", "", &wrong).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    for name in ["email", "recipient", "country", "phone", "locality"] {
        let fault = format!("id=\"{name}-fault\"");
        refused.has(&[&fault, &format!("href=\"#{name}\""), &format!("aria-describedby=\"{name}-fault")]);
    }
    refused
        .has(&["role=\"alert\" tabindex=\"-1\" autofocus", "value=\"ada\""])
        .lacks(&["<script>alert", "id=\"line1-fault\""]);
    // What was written is there again, on this page and on the next visit.
    assert_eq!(refused.form("/checkout/address", "")["line1"], script);
    assert_eq!(browser.get("/checkout").await.form("/checkout/address", "")["line1"], script);
    // A megabyte is no form of ours.
    let huge = browser.submit(&page, "/checkout/address", "", &[("line1", &"x".repeat(1 << 20))]).await;
    assert_eq!(huge.status, StatusCode::PAYLOAD_TOO_LARGE);
    let long = browser.submit(&page, "/checkout/address", "", &[("line1", &"x".repeat(201))]).await;
    long.has(&["This is too long: it may have 200 characters."]);
}

#[tokio::test]
async fn nobody_skips_a_step_and_no_other_site_places_an_order() {
    let (_shop, mut browser) = shop_and_browser(5, 1).await;
    assert_eq!(browser.get("/checkout/delivery").await.headers[header::LOCATION], "/checkout");
    assert_eq!(browser.get("/checkout/review").await.headers[header::LOCATION], "/checkout");
    let review = up_to_review(&mut browser, GOOD).await;
    let fields: Vec<_> = review.form("/checkout/place", "").into_iter().collect();
    let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
    for path in ["/checkout/place", "/checkout/address", "/checkout/delivery", "/order/cancel", "/pay/card?return=%2F"]
    {
        let request = Request::post(path)
            .header(header::ORIGIN, "http://evil.test")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = browser.send(request.body(crate::raw::full(encoded.clone())).unwrap()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
    // A link of another site's does not give its card either.
    browser.cookies.remove("souk_card");
    let led =
        Request::get(format!("/checkout/card?card_token={}", "0".repeat(32))).header("sec-fetch-site", "cross-site");
    browser.send(led.body(Body::empty()).unwrap()).await;
    assert!(!browser.cookies.contains_key("souk_card"));
    for (name, value) in [("card_token", "x"), ("request_id", "x"), ("units", "x"), ("nanos", "99999999999")] {
        let broken = browser.submit(&review, "/checkout/place", "", &[(name, value)]).await;
        assert_eq!(broken.status, StatusCode::BAD_REQUEST, "{name}");
    }
    let mut stranger = Browser::new(&_shop.web);
    assert_eq!(stranger.get("/checkout").await.headers[header::LOCATION], "/cart");
}

#[tokio::test]
async fn the_cards_page_hears_no_cookie_and_no_address_and_says_its_own_policy() {
    let (shop, mut browser) = shop_and_browser(5, 1).await;
    shop.gates["payment"].take_headers();
    let request = Request::get("/pay/card?return=%2Fcheckout%2Fcard")
        .header(header::REFERER, "http://shop.test/order/0123456789abcdef0123456789abcdef")
        .header("x-souk-role", "operator");
    let page = browser.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(page.status, StatusCode::OK);
    page.has(&["Card number", "autocomplete=\"cc-number\""]);
    let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'") && !policy.contains("script-src"), "{policy}");
    // Without a name of its sender no form is taken, and a stricter policy would take the name away.
    assert_eq!(page.headers[header::REFERRER_POLICY], "same-origin");
    assert_eq!(page.headers[header::CACHE_CONTROL], "no-store");
    let seen = shop.gates["payment"].take_headers();
    assert_eq!(seen.len(), 1);
    for name in ["cookie", "referer", "x-souk-role"] {
        assert!(!seen[0].contains_key(name), "{name}: {seen:?}");
    }
    // Bytes are bytes, and what is no page of payment's is its own answer.
    let style = browser.get("/pay/assets/card.css").await;
    assert_eq!(style.headers[header::CONTENT_TYPE], "text/css; charset=utf-8");
    assert_eq!(browser.get("/pay/nothing").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn while_checkout_is_away_the_cart_says_so_and_an_order_that_was_sent_is_sent_again() {
    let (shop, mut browser) = shop_and_browser(5, 1).await;
    let review = up_to_review(&mut browser, GOOD).await;
    shop.gates["checkout"].shut();
    let retry = place(&mut browser, &review).await;
    assert_eq!(retry.status, StatusCode::SERVICE_UNAVAILABLE);
    retry.has(&["Checkout did not answer", "may or may not have been placed"]);
    eventually(async || browser.get("/cart").await.text.contains("Ordering is away for a moment")).await;
    browser.get("/cart").await.lacks(&["Check out</a>"]);
    let away = browser.get("/checkout").await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
    away.has(&["Ordering is away for a moment", "your cart is kept"]);
    assert_eq!(browser.get("/checkout/review").await.status, StatusCode::SERVICE_UNAVAILABLE);
    shop.gates["checkout"].open();
    order_of(&browser.submit(&retry, "/checkout/place", "", &[]).await);
    eventually(async || !browser.get("/checkout").await.text.contains("Ordering is away")).await;
}

#[tokio::test]
async fn while_payment_is_away_nothing_is_begun() {
    let (shop, mut browser) = shop_and_browser(5, 1).await;
    shop.gates["payment"].shut();
    eventually(async || browser.get("/cart").await.text.contains("Ordering is away for a moment")).await;
    assert_eq!(browser.get("/checkout").await.status, StatusCode::SERVICE_UNAVAILABLE);
    shop.gates["payment"].open();
    eventually(async || browser.get("/checkout").await.status == StatusCode::OK).await;
}

//! The page of an order: where it stands, who hears of its address, and how it is cancelled.

use http::{StatusCode, header};

use crate::{
    browser::{Browser, Page},
    checkout::{GOOD, give_card, place, shop_and_browser, up_to_card, up_to_review},
    shop::{Shop, eventually},
};

/// An order that is paid: the shop, the browser, the order's address.
async fn paid() -> (Shop, Browser, String) {
    let (shop, mut browser) = shop_and_browser(5, 1).await;
    let review = up_to_review(&mut browser, GOOD).await;
    let sent = place(&mut browser, &review).await;
    let order = sent.headers[header::LOCATION].to_str().unwrap().to_owned();
    eventually(async || browser.get(&order).await.text.contains("ordered and paid")).await;
    (shop, browser, order)
}

async fn cancel(browser: &mut Browser, page: &Page) -> Page {
    browser.submit(page, "/order/cancel", "", &[]).await
}

#[tokio::test]
async fn an_order_is_cancelled_by_a_form_and_its_money_goes_back() {
    let (_shop, mut browser, order) = paid().await;
    let page = browser.get(&order).await;
    let sent = cancel(&mut browser, &page).await;
    assert_eq!(sent.headers[header::LOCATION], order.as_str());
    eventually(async || browser.get(&order).await.text.contains("Your money was given back")).await;
    let refunded = browser.get(&order).await;
    refunded.has(&["Given back", "€25.40"]).lacks(&["Cancel this order", "See how it stands now"]);
    // Sent again, it changes nothing.
    assert_eq!(cancel(&mut browser, &page).await.headers[header::LOCATION], order.as_str());
}

#[tokio::test]
async fn whoever_has_the_address_sees_the_order_and_nobody_else_hears_of_it() {
    let (shop, _, order) = paid().await;
    let mut friend = Browser::new(&shop.web);
    let page = friend.get(&order).await;
    assert_eq!(page.status, StatusCode::OK);
    page.has(&["Ada Lovelace", "Mug"]);
    // Not even this shop is told the address by what its page leads to.
    assert_eq!(page.headers[header::REFERRER_POLICY], "strict-origin");
    assert_eq!(page.headers[header::CACHE_CONTROL], "private, no-store");
    let id = order.strip_prefix("/order/").unwrap();
    let metrics = shop.process.metrics().encode();
    assert!(metrics.contains("route=\"/order/{order}\"") && !metrics.contains(id), "{metrics}");
}

#[tokio::test]
async fn the_script_gets_the_part_that_changes_and_nothing_else() {
    let (_shop, mut browser, order) = paid().await;
    let part = browser.get(&format!("{order}?part=state")).await;
    part.has(&["id=\"order-state\"", "data-revision=\"", "ordered and paid"]).lacks(&[
        "<html",
        "Ada Lovelace",
        "data-live",
    ]);
    assert_eq!(part.headers[header::CACHE_CONTROL], "private, no-store");
}

#[tokio::test]
async fn an_order_that_nobody_placed_is_not_found_however_it_is_asked_for() {
    let (shop, mut browser) = shop_and_browser(1, 1).await;
    let unknown = "0".repeat(32);
    for id in [unknown.as_str(), "x", "%00", &"a".repeat(5_000), "0123456789ABCDEF0123456789ABCDEF"] {
        let page = browser.get(&format!("/order/{id}")).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{id}");
        page.has(&["There is no such order"]);
    }
    assert_eq!(browser.get(&format!("/order/{unknown}?part=state")).await.status, StatusCode::NOT_FOUND);
    let id = uuid::Uuid::new_v4().to_string();
    let form = [("order_id", unknown.as_str()), ("request_id", id.as_str())];
    assert_eq!(browser.post("/order/cancel", &form).await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.post("/order/cancel", &[("order_id", "x"), form[1]]).await.status, StatusCode::BAD_REQUEST);
    shop.gates["checkout"].shut();
    let away = browser.get(&format!("/order/{unknown}")).await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
    away.has(&["Orders are away for a moment", "Your order is kept"]);
}

#[tokio::test]
async fn while_checkout_is_away_a_cancel_can_be_sent_again() {
    let (shop, mut browser, order) = paid().await;
    let page = browser.get(&order).await;
    shop.gates["checkout"].shut();
    let retry = cancel(&mut browser, &page).await;
    assert_eq!(retry.status, StatusCode::SERVICE_UNAVAILABLE);
    retry.has(&["may or may not be cancelled"]);
    shop.gates["checkout"].open();
    assert_eq!(cancel(&mut browser, &retry).await.headers[header::LOCATION], order.as_str());
}

#[tokio::test]
async fn what_somebody_wrote_into_an_order_is_text_on_every_page() {
    let (_shop, mut browser) = shop_and_browser(5, 1).await;
    let card = up_to_card(&mut browser).await;
    let script = "<script>alert(1)</script>\u{202e}";
    let page = browser.get("/checkout").await;
    let wrote = [("recipient", script), ("line1", script), ("locality", script), ("region", script)];
    let sent = browser.submit(&page, "/checkout/address", "", &[&wrote[..], &[("country", "DE")]].concat()).await;
    browser.follow(&sent).await.lacks(&["<script>alert", "\u{202e}"]);
    let review = give_card(&mut browser, &card, GOOD).await;
    review.lacks(&["<script>alert"]);
    let sent = place(&mut browser, &review).await;
    let order = browser.follow(&sent).await;
    order.has(&["&#60;script&#62;alert"]).lacks(&["<script>alert", "\u{202e}"]);
}

//! Orders by the web pages of whole shops: in one process and as a fleet, down to the acquirer's ledger.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{collections::BTreeMap, fs};

use anyhow::{Result, ensure};
use contracts::checkout::v1::{GetOrderRequest, Order, OrderState, checkout_service_client::CheckoutServiceClient};
use system_tests::{Browser, Collector, Kept, Page, Shop, Signal, channel, eventually, souk};

/// Digits that occur nowhere else, and a code of four, as this brand's cards have.
const CANARY: &str = "374929718356247";
const CANARY_CODE: &str = "8047";

const ADDRESS: [(&str, &str); 5] = [
    ("email", "ada@example.org"),
    ("recipient", "Ada Lovelace"),
    ("line1", "1 St James's Square"),
    ("locality", "Berlin"),
    ("country", "DE"),
];
const CARD_FORM: &str = "/pay/card?return=%2Fcheckout%2Fcard";

/// The review of an order of something that is in stock, by this card.
async fn up_to_review(browser: &mut Browser, number: &str, code: &str) -> Result<Page> {
    eventually("something is found, and goes into the cart", async || {
        let found = browser.get("/search?in_stock=1").await?;
        let product = found.between("href=\"/products/", "\"")?;
        let product = browser.get(&format!("/products/{product}")).await?;
        let cart = browser.submit(&product, "/cart/add", &[]).await?;
        ensure!(cart.text.contains("href=\"/checkout\""), "{}", cart.text);
        Ok(())
    })
    .await;
    let address = browser.get("/checkout").await?;
    let delivery = browser.submit(&address, "/checkout/address", &ADDRESS).await?;
    ensure!(delivery.path == "/checkout/delivery", "{delivery:?}");
    let card = browser.submit(&delivery, "/checkout/delivery", &[("option", "standard")]).await?;
    ensure!(card.path == CARD_FORM, "{card:?}");
    let given = [("number", number), ("expiry", "12/40"), ("code", code)];
    let review = browser.submit(&card, CARD_FORM, &given).await?;
    ensure!(review.path == "/checkout/review", "{review:?}");
    Ok(review)
}

/// Places an order and waits until it is paid; its id.
async fn order(browser: &mut Browser, number: &str, code: &str) -> String {
    let review = up_to_review(browser, number, code).await.unwrap();
    let placed = browser.submit(&review, "/checkout/place", &[]).await.unwrap();
    let id = placed.path.strip_prefix("/order/").unwrap_or_else(|| panic!("{placed:?}")).to_owned();
    eventually("the order is paid", async || {
        let page = browser.get(&format!("/order/{id}")).await?;
        ensure!(page.text.contains("ordered and paid"), "{}", page.text);
        Ok(())
    })
    .await;
    id
}

async fn stored(edge: &str, id: &str) -> Order {
    let request = GetOrderRequest { order_id: id.to_owned() };
    CheckoutServiceClient::new(channel(edge)).get_order(request).await.unwrap().into_inner().order.unwrap()
}

#[tokio::test]
async fn a_shopper_without_scripts_orders_pays_and_cancels_in_one_process() {
    let shop = Shop::open(&[]).await;
    let mut browser = Browser::at(&shop.http);
    let id = order(&mut browser, "4242424242424242", "123").await;
    let seen = stored(&shop.grpc, &id).await;
    assert_eq!((seen.state(), seen.contact_email.as_str()), (OrderState::Captured, "ada@example.org"));
    eventually("the cart is empty", async || {
        ensure!(browser.get("/cart").await?.text.contains("There is nothing in it yet"));
        Ok(())
    })
    .await;
    let page = browser.get(&format!("/order/{id}")).await.unwrap();
    browser.submit(&page, "/order/cancel", &[]).await.unwrap();
    eventually("the money is back", async || {
        ensure!(browser.get(&format!("/order/{id}")).await?.text.contains("Your money was given back"));
        Ok(())
    })
    .await;
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn a_canary_card_is_in_no_log_no_span_no_cookie_and_no_file_of_a_fleet() {
    let collector = Collector::start().await;
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()),
        ("OTEL_TRACES_SAMPLER", "always_on"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("LOG", "trace"),
    ];
    let mut fleet = Kept::open_as(souk(), &[], &environment).await;
    let mut browser = Browser::at(&fleet.http);
    let mut cookies: BTreeMap<String, String> = BTreeMap::new();
    let review = up_to_review(&mut browser, CANARY, CANARY_CODE).await.unwrap();
    cookies.extend(browser.cookies.clone());
    assert!(cookies.contains_key("souk_card"), "{cookies:?}");
    let mut shown = vec![review.text.clone()];
    let placed = browser.submit(&review, "/checkout/place", &[]).await.unwrap();
    let id = placed.path.strip_prefix("/order/").unwrap().to_owned();
    eventually("the order is paid", async || {
        let page = browser.get(&format!("/order/{id}")).await?;
        ensure!(page.text.contains("ordered and paid"), "{}", page.text);
        shown.push(page.text);
        Ok(())
    })
    .await;
    // Wrong, it is not shown again and not said anywhere either.
    let wrong = browser.get(CARD_FORM).await.unwrap();
    let wrong =
        browser.submit(&wrong, CARD_FORM, &[("number", CANARY), ("expiry", "1/20"), ("code", CANARY_CODE)]).await;
    shown.push(wrong.unwrap().text);
    cookies.extend(browser.cookies.clone());
    assert_eq!(stored(&fleet.edge, &id).await.state(), OrderState::Captured);
    eventually("the click and the capture are traced", async || {
        ensure!(collector.has("POST /checkout/place"));
        ensure!(collector.has("souk.payment.v1.PaymentService/CapturePayment"));
        Ok(())
    })
    .await;
    fleet.signal(Signal::TERM);
    assert!(fleet.ended().await.success());
    let log = fleet.output();
    assert!(log.lines().any(|line| line.starts_with("payment.1") && line.contains("TRACE")), "the log says too little");
    for (what, text) in shown.iter().map(|text| ("a page", text)).chain([("the log", &log)]) {
        assert!(!text.contains(CANARY), "{what}: {text}");
    }
    assert!(cookies.values().all(|value| !value.contains(CANARY) && value != CANARY_CODE), "{cookies:?}");
    assert!(!collector.has(CANARY) && !collector.has(&id), "a span has the number, or the whole id of the order");
    assert!(!log.contains(&id), "the log has the whole id of the order");
    let mut files = 0;
    for file in fs::read_dir(fleet.data()).unwrap().map(Result::unwrap).filter(|file| file.path().is_file()) {
        assert!(!has(&fs::read(file.path()).unwrap(), CANARY), "{:?}", file.path());
        files += 1;
    }
    assert!(files >= 7, "{files} files are not a fleet's databases");
}

//! Search, as somebody uses it who has no scripts; and what the script asks.

use contracts::{
    catalog::v1::{Product, Rating},
    search::v1::{SearchHit, SearchProductsRequest, SearchProductsResponse},
};
use http::StatusCode;
use http_body_util::BodyExt as _;
use mesh::{Directory, Process};
use prost::Message as _;

use crate::{
    browser::Browser,
    raw::{Way, message, process, serve},
    shop::{Shop, eventually, lamp, money, path, product},
};

fn pot(id: &str, name: &str, brand: &str, euros: i64, stars: f64) -> Product {
    Product {
        brand: brand.into(),
        categories: vec![path(&["Kitchen", "Tea"])],
        price: Some(money("EUR", euros, 0)),
        rating: Some(Rating { average: stars, count: 10 }),
        ..product(id, name)
    }
}

async fn shop() -> Shop {
    Shop::selling(vec![
        (pot("iron", "Iron teapot", "Kantara", 60, 4.8), 4),
        (pot("glass", "Glass teapot", "Wadi", 20, 3.9), 0),
        (pot("clay", "Clay teapot", "Wadi", 35, 4.2), 9),
        (lamp(), 9),
    ])
    .await
}

#[tokio::test]
async fn what_is_found_is_marked_counted_and_narrowed_by_links_and_by_one_form() {
    let shop = shop().await;
    let mut browser = Browser::new(&shop.web);
    let all = browser.get("/search?q=teapot").await;
    assert_eq!(all.status, StatusCode::OK);
    all.has(&["3 products", "Iron <mark>teapot</mark>", "name=\"q\" type=\"search\" value=\"teapot\"", "Out of stock"]);
    let kitchen = browser.get(&all.link("Kitchen")).await;
    kitchen.has(&["3 products", "Narrowed to", "name=\"category\" value=\"Kitchen\""]);
    let form = all.form("/search", "name=\"brand\"");
    assert_eq!((form["q"].as_str(), form["currency"].as_str()), ("teapot", "EUR"));
    let wadi = browser.get("/search?q=teapot&brand=Wadi&price_min=&price_max=&currency=EUR&rating=").await;
    wadi.has(&["2 products", "value=\"Wadi\" checked", "Glass", "Clay"]).lacks(&["Iron"]);
    let stocked = browser.get("/search?q=teapot&brand=Wadi&in_stock=1").await;
    stocked.has(&["1 product<", "Clay"]).lacks(&["Glass"]);
    assert_eq!(stocked.link("in stock"), "/search?q=teapot&brand=Wadi");
    browser.get("/search?q=teapot&rating=4").await.has(&["2 products"]).lacks(&["Glass"]);
    let priced = browser.get("/search?q=teapot&price_min=30&price_max=40,00&currency=EUR").await;
    priced.has(&["1 product<", "Clay", "value=\"40,00\""]).lacks(&["Iron", "Glass"]);
    let sorted = browser.get("/search?q=teapot&order=price").await;
    let place = |name: &str| sorted.text.find(&format!("{name} <mark>")).unwrap();
    assert!(place("Glass") < place("Clay") && place("Clay") < place("Iron"));
    sorted.has(&["<option value=\"price\" selected>"]);
}

#[tokio::test]
async fn what_was_probably_meant_is_offered_beside_what_was_found() {
    let shop = shop().await;
    let mut browser = Browser::new(&shop.web);
    let close = browser.get("/search?q=teepot").await;
    assert_eq!(close.status, StatusCode::OK);
    close.has(&["3 products", "Did you mean", "name=\"q\" type=\"search\" value=\"teepot\""]);
    assert_eq!(close.link("teapot"), "/search?q=teapot");
}

/// A shop whose search finds a lamp, and for everything else says that a lamp was meant.
fn shop_with_lamps_alone() -> (Process, storefront::Web) {
    let (process, directory) = (process("finding-test"), Directory::default());
    serve(&process, &directory, Way::InProcess, "search", contracts::FILE_DESCRIPTOR_SET, |request| {
        Box::pin(async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let asked = SearchProductsRequest::decode(&body[5..]).unwrap();
            let lamp = SearchHit { product_id: "lamp".into(), name: "Lamp".into(), ..SearchHit::default() };
            let answer = match asked.query.as_str() {
                "lamp" => SearchProductsResponse { hits: vec![lamp], total_count: 1, ..Default::default() },
                _ => SearchProductsResponse { corrected_query: "lamp".into(), ..Default::default() },
            };
            Ok(message(&answer))
        })
    });
    let web = storefront::start(&storefront::Config::default(), &process, &directory).unwrap().web;
    (process, web)
}

#[tokio::test]
async fn where_nothing_was_found_it_is_looked_for_what_was_probably_meant() {
    let (_process, web) = shop_with_lamps_alone();
    let mut browser = Browser::new(&web);
    let corrected = browser.get("/search?q=lpma").await;
    corrected.has(&["href=\"/products/lamp\"", "1 product<", "value=\"lpma\""]);
    let words = corrected.words();
    assert!(words.contains("Showing results for lamp. Search instead for lpma"), "{words}");
    let exact = browser.get(&corrected.link("lpma")).await;
    exact.has(&["Nothing was found", "Did you mean"]).lacks(&["/products/lamp", "Search instead"]);
    assert_eq!(exact.link("lamp"), "/search?q=lamp");
}

#[tokio::test]
async fn a_query_that_cannot_be_looked_for_is_a_clear_page() {
    let shop = shop().await;
    let mut browser = Browser::new(&shop.web);
    for (query, said) in [
        ("x".repeat(10 * 1024), "at most 500 characters"),
        ("-".into(), "no word in this"),
        ("%22%22+-+%2B%2B+%22".into(), "no word in this"),
        ("-teapot".into(), ""),
    ] {
        let page = browser.get(&format!("/search?q={query}")).await;
        assert!([StatusCode::BAD_REQUEST, StatusCode::OK].contains(&page.status), "{query}: {}", page.status);
        page.has(&[said, "<h1"]);
    }
    let price = browser.get("/search?q=teapot&price_min=cheap&currency=EUR").await;
    assert_eq!(price.status, StatusCode::BAD_REQUEST);
    price.has(&["Write a price in EUR", "aria-invalid=\"true\" aria-describedby=\"price-fault\"", "value=\"cheap\""]);
    let token = browser.get("/search?q=teapot&page=nonsense").await;
    assert_eq!(token.status, StatusCode::BAD_REQUEST);
    assert_eq!(token.link("To the first page"), "/search?q=teapot");
    let nothing = browser.get("/search?q=zeppelin").await;
    assert_eq!(nothing.status, StatusCode::OK);
    nothing.has(&["Nothing was found"]);
    browser.get("/search?q=teapot&brand=Nobody").await.has(&["look without them"]);
}

#[tokio::test]
async fn results_go_on_a_page_at_a_time() {
    let mugs = (0..30).map(|index| (product(&format!("mug-{index:02}"), &format!("Mug {index:02}")), 1));
    let shop = Shop::selling(mugs.collect()).await;
    let mut browser = Browser::new(&shop.web);
    let first = browser.get("/search?q=mug").await;
    let second = browser.get(&first.link("Next page")).await;
    let shown = |text: &str| text.matches("class=\"card\"").count();
    assert_eq!((shown(&first.text), shown(&second.text)), (24, 6));
    assert_eq!(second.link("First page"), "/search?q=mug");
}

#[tokio::test]
async fn suggestions_are_json_and_never_an_error_for_what_is_typed() {
    let shop = shop().await;
    let mut browser = Browser::new(&shop.web);
    // Search gathers them now and then, not with each product.
    let mut suggestions = serde_json::Value::Null;
    eventually(async || {
        let page = browser.get("/suggest?q=tea").await;
        assert!(page.status == StatusCode::OK && page.headers["content-type"] == "application/json", "{page:?}");
        suggestions = serde_json::from_str(&page.text).unwrap();
        suggestions["suggestions"][0].is_object()
    })
    .await;
    let first = &suggestions["suggestions"][0];
    assert!(first["query"].as_str().unwrap().to_lowercase().contains("tea"), "{suggestions}");
    assert!(first["count"].as_i64().unwrap() > 0, "{suggestions}");
    for typed in ["", "%20", "%00", "-", "%22", &"x".repeat(101), &"x".repeat(10_000)] {
        let page = browser.get(&format!("/suggest?q={typed}")).await;
        assert_eq!((page.status, page.text.as_str()), (StatusCode::OK, "{\"suggestions\":[]}"), "{typed}");
    }
}

//! The pages as a browser gets them.

use std::time::Duration;

use contracts::{
    catalog::v1::{CategoryPath, ListProductsResponse, Picture, Product, Rating, Subcategory},
    google::r#type::Money,
};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use mesh::{Body, Directory, Process};
use proptest::prelude::*;
use storefront::{Config, Links, Web};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::Service as _;

use crate::raw::{Answer, PATIENCE, Way, message, process, serve};

const PICTURE: &str = "/pictures/brass-bell-chime.svg";

struct Shop {
    web: Web,
    process: Process,
}

impl Shop {
    /// A shop whose catalog answers every call like this.
    fn with<F>(config: &Config, catalog: F) -> Self
    where
        F: Fn(Request<Body>) -> Answer + Clone + Send + Sync + 'static,
    {
        let (process, directory) = (process("web-test"), Directory::default());
        serve(&process, &directory, Way::InProcess, "catalog", contracts::FILE_DESCRIPTOR_SET, catalog);
        Self::new(config, process, &directory)
    }

    fn listing(list: &ListProductsResponse) -> Self {
        let list = list.clone();
        Self::with(&Config::default(), move |_| {
            let answer = message(&list);
            Box::pin(async { Ok(answer) })
        })
    }

    /// A shop whose catalog is nowhere.
    fn alone() -> Self {
        Self::new(&Config::default(), process("web-test"), &Directory::default())
    }

    fn new(config: &Config, process: Process, directory: &Directory) -> Self {
        Self { web: storefront::start(config, &process, directory).unwrap().web, process }
    }

    async fn ask(&self, method: Method, path: &str, headers: HeaderMap) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        *request.headers_mut() = headers;
        let answer = tokio::time::timeout(PATIENCE, self.web.clone().call(request)).await.unwrap().unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, String::from_utf8(body.into()).unwrap())
    }

    async fn get(&self, path: &str) -> (StatusCode, HeaderMap, String) {
        self.ask(Method::GET, path, HeaderMap::new()).await
    }
}

fn product(name: &str) -> Product {
    Product {
        product_id: "p1".into(),
        name: name.into(),
        brand: "Rihla".into(),
        categories: vec![CategoryPath { names: vec!["Garden".into(), "Courtyard".into()] }],
        price: Some(Money { currency_code: "USD".into(), units: 1234, nanos: 500_000_000 }),
        list_price: Some(Money { currency_code: "USD".into(), units: 2000, nanos: 0 }),
        pictures: vec![Picture { uri: PICTURE.into(), alt_text: "Five bells on a string.".into() }],
        rating: Some(Rating { average: 4.25, count: 1200 }),
        ..Product::default()
    }
}

fn list(products: Vec<Product>) -> ListProductsResponse {
    let category = Some(CategoryPath { names: vec!["Garden".into()] });
    let subcategories = vec![Subcategory { category, product_count: 1042 }];
    ListProductsResponse { products, subcategories, ..ListProductsResponse::default() }
}

#[tokio::test]
async fn the_first_page_shows_products_with_picture_price_and_rating() {
    let shop = Shop::listing(&list(vec![product("Brass Bell Chime")]));
    let (status, headers, page) = shop.get("/").await;
    assert_eq!((status, &headers["content-type"]), (StatusCode::OK, &"text/html; charset=utf-8".parse().unwrap()));
    for expected in [
        "<h1>",
        ">Brass Bell Chime</a></h3>",
        "$1,234.50",
        "$2,000.00",
        "Five bells on a string.",
        PICTURE,
        "Rihla",
        "1,200",
        "1,042",
        "lang=\"en\"",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    // The shop's own script and nothing else that runs or looks differently.
    assert!(page.matches("<script").count() == 1 && page.contains("<script src=\"/assets/shop.js?v="), "{page}");
    assert!(!page.contains(" style=") && !page.contains("<style") && !page.contains(" onerror="), "{page}");
}

#[tokio::test]
async fn hostile_text_is_shown_as_text_and_a_foreign_picture_is_not_loaded() {
    const EVIL: &str = "\"><script>alert(1)</script><img src=x onerror=alert(2)>";
    let hostile = Product {
        brand: EVIL.into(),
        categories: vec![CategoryPath { names: vec![EVIL.into()] }],
        price: Some(Money { currency_code: "<b>".into(), units: 1, nanos: 0 }),
        pictures: vec![Picture { uri: "//evil.example/x.svg".into(), alt_text: EVIL.into() }],
        ..product(EVIL)
    };
    let tempting = Product {
        pictures: vec![Picture { uri: "/x.svg\" onload=\"alert(3)".into(), alt_text: EVIL.into() }],
        ..product("Tempting")
    };
    let (status, _, page) = Shop::listing(&list(vec![hostile, tempting])).get("/").await;
    assert_eq!(status, StatusCode::OK);
    for forbidden in ["<script>", "<img src=x", "evil.example", "<b>", "onload=\"", "\" onerror"] {
        assert!(!page.contains(forbidden), "{forbidden}: {page}");
    }
    assert!(page.contains("&#60;script&#62;"), "{page}");
}

#[tokio::test]
async fn a_catalog_that_is_away_empty_or_slow_is_said_on_a_page_that_works() {
    let (status, _, page) = Shop::alone().get("/").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("The catalog is away") && page.contains("Search is away"), "{page}");
    let (status, _, page) = Shop::alone().get("/about").await;
    assert!(status == StatusCode::OK && page.contains("Not serving"), "{page}");
    assert!(page.contains("souk.catalog.v1.CatalogService"), "{page}");

    let (status, _, page) = Shop::listing(&ListProductsResponse::default()).get("/").await;
    assert!(status == StatusCode::OK && page.contains("Nothing has been put out yet"), "{page}");

    let soon = Duration::from_millis(20);
    let impatient = Config { page_timeout: soon, health_timeout: soon, ..Config::default() };
    let (status, _, page) = Shop::with(&impatient, |_| Box::pin(std::future::pending())).get("/").await;
    assert!(status == StatusCode::OK && page.contains("The catalog is away"), "{page}");
}

#[tokio::test]
async fn every_answer_forbids_what_a_page_of_ours_never_needs() {
    let shop = Shop::alone();
    for (method, path, expected) in [
        (Method::GET, "/", StatusCode::OK),
        (Method::GET, PICTURE, StatusCode::OK),
        (Method::GET, "/assets/style.css", StatusCode::OK),
        (Method::GET, "/assets/shop.js", StatusCode::OK),
        (Method::GET, "/about", StatusCode::OK),
        (Method::GET, "/favicon.svg", StatusCode::OK),
        (Method::GET, "/nowhere", StatusCode::NOT_FOUND),
        (Method::GET, "/pictures/none.svg", StatusCode::NOT_FOUND),
        (Method::GET, "/pictures/..%2fstyle.css", StatusCode::NOT_FOUND),
        (Method::POST, "/", StatusCode::METHOD_NOT_ALLOWED),
        (Method::DELETE, PICTURE, StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let (status, headers, _) = shop.ask(method.clone(), path, HeaderMap::new()).await;
        assert_eq!(status, expected, "{method} {path}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(
            (&headers["x-content-type-options"], &headers["referrer-policy"]),
            (&"nosniff".parse().unwrap(), &"no-referrer".parse().unwrap())
        );
        if expected == StatusCode::METHOD_NOT_ALLOWED {
            assert_eq!(headers["allow"], "GET,HEAD", "{method} {path}");
        }
    }
    let (_, _, page) = shop.get("/nowhere").await;
    assert!(page.contains("<h1>") && page.contains("href=\"/\""), "{page}");
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let shop = Shop::alone();
    for path in ["/", PICTURE] {
        let (got, with_body, body) = shop.get(path).await;
        let (asked, without, nothing) = shop.ask(Method::HEAD, path, HeaderMap::new()).await;
        assert_eq!((got, asked, nothing.as_str()), (StatusCode::OK, StatusCode::OK, ""));
        assert!(!body.is_empty());
        assert_eq!(with_body["content-type"], without["content-type"], "{path}");
    }
}

#[tokio::test]
async fn a_picture_is_kept_by_the_browser_and_asked_for_by_its_tag() {
    let shop = Shop::alone();
    let (_, headers, body) = shop.get(PICTURE).await;
    assert_eq!(headers["content-type"], "image/svg+xml");
    assert_eq!(headers["cache-control"], "public, max-age=3600");
    assert!(body.starts_with("<svg"));
    let asked = HeaderMap::from_iter([(http::header::IF_NONE_MATCH, headers["etag"].clone())]);
    let (status, headers, body) = shop.ask(Method::GET, PICTURE, asked).await;
    assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""));
    assert!(headers.contains_key("etag"));

    let (_, _, page) = shop.get("/").await;
    let style = page.split('"').find(|text| text.starts_with("/assets/style.css?v=")).expect("a versioned style");
    assert_eq!(shop.get(style).await.1["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(shop.get("/assets/style.css?v=old").await.1["cache-control"], "public, max-age=3600");
}

#[tokio::test]
async fn a_browser_over_http_1_gets_the_page_with_the_addresses_of_the_other_ports() {
    let shop = Shop::alone();
    let listener = shop.process.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.address().to_string();
    let links = Links { grpc: "0.0.0.0:50051".parse().unwrap(), admin: "127.0.0.1:9901".parse().unwrap() };
    shop.process.serve_http(listener, "storefront", shop.web.clone().with_links(links));
    let mut browser = tokio::net::TcpStream::connect(&address).await.unwrap();
    browser.write_all(b"GET /about HTTP/1.1\r\nhost: shop.test:8080\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, browser.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("grpcurl -plaintext shop.test:50051 list"), "{answer}");
    assert!(answer.contains("http://127.0.0.1:9901/metrics"), "{answer}");
}

#[test]
fn any_address_and_any_header_is_answered_with_a_page_and_not_with_our_mistake() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let shop = runtime.block_on(async { Shop::alone() });
    let path = prop::sample::select(vec![
        "/search?q=",
        "/search?category=",
        "/search?price_min=1&currency=",
        "/search?currency=EUR&price_max=",
        "/category?page=x&path=",
        "/suggest?q=",
        "/products/",
        "/carts/",
        "/cart?done=added&product=",
        "/",
    ]);
    let bytes = || prop::collection::vec(any::<u8>(), 0..48);
    proptest!(ProptestConfig::with_cases(300), |(path in path, typed in bytes(), value in bytes())| {
        let typed: String = form_urlencoded::byte_serialize(&typed).collect();
        let mut headers = HeaderMap::new();
        if let Ok(value) = http::HeaderValue::from_bytes(&value) {
            headers.insert(http::header::COOKIE, value.clone());
            headers.insert(http::header::ACCEPT_LANGUAGE, value);
        }
        let (status, _, page) = runtime.block_on(shop.ask(Method::GET, &format!("{path}{typed}"), headers));
        prop_assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{}{}", path, typed);
        prop_assert!(!page.contains("<script>"), "{}", page);
    });
}

#[tokio::test]
async fn requests_are_counted_by_route_and_status() {
    let shop = Shop::alone();
    shop.get("/nowhere/1").await;
    shop.get("/nowhere/2").await;
    let metrics = shop.process.metrics().encode();
    let count = "http_server_request_duration_seconds_count{route=\"other\",method=\"GET\",status=\"404\"} 2";
    assert!(metrics.contains(count), "{metrics}");
}

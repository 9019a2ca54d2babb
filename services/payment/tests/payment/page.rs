//! The card's page, over HTTP/2 on the port that serves the calls.

use bytes::Bytes;
use contracts::payment::v1 as pb;
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request, StatusCode, header};
use mesh::Directory;
use tokio::net::TcpStream;

use crate::shop::{self, GOOD, Shop, payment_id};

const PAGE: &str = "/pay/card?return=%2Fcheckout%3Forder%3D1";

/// A browser's connection to the port.
struct Browser(SendRequest<Bytes>);

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Browser {
    async fn of(shop: &Shop) -> Self {
        let directory = Directory::default();
        let config = shop::config(&shop.payment_url, shop::NEW_KEY);
        let inbound = payment::start(config, &shop.process, &directory).await.unwrap();
        let listener = shop.process.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.address().to_string();
        shop.process.serve_grpc(listener, inbound);
        let io = TcpStream::connect(address).await.unwrap();
        let (send, connection) = h2::client::handshake(io).await.unwrap();
        tokio::spawn(connection);
        Self(send)
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("http://shop.example{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut send = self.0.clone().ready().await.unwrap();
        let (answer, mut sending) = send.send_request(request.body(()).unwrap(), body.is_empty()).unwrap();
        if !body.is_empty() {
            sending.send_data(Bytes::copy_from_slice(body.as_bytes()), true).unwrap();
        }
        let (parts, mut body) = answer.await.unwrap().into_parts();
        let mut text = Vec::new();
        while let Some(bytes) = body.data().await {
            text.extend_from_slice(&bytes.unwrap());
        }
        let text = String::from_utf8(text).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        let form = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
        self.send(Method::POST, path, &form, body).await
    }
}

impl Answer {
    /// What a hidden field of the form has.
    fn request_id(&self) -> String {
        let (_, rest) = self.text.split_once("name=\"request_id\" value=\"").expect("a form");
        rest.split('"').next().unwrap().to_owned()
    }

    /// The token in the address that it leads to.
    fn token(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.text);
        let place = self.headers[header::LOCATION].to_str().unwrap();
        place.strip_prefix("/checkout?order=1&card_token=").unwrap()
    }
}

fn form(request_id: &str, number: &str) -> String {
    let year = shop::card(GOOD).expiry_year;
    format!("request_id={request_id}&number={number}&expiry=12%2F{}&code={}&name=A.+Shopper", year % 100, shop::CODE)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_that_is_typed_in_leads_back_with_a_token_that_pays() {
    let shop = Shop::on_sqlite().await;
    let browser = Browser::of(&shop).await;
    let page = browser.get(PAGE).await;
    assert_eq!(page.status, StatusCode::OK);
    for needed in [
        r#"method="post""#,
        r#"action="/pay/card?return=%2Fcheckout%3Forder%3D1""#,
        r#"autocomplete="cc-number""#,
        r#"autocomplete="cc-exp""#,
        r#"autocomplete="cc-csc""#,
        r#"autocomplete="cc-name""#,
        r#"<label for="number">"#,
    ] {
        assert!(page.text.contains(needed), "{needed} is missing in {}", page.text);
    }
    assert!(!page.text.contains("<script") && !page.text.contains("style="), "{}", page.text);
    let sent = form(&page.request_id(), "4242+4242+4242+4242");
    let answer = browser.post(PAGE, &sent).await;
    // Sent twice, it is the same card.
    assert_eq!(browser.post(PAGE, &sent).await.token(), answer.token());
    let payment = shop.authorize(&payment_id(), answer.token(), 100).await.unwrap();
    assert_eq!(payment.state(), pb::PaymentState::Authorized);
    assert_eq!(payment.card.unwrap().last_four, "4242");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_stands_beside_its_field_and_nothing_typed_is_shown_again() {
    let shop = Shop::on_sqlite().await;
    let browser = Browser::of(&shop).await;
    let id = shop::request_id();
    let sent = format!("request_id={id}&number=4242424242424241&expiry=01%2F20&code=12&name=%22%3E%3Cscript%3E%07");
    let page = browser.post(PAGE, &sent).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    for field in ["number", "expiry", "code", "name"] {
        let error = format!("id=\"{field}-error\"");
        assert!(page.text.contains(&error), "{field}: {}", page.text);
        assert!(page.text.contains(&format!("aria-describedby=\"{field}-error\"")));
    }
    for typed in ["4242", "01/20", "script", "value=\"12"] {
        assert!(!page.text.contains(typed), "{typed}: {}", page.text);
    }
    assert_eq!(page.request_id(), id);
    // Put right, the same form goes through.
    browser.post(PAGE, &form(&id, GOOD)).await.token();
    // Another card under the id of a form that was taken is a new form.
    let changed = browser.post(PAGE, &form(&id, "5555555555554444")).await;
    assert!(changed.status == StatusCode::SERVICE_UNAVAILABLE && changed.request_id() != id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_leads_elsewhere_and_no_other_site_posts_to_it() {
    let shop = Shop::on_sqlite().await;
    let browser = Browser::of(&shop).await;
    let id = shop::request_id();
    for wrong in
        ["", "?return=", "?return=https%3A%2F%2Fevil.example", "?return=%2F%2Fevil.example", "?return=%2F%5Cevil"]
    {
        let path = format!("/pay/card{wrong}");
        assert_eq!(browser.get(&path).await.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert_eq!(browser.post(&path, &form(&id, GOOD)).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    for site in ["cross-site", "same-site", "none"] {
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", site)];
        let answer = browser.send(Method::POST, PAGE, &headers, &form(&id, GOOD)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{site}");
    }
    let json = browser.send(Method::POST, PAGE, &[("content-type", "application/json")], "{}").await;
    assert_eq!(json.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let long = browser.post(PAGE, &"x".repeat(9 * 1024)).await;
    assert_eq!(long.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(browser.send(Method::DELETE, PAGE, &[], "").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(browser.get("/pay/elsewhere").await.status, StatusCode::NOT_FOUND);
    assert_eq!(shop.codes_and_cards().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_strict_and_only_the_style_may_be_kept() {
    let shop = Shop::on_sqlite().await;
    let browser = Browser::of(&shop).await;
    let id = shop::request_id();
    let answers = [
        browser.get(PAGE).await,
        browser.post(PAGE, &form(&id, GOOD)).await,
        browser.post(PAGE, "number=1").await,
        browser.get("/pay/card").await,
        browser.get("/pay/nothing").await,
    ];
    for answer in &answers {
        let said = |name: &str| answer.headers[name].to_str().unwrap().to_owned();
        assert!(said("content-security-policy").starts_with("default-src 'none'"));
        assert!(said("content-security-policy").contains("form-action 'self'; frame-ancestors 'none'"));
        assert_eq!((said("referrer-policy"), said("cache-control")), ("same-origin".into(), "no-store".into()));
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    let style = browser.get("/pay/assets/card.css").await;
    assert_eq!(
        (style.status, &style.headers["content-type"]),
        (StatusCode::OK, &"text/css; charset=utf-8".parse().unwrap())
    );
    assert!(answers[0].text.contains("href=\"/pay/assets/card.css\""));
    // The port speaks gRPC besides, and nothing but these pages.
    assert_eq!(browser.get("/").await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(browser.get("/payments").await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

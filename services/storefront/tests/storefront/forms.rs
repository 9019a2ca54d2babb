//! Which forms are taken at all, and what the cookie of a cart allows.

use bytes::Bytes;
use http::{Request, StatusCode, header};
use mesh::{Body, Peer, Principal, identity::Transport};
use storefront::Config;

use crate::{
    browser::{Browser, Page},
    raw::full,
    shop::{Shop, lamp},
};

const FORM: &str = "application/x-www-form-urlencoded";
const ADD: &str = "product_id=lamp&quantity=1&request_id=3f2a8d4e-0b6c-4f6e-9c1d-2a7b5e8f9d10";

/// Sends a form with these headers.
async fn sent(shop: &Shop, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Page {
    let mut request = Request::post("/cart/add").body(full(body)).unwrap();
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    Browser::new(&shop.web).send(request).await
}

#[tokio::test]
async fn a_form_is_taken_from_our_own_pages_alone() {
    let shop = Shop::selling(vec![(lamp(), 5)]).await;
    shop.gates["cart"].take_calls();
    for headers in [
        &[][..],
        &[("origin", "http://evil.test")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site"), ("origin", "http://shop.test")],
        &[("referer", "http://evil.test/shop.test")],
    ] {
        let page = sent(&shop, &[headers, &[("content-type", FORM)]].concat(), ADD).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{headers:?}");
        page.has(&["This form is not ours", "Nothing was changed", "<header"]);
        assert!(!page.headers.contains_key(header::SET_COOKIE));
    }
    assert!(shop.gates["cart"].take_calls().is_empty());
    for headers in [("sec-fetch-site", "same-origin"), ("referer", "http://shop.test/products/lamp")] {
        let page = sent(&shop, &[headers, ("content-type", FORM)], ADD).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{headers:?}");
    }
}

#[tokio::test]
async fn what_is_no_form_of_ours_is_refused_with_a_page() {
    let shop = Shop::selling(vec![(lamp(), 5)]).await;
    let own = ("origin", "http://shop.test");
    let typed =
        async |content_type: &str, body: Vec<u8>| sent(&shop, &[own, ("content-type", content_type)], body).await;
    let large = format!("{ADD}&x={}", "x".repeat(16 * 1024));
    assert_eq!(typed(FORM, large.into()).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(typed("application/json", b"{}".into()).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    for incomplete in ["", "product_id=lamp&quantity=1", "product_id=%00&request_id=x", "request_id=%ff&%ff=%"] {
        let page = typed(FORM, incomplete.into()).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{incomplete}");
        page.has(&["This form is incomplete", "Nothing was changed"]);
    }
    assert_eq!(
        typed("application/x-www-form-urlencoded; charset=utf-8", ADD.into()).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn the_cookie_is_secure_exactly_where_the_browser_came_by_https() {
    let trusting = Config { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Config::default() };
    let shop = Shop::configured(trusting, vec![(lamp(), 5)]).await;
    let cookie = async |shop: &Shop, from: &str, forwarded: &[&str]| {
        let peer = Peer { principal: Principal::anonymous(), transport: Transport::Tcp(from.parse().unwrap()) };
        let body = ADD.replace("3f2a8d4e", &uuid::Uuid::new_v4().to_string()[..8]);
        let mut request = Request::post("/cart/add").extension(peer).header("origin", "http://shop.test");
        for proto in forwarded {
            request = request.header("x-forwarded-proto", *proto);
        }
        let request = request.header("content-type", FORM).body(full(body)).unwrap();
        let page = Browser::new(&shop.web).send(request).await;
        page.headers[header::SET_COOKIE].to_str().unwrap().to_owned()
    };
    let plain = cookie(&shop, "10.1.2.3:4", &[]).await;
    assert!(plain.ends_with("; Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax"), "{plain}");
    for (from, forwarded, is_secure) in [
        ("10.1.2.3:4", &["https"][..], true),
        ("10.1.2.3:4", &["http, https"], true),
        ("10.1.2.3:4", &["https, http"], false),
        ("10.1.2.3:4", &["https", "http"], false),
        ("203.0.113.9:4", &["https"], false),
    ] {
        let cookie = cookie(&shop, from, forwarded).await;
        assert_eq!(cookie.ends_with("; Secure"), is_secure, "{from} {forwarded:?}: {cookie}");
    }
    let https = Shop::configured(Config { https_only: true, ..Config::default() }, vec![(lamp(), 5)]).await;
    assert!(cookie(&https, "203.0.113.9:4", &[]).await.ends_with("; Secure"));
}

#[tokio::test]
async fn a_page_with_a_cart_or_a_form_is_kept_by_nobody() {
    let shop = Shop::selling(vec![(lamp(), 5)]).await;
    let cart = shop.add("", "lamp", 1).await.unwrap();
    let mut stranger = Browser::new(&shop.web);
    let mut owner = Browser::with_cart(&shop.web, &cart.cart_id);
    for path in ["/", "/category", "/search?q=lamp", "/about"] {
        assert_eq!(stranger.get(path).await.headers["cache-control"], "private, no-cache", "{path}");
        assert_eq!(owner.get(path).await.headers["cache-control"], "private, no-store", "{path}");
    }
    for path in ["/cart", "/products/lamp"] {
        let page = owner.get(path).await;
        assert_eq!(page.headers["cache-control"], "private, no-store", "{path}");
        // Else a browser would say `Origin: null` of the form, and it would be refused.
        assert_eq!(page.headers["referrer-policy"], "same-origin", "{path}");
    }
    for path in ["/", "/cart", "/products/lamp", "/search", "/category", "/about", "/suggest?q=l"] {
        let head = owner.send(Request::head(path).body(Body::empty()).unwrap()).await;
        assert_eq!(head.status, StatusCode::OK, "{path}");
        for name in ["/cart/add", "/cart/merge"] {
            assert_eq!(owner.get(name).await.status, StatusCode::METHOD_NOT_ALLOWED, "{name}");
        }
    }
}

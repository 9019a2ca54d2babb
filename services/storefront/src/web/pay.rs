//! The card's page, which is payment's own: passed through as bytes that nothing here reads, keeps or logs.
//!
//! What goes along is named here, header by header: the shop's cookies stay here, and so does the address that the browser
//! came from, in which there may be an order. What comes back is payment's, with its own strict headers.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use mesh::Body;

use super::{Shop, category::Crumb, failure, form, origin};
use crate::edge::strip;

/// Where payment's pages are, here and there.
pub(crate) const BELOW: &str = "/pay/";
/// The page that takes a card and comes back to checkout with its token.
pub(super) const CARD: &str = "/pay/card?return=%2Fcheckout%2Fcard";

/// How long a page may take, with the time that a browser takes to send a card: longer than payment waits for that itself.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// What of a browser's headers goes along.
const ALONG: [HeaderName; 7] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::IF_NONE_MATCH,
    header::USER_AGENT,
    HeaderName::from_static("sec-fetch-site"),
];

/// Passes a request on, and its answer back.
pub(super) async fn pass(State(shop): State<Arc<Shop>>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD)
        && let Err(foreign) = origin::check(request.uri(), request.headers())
    {
        return form::foreign(foreign);
    }
    let (mut parts, body) = request.into_parts();
    parts.headers = along(&parts.headers);
    // What this hop knows of its peer is no business of the next one, which has a peer of its own.
    parts.extensions.clear();
    match shop.pay.send(Request::from_parts(parts, Body::new(body))).await {
        Ok(answer) => {
            let mut answer = answer.map(axum::body::Body::new);
            strip(answer.headers_mut());
            answer.into_response()
        }
        Err(status) => {
            // It says what became of the connection, and nothing of what was sent.
            tracing::debug!(%status, "payment does not answer with a page");
            let back = Crumb { name: "Back to checkout".into(), href: "/checkout/review".into() };
            let text = "The service that takes cards does not answer. Nothing was charged, and your cart is kept: try again in \
                        a moment.";
            failure::refused(StatusCode::SERVICE_UNAVAILABLE, "Paying is away for a moment", text, back)
        }
    }
}

fn along(headers: &HeaderMap) -> HeaderMap {
    let kept = headers.iter().filter(|(name, _)| ALONG.contains(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cookie_no_referrer_and_nothing_reserved_goes_along() {
        let headers = [
            ("cookie", "souk_cart=0123456789abcdef0123456789abcdef"),
            ("referer", "http://shop.test/order/0123456789abcdef0123456789abcdef"),
            ("x-souk-role", "operator"),
            ("authorization", "Bearer a"),
            ("connection", "close"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("content-length", "3"),
            ("sec-fetch-site", "same-origin"),
        ];
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let along = along(&headers);
        let mut names: Vec<_> = along.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-length", "content-type", "sec-fetch-site"]);
    }

    #[test]
    fn an_answers_cookies_and_policies_come_back_and_what_is_about_the_connection_does_not() {
        let headers =
            [("set-cookie", "a=1"), ("connection", "close"), ("x-souk-peer", "x"), ("content-security-policy", "y")];
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let mut headers: HeaderMap = headers.collect();
        strip(&mut headers);
        assert_eq!(
            headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(),
            ["set-cookie", "content-security-policy"]
        );
    }
}

//! The page that takes a card: a form that needs no script, posted to itself, that ends where it was told to with a token.
//!
//! What was typed is never shown again, not even where it was wrong; no cookie is set, nothing is kept by anybody on the way,
//! no other site is told of the address, and none may post to it. `GET /pay/card?return=/PATH` shows the form; a card that is
//! taken leads to `/PATH?card_token=TOKEN` (303).

mod form;
mod way;

use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Duration;

use askama::Template as _;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use mesh::Body;
use tokio::time::timeout;
use tower::Service;
use zeroize::Zeroizing;

use super::Rpcs;
use crate::error::Error;
use form::{Form, Page};
use way::Way;

/// Where the pages are.
pub(crate) const BELOW: &str = "/pay/";

const CARD: &str = "/pay/card";
const STYLE: &str = "/pay/assets/card.css";
const STYLE_TEXT: &str = include_str!("../../assets/card.css");

/// The most bytes of a form, and how long it may take to come and to be answered.
const FORM_MAX: usize = 8 * 1024;
const PATIENCE: Duration = Duration::from_secs(15);

/// Headers of every answer.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // Other sites hear nothing. Under `no-referrer` a browser says `Origin: null` of the form even to this site (Fetch, "append
    // a request `Origin` header"), and whoever passes it on could not tell it from another site's.
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
    ),
];

/// The pages. Cloning shares them.
#[derive(Clone, Debug)]
pub(crate) struct Pages {
    rpcs: Rpcs,
}

impl Pages {
    pub(crate) fn new(rpcs: Rpcs) -> Self {
        Self { rpcs }
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let get = matches!(*request.method(), Method::GET | Method::HEAD);
        let post = *request.method() == Method::POST;
        match request.uri().path() {
            STYLE if get => style(),
            CARD if get => show(request.uri().query()),
            CARD if post => timeout(PATIENCE, self.take(request)).await.unwrap_or_else(|_late| {
                told(StatusCode::SERVICE_UNAVAILABLE, "This took too long. Nothing was charged; please try again.")
            }),
            STYLE | CARD => {
                let mut answer = told(StatusCode::METHOD_NOT_ALLOWED, "This address takes GET, and a form by POST.");
                answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
                answer
            }
            _ => told(StatusCode::NOT_FOUND, "There is nothing at this address."),
        }
    }

    /// Takes a card that was posted.
    async fn take(&self, request: Request<Body>) -> Response<Body> {
        let Some(way) = Way::of(request.uri().query()) else { return no_way() };
        if !is_from_here(request.headers()) {
            return told(StatusCode::FORBIDDEN, "A card can only be given on this shop's own page.");
        }
        let form = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        if !form.is_some_and(|kind| kind.starts_with(b"application/x-www-form-urlencoded")) {
            return told(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This address takes a form.");
        }
        let Ok(body) = Limited::new(request.into_body(), FORM_MAX).collect().await else {
            return told(StatusCode::PAYLOAD_TOO_LARGE, "This is more than a card has, or it broke off on the way.");
        };
        let form = Form::read(&Zeroizing::new(body.to_bytes().to_vec()));
        let request_id = form.request_id();
        match self.rpcs.tokenize(form.into_request()).await {
            Ok(answer) => see_other(&way.with_token(&answer.card_token)),
            Err(Error::Invalid(violations)) => {
                rendered(StatusCode::UNPROCESSABLE_ENTITY, &Page::wrong(&way, request_id, &violations))
            }
            Err(error) => {
                // It says in the log whatever is to be known of it.
                let status = tonic::Status::from(error);
                let page = match status.code() {
                    tonic::Code::Unavailable => Page::trouble(
                        &way,
                        request_id,
                        "The card could not be taken just now. Nothing was charged; please try again in a moment.",
                    ),
                    // Another card under the form's old id: it is a new form.
                    tonic::Code::FailedPrecondition => Page::trouble(
                        &way,
                        form::request_id(),
                        "The card has changed since it was sent. Please type it again.",
                    ),
                    _ => Page::trouble(
                        &way,
                        form::request_id(),
                        "That is our mistake, and it has been noted. Nothing was charged.",
                    ),
                };
                rendered(StatusCode::SERVICE_UNAVAILABLE, &page)
            }
        }
    }
}

impl Service<Request<Body>> for Pages {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let pages = self.clone();
        Box::pin(async move {
            let mut answer = pages.answer(request).await;
            for (name, value) in HEADERS {
                answer.headers_mut().insert(name, value);
            }
            answer.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
            Ok(answer)
        })
    }
}

/// Whether a browser says that the form was sent from this site's own page. One that says nothing is too old to be asked.
fn is_from_here(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin")
}

fn show(query: Option<&str>) -> Response<Body> {
    match Way::of(query) {
        Some(way) => rendered(StatusCode::OK, &Page::empty(&way, form::request_id())),
        None => no_way(),
    }
}

fn no_way() -> Response<Body> {
    told(StatusCode::BAD_REQUEST, "The address does not say where to go on: return must be a path of this shop.")
}

fn told(status: StatusCode, text: &'static str) -> Response<Body> {
    rendered(status, &Page::told(text))
}

fn rendered(status: StatusCode, page: &Page) -> Response<Body> {
    // Only a writer that fails makes it fail, and a String does not.
    let html = page.render().unwrap_or_default();
    answer(status, "text/html; charset=utf-8", html.into())
}

fn style() -> Response<Body> {
    let mut answer = answer(StatusCode::OK, "text/css; charset=utf-8", Bytes::from_static(STYLE_TEXT.as_bytes()));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    answer
}

fn see_other(place: &str) -> Response<Body> {
    let Ok(place) = HeaderValue::try_from(place) else { return no_way() };
    let mut answer = answer(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", Bytes::new());
    answer.headers_mut().insert(header::LOCATION, place);
    answer
}

fn answer(status: StatusCode, content_type: &'static str, bytes: Bytes) -> Response<Body> {
    let mut answer = Response::new(Body::new(Full::new(bytes)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

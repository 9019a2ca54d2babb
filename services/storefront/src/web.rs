//! The web pages, rendered here and usable without JavaScript.
//!
//! A page is one fan-out of concurrent calls under one deadline; what does not answer in time is said on the page, and
//! the rest is shown. Every answer carries the same strict headers: nothing is loaded from elsewhere, no script runs,
//! no address of this shop (which may be somebody's cart) is told to another site.

mod assets;
mod failure;
mod home;
mod money;
mod observe;
mod services;

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, routing::get};
use contracts::catalog::v1::catalog_service_client::CatalogServiceClient;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use mesh::{Body, Channel, ListenAddress, metrics::Metrics};
use tower::Service;

use crate::health::Fleet;

/// Headers of every answer.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; \
             frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
    ),
];

/// Where else this process listens, for the pages that say so.
#[derive(Clone, Debug)]
pub struct Links {
    /// The edge.
    pub grpc: ListenAddress,
    /// The admin port.
    pub admin: ListenAddress,
}

/// The web pages, for [`Process::serve_http`](mesh::Process::serve_http). Cloning shares them.
#[derive(Clone, Debug)]
pub struct Web {
    shop: Arc<Shop>,
    router: Router,
    requests: observe::Requests,
}

/// What the pages are made of.
#[derive(Clone, Debug)]
struct Shop {
    fleet: Fleet,
    catalog: CatalogServiceClient<Channel>,
    services: Arc<[services::Description]>,
    timeout: Duration,
    links: Option<Links>,
}

impl Web {
    /// The pages, which wait for `catalog` and the rest of the `fleet` for at most `timeout`.
    #[must_use]
    pub(crate) fn new(
        fleet: Fleet,
        catalog: CatalogServiceClient<Channel>,
        timeout: Duration,
        metrics: &Metrics,
    ) -> Self {
        let shop = Shop { fleet, catalog, services: services::described(crate::CALLS), timeout, links: None };
        let shop = Arc::new(shop);
        Self { router: router(Arc::clone(&shop)), shop, requests: observe::Requests::new(metrics) }
    }

    /// The same pages with the addresses of the other ports on them.
    #[must_use]
    pub fn with_links(self, links: Links) -> Self {
        let shop = Arc::new(Shop { links: Some(links), ..(*self.shop).clone() });
        Self { router: router(Arc::clone(&shop)), shop, ..self }
    }
}

fn router(shop: Arc<Shop>) -> Router {
    Router::new()
        .route("/", get(home::show))
        .route("/pictures/{file}", get(assets::show))
        .route("/assets/{file}", get(assets::show))
        .route("/favicon.svg", get(assets::show))
        .fallback(failure::not_found)
        .method_not_allowed_fallback(failure::method_not_allowed)
        .with_state(shop)
}

impl Service<Request<Body>> for Web {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (mut router, requests) = (self.router.clone(), self.requests.clone());
        Box::pin(async move {
            let seen = requests.seen(request.method(), request.uri().path(), request.headers());
            let answer = failure::catch_panic(router.call(request.map(axum::body::Body::new)));
            let mut answer = seen.through(answer).await.map(Body::new);
            protect(answer.headers_mut());
            Ok(answer)
        })
    }
}

fn protect(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
}

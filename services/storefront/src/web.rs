//! The web pages, rendered here and usable without JavaScript.
//!
//! A page is one fan-out of concurrent calls under one deadline; what does not answer in time is said on the page, and
//! the rest is shown. A form is sent once (POST, then a redirect), carries the id that makes a second sending harmless
//! and the version of the cart that it means, and is taken from pages of this shop alone. Every answer carries the same
//! strict headers: no script but ours, nothing from elsewhere but a product's pictures, and no address of this shop is
//! told to another site.

mod about;
mod amount;
mod answer;
mod assets;
mod card;
mod cart;
mod category;
mod checkout;
mod cookie;
mod country;
mod failure;
mod find;
mod form;
mod frame;
mod home;
mod known;
mod list;
mod listing;
mod observe;
mod order;
mod origin;
mod pay;
mod picture;
mod product;
mod query;
mod refusal;
mod retry;
mod search;
mod services;
mod stock;
mod suggest;
mod text;
mod visitor;

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    routing::{any, get, post},
};
use contracts::{
    cart::v1::cart_service_client::CartServiceClient, catalog::v1::catalog_service_client::CatalogServiceClient,
    checkout::v1::checkout_service_client::CheckoutServiceClient,
    inventory::v1::inventory_service_client::InventoryServiceClient,
    search::v1::search_service_client::SearchServiceClient,
};
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use mesh::{
    Body, Channel, Clients, ListenAddress, Principal,
    client::Pages,
    context::{self, CallContext},
    directory::UndeclaredTarget,
    metrics::Metrics,
};
use tokio::time::Instant;
use tower::Service;

use crate::{CART, CATALOG, CHECKOUT, Config, INVENTORY, Network, PAYMENT, SEARCH, health::Fleet};

/// Headers of every answer, unless the page has a reason for another.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (header::CONTENT_SECURITY_POLICY, answer::POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, answer::NO_REFERRER),
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
    timeout: Duration,
    requests: observe::Requests,
}

/// What the pages are made of.
#[derive(Clone, Debug)]
struct Shop {
    fleet: Fleet,
    cart: CartServiceClient<Channel>,
    catalog: CatalogServiceClient<Channel>,
    checkout: CheckoutServiceClient<Channel>,
    inventory: InventoryServiceClient<Channel>,
    search: SearchServiceClient<Channel>,
    /// The card's page, which is payment's.
    pay: Pages,
    services: Arc<[services::Description]>,
    known: known::KnownProducts,
    search_heard: find::Heard,
    orders_heard: find::Heard,
    kept: home::Kept,
    https_only: bool,
    trusted_proxies: Arc<[Network]>,
    links: Option<Links>,
}

impl Web {
    /// The pages, which wait for the services for at most `config.page_timeout`.
    ///
    /// # Errors
    /// If `clients` lead elsewhere than `CALLS` says.
    pub(crate) fn new(
        config: &Config,
        fleet: Fleet,
        clients: &Clients,
        metrics: &Metrics,
    ) -> Result<Self, UndeclaredTarget> {
        let shop = Arc::new(Shop {
            fleet,
            cart: CartServiceClient::new(clients.channel(CART)?),
            catalog: CatalogServiceClient::new(clients.channel(CATALOG)?),
            checkout: CheckoutServiceClient::new(clients.channel(CHECKOUT)?),
            inventory: InventoryServiceClient::new(clients.channel(INVENTORY)?),
            search: SearchServiceClient::new(clients.channel(SEARCH)?),
            pay: clients.pages(PAYMENT, pay::BELOW)?,
            services: services::described(crate::CALLS),
            known: known::KnownProducts::default(),
            search_heard: find::Heard::default(),
            orders_heard: find::Heard::default(),
            kept: home::Kept::default(),
            https_only: config.https_only,
            trusted_proxies: config.trusted_proxies.clone().into(),
            links: None,
        });
        let (router, requests) = (router(Arc::clone(&shop)), observe::Requests::new(metrics));
        Ok(Self { router, shop, timeout: config.page_timeout, requests })
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
        .route("/about", get(about::show))
        .route("/category", get(listing::show))
        .route("/search", get(search::show))
        .route("/suggest", get(suggest::answer))
        .route("/products/{product}", get(product::show))
        .route("/cart", get(cart::show))
        .route("/cart/add", post(cart::add::add))
        .route("/cart/set", post(cart::edit::set))
        .route("/cart/remove", post(cart::edit::remove))
        .route("/cart/clear", post(cart::edit::clear))
        .route("/carts/{cart}", get(cart::offer::open))
        .route("/cart/offer", get(cart::offer::show))
        .route("/cart/merge", post(cart::offer::merge))
        .route("/checkout", get(checkout::address::show))
        .route("/checkout/address", post(checkout::address::take))
        .route("/checkout/delivery", get(checkout::delivery::show).post(checkout::delivery::take))
        .route("/checkout/card", get(checkout::card::take))
        .route("/checkout/review", get(checkout::review::show))
        .route("/checkout/place", post(checkout::place::take))
        .route("/order/{order}", get(order::show))
        .route("/order/cancel", post(order::cancel::take))
        .route("/pay/{*page}", any(pay::pass))
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
        let Self { mut router, requests, mut timeout, .. } = self.clone();
        if request.uri().path().starts_with(pay::BELOW) {
            timeout = timeout.max(pay::PATIENCE);
        }
        Box::pin(async move {
            let seen = requests.seen(request.method(), request.uri().path(), request.headers());
            let answer = failure::catch_panic(router.call(request.map(axum::body::Body::new)));
            let mut answer = seen.through(within(timeout, answer)).await.map(Body::new);
            protect(answer.headers_mut());
            Ok(answer)
        })
    }
}

/// Gives all calls that a page makes, whether at once or one after another, one deadline.
async fn within<F: Future>(timeout: Duration, page: F) -> F::Output {
    let deadline = Some(Instant::now() + timeout);
    // Here, and not before, the page's span is the current one.
    let call = CallContext { deadline, trace: context::trace(), principal: Principal::anonymous() };
    context::scope(call, page).await
}

fn protect(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
}

//! One span and one measurement a web request.
//!
//! The span is the root of a click's trace, or goes on with the caller's: the calls that the page makes are its children.

use std::sync::Arc;

use axum::response::Response;
use http::{HeaderMap, Method};
use mesh::metrics::Metrics;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, histogram::Histogram},
};
use tokio::time::Instant;
use tracing::{Instrument as _, Span, field::Empty};

/// Upper bounds of the latency buckets, in seconds: from a picture to a page that waited for its deadline.
const LATENCY_BOUNDS_S: [f64; 12] = [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// The route of what has none.
const OTHER: &str = "other";

/// Routes that are paths.
const ROUTES: [&str; 20] = [
    "/",
    "/about",
    "/cart",
    "/cart/add",
    "/cart/clear",
    "/cart/merge",
    "/cart/offer",
    "/cart/remove",
    "/cart/set",
    "/category",
    "/checkout",
    "/checkout/address",
    "/checkout/card",
    "/checkout/delivery",
    "/checkout/place",
    "/checkout/review",
    "/favicon.svg",
    "/order/cancel",
    "/search",
    "/suggest",
];
/// Routes of what is below a folder.
const BELOW: [(&str, &str); 7] = [
    ("/assets/", "/assets/{file}"),
    ("/carts/", "/carts/{cart}"),
    ("/order/", "/order/{order}"),
    ("/pay/", "/pay/{page}"),
    ("/pay/assets/", "/pay/{page}"),
    ("/pictures/", "/pictures/{file}"),
    ("/products/", "/products/{product}"),
];

/// Bounded, whatever is asked for: methods and routes come from here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    route: &'static str,
    method: &'static str,
    status: u16,
}

/// The requests of the web pages. Cloning shares the count.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    durations: Arc<Family<Labels, Histogram>>,
}

/// One request that has come in.
pub(super) struct Seen {
    requests: Requests,
    span: Span,
    begun: Instant,
    route: &'static str,
    method: &'static str,
}

impl Requests {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let durations = Family::new_with_constructor((|| Histogram::new(LATENCY_BOUNDS_S)) as fn() -> Histogram);
        metrics.register(
            "http_server_request_duration_seconds",
            "Web requests, from their headers to the headers of the answer",
            durations.clone(),
        );
        Self { durations: Arc::new(durations) }
    }

    pub(super) fn seen(&self, method: &Method, path: &str, headers: &HeaderMap) -> Seen {
        let (route, method) = (route_of(path), name_of(method));
        let _parent = mesh::telemetry::extract(headers).attach();
        let span = tracing::info_span!(
            "request",
            // OpenTelemetry's name of a request without a route is its method alone.
            otel.name = %if route == OTHER { method.to_owned() } else { format!("{method} {route}") },
            otel.kind = "server",
            souk.service = crate::NAME,
            http.request.method = method,
            http.route = route,
            http.response.status_code = Empty,
            otel.status_code = Empty,
        );
        Seen { requests: self.clone(), span, begun: Instant::now(), route, method }
    }
}

impl Seen {
    /// Follows the request to its answer.
    pub(super) async fn through(self, answer: impl Future<Output = Response>) -> Response {
        let Self { requests, span, begun, route, method } = self;
        let answer = answer.instrument(span.clone()).await;
        let status = answer.status();
        span.record("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
        let labels = Labels { route, method, status: status.as_u16() };
        requests.durations.get_or_create(&labels).observe(begun.elapsed().as_secs_f64());
        answer
    }
}

/// Addresses with the id of a product, of a cart or of an order are one route each, so that no id is in a span or a metric.
fn route_of(path: &str) -> &'static str {
    if let Some(route) = ROUTES.iter().find(|route| **route == path) {
        return route;
    }
    let below = BELOW.iter().find(|(folder, _)| path.strip_prefix(folder).is_some_and(|rest| !rest.contains('/')));
    below.map_or(OTHER, |(_, route)| route)
}

fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        // OpenTelemetry's word for a method that is not known.
        _ => "_OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_in_an_address_is_in_no_route() {
        assert_eq!(route_of("/carts/0123456789abcdef0123456789abcdef"), "/carts/{cart}");
        assert_eq!(route_of("/order/0123456789abcdef0123456789abcdef"), "/order/{order}");
        assert_eq!(route_of("/order/cancel"), "/order/cancel");
        assert_eq!(route_of("/products/mug"), "/products/{product}");
        assert_eq!(route_of("/products/mug/0123"), OTHER);
        assert_eq!(route_of("/cart/set"), "/cart/set");
        assert_eq!(route_of("/0123456789abcdef0123456789abcdef"), OTHER);
    }
}

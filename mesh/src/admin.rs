//! The admin port: health for probes over gRPC and over HTTP/1, and the metrics.
//!
//! Plaintext and read-only, since a kubelet has no client certificate. `/livez`, `/readyz`, `/metrics`, and
//! `grpc.health.v1.Health` with its reflection on the same port.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use tower::Service;

use crate::{Body, health::Health, metrics::Metrics, server::Inbound, threads::Pulse};

const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers on the admin port.
#[derive(Clone, Debug)]
pub struct Admin {
    health: Health,
    grpc: Inbound,
    metrics: Metrics,
    pulse: Pulse,
}

impl Admin {
    /// `grpc` is a whole stack, so that a Watch ends at a drain and a Check has a deadline here too.
    pub(crate) fn new(health: &Health, metrics: &Metrics, pulse: Pulse, grpc: Inbound) -> Self {
        Self { health: health.clone(), grpc, metrics: metrics.clone(), pulse }
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Body> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n");
            refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        match path {
            "/livez" if self.pulse.is_felt() => text(StatusCode::OK, TEXT, "alive\n"),
            "/livez" => text(StatusCode::SERVICE_UNAVAILABLE, TEXT, "an event loop has not turned for 10 s\n"),
            "/readyz" => self.readiness(),
            "/metrics" => text(StatusCode::OK, OPEN_METRICS, self.metrics.encode()),
            _ => text(StatusCode::NOT_FOUND, TEXT, "there are /livez, /readyz and /metrics\n"),
        }
    }

    /// One line a service, so that whoever looks sees which one is not ready.
    fn readiness(&self) -> Response<Body> {
        let named = self.health.all().into_iter().filter(|(name, _)| !name.is_empty());
        let lines: String =
            named.map(|(name, ready)| format!("{name}: {}\n", if ready { "ready" } else { "not ready" })).collect();
        let status = if self.health.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        text(status, TEXT, lines)
    }
}

impl Service<Request<Body>> for Admin {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        if content_type.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
            return self.grpc.call(request);
        }
        let answer = self.answer(request.method(), request.uri().path());
        Box::pin(std::future::ready(Ok(answer)))
    }
}

fn text(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(body.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

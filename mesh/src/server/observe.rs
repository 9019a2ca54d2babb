//! One record a call that comes in: its span, its metrics, its status.
//!
//! Outermost. The record goes along with the body, since the status is in the trailers; a call whose peer goes away is
//! CANCELLED.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use opentelemetry::{Context as TraceContext, trace::SpanKind};
use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::{
    Body,
    call::{self, Call, Side},
    methods::{Method, Methods},
    metrics::{ByService, Metrics},
    telemetry::{Tracer, extract},
};

/// What the layers below know of a call; in the request's extensions.
#[derive(Clone, Debug)]
pub(super) struct InboundCall {
    /// What the contract says of the method.
    pub(super) method: Arc<Method>,
    /// The trace with the call's own span.
    pub(super) trace: TraceContext,
    /// When the caller stops waiting.
    pub(super) deadline: Option<Instant>,
}

/// Makes [`Observe`].
#[derive(Clone, Debug)]
pub(super) struct ObserveLayer {
    service: Arc<str>,
    methods: Methods,
    metrics: Metrics,
    started: Counter,
    tracer: Tracer,
}

impl ObserveLayer {
    pub(super) fn new(service: Arc<str>, methods: Methods, metrics: Metrics, tracer: Tracer) -> Self {
        let started = metrics.server_started.get_or_create(&ByService { service: Arc::clone(&service) }).clone();
        Self { service, methods, metrics, started, tracer }
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner, shared: Arc::new(self.clone()) }
    }
}

/// Records every call that comes in.
#[derive(Clone, Debug)]
pub(super) struct Observe<S> {
    inner: S,
    shared: Arc<ObserveLayer>,
}

impl<S, B> Service<Request<Body>> for Observe<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<call::Body<B>>;
    type Error = Infallible;
    type Future = call::CallFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let shared = &self.shared;
        let method = Arc::clone(shared.methods.at(request.uri().path()));
        let parent = extract(request.headers());
        let trace = shared.tracer.start(SpanKind::Server, &method.label, None, &parent);
        shared.started.inc();
        let side = Side::Server { service: Arc::clone(&shared.service), method: Arc::clone(&method.label) };
        let span = shared.tracer.is_on().then(|| trace.clone());
        let call = Call::start(side, shared.metrics.clone(), span);
        let timeout = crate::deadline::read(request.headers()).ok().flatten();
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        request.extensions_mut().insert(InboundCall { method, trace, deadline: None });
        call::CallFuture::new(self.inner.call(request), call.until(deadline))
    }
}

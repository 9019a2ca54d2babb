//! One record a call that comes in: its span, its metrics, its status.
//!
//! Outermost. The record goes along with the body, since the status is in the trailers; a call whose peer goes away is
//! CANCELLED.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use opentelemetry::{Context as TraceContext, trace::SpanKind};
use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::{
    Body,
    call::{self, Call, Recorded, Side},
    deadline::{self, ParseTimeoutError},
    methods::{ByPath, Methods},
    metrics::{ByService, Metrics},
    telemetry::{Tracer, extract},
};

/// What the layers below know of a call; in the request's extensions.
#[derive(Clone, Debug)]
pub(super) struct InboundCall {
    /// What all calls of the method share, its contract's words among it.
    pub(super) recorded: Arc<Recorded>,
    /// When the headers came in.
    pub(super) begun: Instant,
    /// How long the caller waits, as it said.
    pub(super) timeout: Result<Option<Duration>, ParseTimeoutError>,
    /// The trace with the call's own span.
    pub(super) trace: TraceContext,
    /// When the call ends, whoever said so.
    pub(super) deadline: Option<Instant>,
}

/// Makes [`Observe`].
#[derive(Clone, Debug)]
pub(super) struct ObserveLayer {
    methods: ByPath<Recorded>,
    started: Counter,
    tracer: Tracer,
}

impl ObserveLayer {
    pub(super) fn new(service: &Arc<str>, methods: &Methods, metrics: &Metrics, tracer: Tracer) -> Self {
        let started = metrics.all.server_started.get_or_create(&ByService { service: Arc::clone(service) }).clone();
        let side = Side::Server { service: Arc::clone(service) };
        let methods = methods.each(|method| Recorded::new(method, side.clone(), metrics.clone()));
        Self { methods, started, tracer }
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner, shared: self.clone() }
    }
}

/// Records every call that comes in.
#[derive(Debug)]
pub(super) struct Observe<S> {
    inner: S,
    shared: ObserveLayer,
}

impl<'a, S, B> Service<Request<Body>> for &'a Observe<S>
where
    &'a S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body,
{
    type Response = Response<call::Body<B>>;
    type Error = Infallible;
    type Future = call::CallFuture<<&'a S as Service<Request<Body>>>::Future>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let Observe { inner, shared } = *self;
        let begun = Instant::now();
        let recorded = Arc::clone(shared.methods.at(request.uri().path()));
        let trace = shared.tracer.start(SpanKind::Server, recorded.method.label, None, &extract(request.headers()));
        shared.started.inc();
        let timeout = deadline::read(request.headers());
        let said = timeout.ok().flatten().and_then(|timeout| begun.checked_add(timeout));
        let span = shared.tracer.is_on().then(|| trace.clone());
        let call = Call::start(Arc::clone(&recorded), begun, span).until(said);
        request.extensions_mut().insert(InboundCall { recorded, begun, timeout, trace, deadline: None });
        call::CallFuture::new({ inner }.call(request), call)
    }
}

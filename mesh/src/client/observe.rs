//! One record a call that goes out: its span, its metrics, its status; and its trace in the headers.
//!
//! Outermost, so that a call that never leaves is recorded too.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use opentelemetry::trace::SpanKind;
use tokio::time::Instant;
use tower::{Layer, Service};

use super::ChannelParts;
use crate::{
    Body,
    call::{self, Call, Recorded, Side},
    context,
    directory::Target,
    methods::{ByPath, Method},
    telemetry::{Tracer, inject},
};

/// What the layers below know of a call; in the request's extensions.
#[derive(Clone, Debug)]
pub(super) struct OutboundCall {
    /// What the contract says of the method.
    pub(super) method: Arc<Method>,
    /// When the call began.
    pub(super) begun: Instant,
}

/// Makes [`Observe`].
#[derive(Clone, Debug)]
pub(super) struct ObserveLayer {
    methods: ByPath<Recorded>,
    target: Target,
    tracer: Tracer,
}

impl ObserveLayer {
    pub(super) fn new(parts: &ChannelParts, target: Target) -> Self {
        let side = Side::Client { service: Arc::clone(&parts.caller), target: target.name().into() };
        let methods = parts.methods.each(|method| Recorded::new(method, side.clone(), parts.metrics.clone()));
        Self { methods, target, tracer: parts.tracer.clone() }
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner, shared: self.clone() }
    }
}

/// Records every call that goes out.
#[derive(Debug)]
pub(super) struct Observe<S> {
    inner: S,
    shared: ObserveLayer,
}

impl<S> Observe<S> {
    /// What is inside of it.
    pub(super) fn inner(&self) -> &S {
        &self.inner
    }
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
        let method = Arc::clone(&recorded.method);
        let trace = shared.tracer.start(SpanKind::Client, method.label, Some(shared.target), &context::trace());
        inject(&trace, request.headers_mut());
        let call = Call::start(recorded, begun, shared.tracer.is_on().then_some(trace));
        request.extensions_mut().insert(OutboundCall { method, begun });
        call::CallFuture::new({ inner }.call(request), call)
    }
}

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
use tower::{Layer, Service};

use super::ChannelParts;
use crate::{
    Body,
    call::{self, Call, Side},
    context,
    directory::Target,
    methods::Method,
    telemetry::inject,
};

/// What the layers below know of a call; in the request's extensions.
#[derive(Clone, Debug)]
pub(super) struct OutboundCall {
    /// What the contract says of the method.
    pub(super) method: Arc<Method>,
}

/// Makes [`Observe`].
#[derive(Clone, Debug)]
pub(super) struct ObserveLayer {
    parts: Arc<ChannelParts>,
    target: Arc<str>,
}

impl ObserveLayer {
    pub(super) fn new(parts: &Arc<ChannelParts>, target: Target) -> Self {
        Self { parts: Arc::clone(parts), target: target.name().into() }
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner, shared: self.clone() }
    }
}

/// Records every call that goes out.
#[derive(Clone, Debug)]
pub(super) struct Observe<S> {
    inner: S,
    shared: ObserveLayer,
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
        let ObserveLayer { parts, target } = &self.shared;
        let method = Arc::clone(parts.methods.at(request.uri().path()));
        let trace = parts.tracer.start(SpanKind::Client, &method.label, Some(target), &context::trace());
        inject(&trace, request.headers_mut());
        let side = Side::Client {
            service: Arc::clone(&parts.caller),
            target: Arc::clone(target),
            method: Arc::clone(&method.label),
        };
        let call = Call::start(side, parts.metrics.clone(), parts.tracer.is_on().then_some(trace));
        request.extensions_mut().insert(OutboundCall { method });
        call::CallFuture::new(self.inner.call(request), call)
    }
}

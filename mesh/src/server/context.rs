//! Puts the call's context around its handler, and around its body where that is a stream.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::observe::InboundCall;
use crate::{
    context::{self, CallContext, Scoped},
    identity::{Peer, Principal},
    token::Caller,
};

/// Makes [`InContext`].
#[derive(Clone, Copy, Debug)]
pub(super) struct InContextLayer;

impl<S> Layer<S> for InContextLayer {
    type Service = InContext<S>;

    fn layer(&self, inner: S) -> InContext<S> {
        InContext { inner }
    }
}

/// Runs every handler in its call's context.
#[derive(Debug)]
pub(super) struct InContext<S> {
    inner: S,
}

impl<'a, S, B> Service<Request<crate::Body>> for &'a InContext<S>
where
    &'a S: Service<Request<crate::Body>, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<Body<B>>;
    type Error = Infallible;
    type Future = InContextFuture<<&'a S as Service<Request<crate::Body>>>::Future>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<crate::Body>) -> Self::Future {
        let mut inner = &self.inner;
        let principal = principal_of(request.extensions());
        let call = request.extensions().get::<InboundCall>().expect("the record is outside of this layer");
        let streams = call.recorded.method.server_streaming;
        let context = Arc::new(CallContext { deadline: call.deadline, trace: call.trace.clone(), principal });
        let kept = streams.then(|| Arc::clone(&context));
        // A service may do its work before it returns its future, and that is inside the call too.
        let handler = context::enter(&context, || inner.call(request));
        InContextFuture { handler: context::scope_shared(context, handler), kept }
    }
}

/// As whom a call is made: as what its token says, else as its peer.
fn principal_of(extensions: &Extensions) -> Principal {
    let role = extensions.get::<Caller>().map(|caller| &caller.principal);
    let known = role.or_else(|| extensions.get::<Peer>().map(|peer| &peer.principal));
    known.cloned().unwrap_or_else(Principal::anonymous)
}

pin_project! {
    /// A handler in its call's context.
    pub(super) struct InContextFuture<F> {
        #[pin]
        handler: Scoped<F>,
        kept: Option<Arc<CallContext>>,
    }
}

impl<F, B> Future for InContextFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<Body<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.handler.poll(cx))?;
        let context = this.kept.take();
        Poll::Ready(Ok(response.map(|inner| Body { inner, context })))
    }
}

pin_project! {
    /// A body that is produced in its call's context.
    #[derive(Debug)]
    pub(super) struct Body<B> {
        #[pin]
        inner: B,
        context: Option<Arc<CallContext>>,
    }
}

impl<B: http_body::Body<Data = Bytes>> http_body::Body for Body<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        match this.context {
            Some(context) => context::enter(context, || this.inner.poll_frame(cx)),
            None => this.inner.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

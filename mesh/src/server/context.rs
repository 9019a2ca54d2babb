//! Puts the call's context around its handler, and around its body where that is a stream.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::observe::InboundCall;
use crate::{
    context::{self, CallContext},
    identity::{Peer, Principal},
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
#[derive(Clone, Debug)]
pub(super) struct InContext<S> {
    inner: S,
}

impl<S, B> Service<Request<crate::Body>> for InContext<S>
where
    S: Service<Request<crate::Body>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body<B>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body<B>>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<crate::Body>) -> Self::Future {
        let principal =
            request.extensions().get::<Peer>().map_or_else(Principal::anonymous, |peer| peer.principal.clone());
        let call = request.extensions().get::<InboundCall>().expect("the record is outside of this layer");
        let streams = call.method.server_streaming;
        let context = CallContext { deadline: call.deadline, trace: call.trace.clone(), principal };
        let kept = streams.then(|| context.clone());
        // A service may do its work before it returns its future, and that is inside the call too.
        let handler = context::enter(&context, || self.inner.call(request));
        let handler = context::scope(context, handler);
        Box::pin(async move { Ok(handler.await?.map(|inner| Body { inner, context: kept })) })
    }
}

pin_project! {
    /// A body that is produced in its call's context.
    #[derive(Debug)]
    pub(super) struct Body<B> {
        #[pin]
        inner: B,
        context: Option<CallContext>,
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

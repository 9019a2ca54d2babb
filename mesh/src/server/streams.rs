//! Ends streams at a drain: UNAVAILABLE right after the first GOAWAY.
//!
//! A unary call is given time to finish; a stream could take it for ever, and its consumer reconnects elsewhere.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::{
    TryFutureExt as _,
    future::{BoxFuture, MapOk},
};
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Status;
use tower::{Layer, Service};

use super::observe::InboundCall;
use crate::{
    drain::{Drain, Phase},
    status,
};

/// Makes [`Streams`].
#[derive(Clone, Debug)]
pub(super) struct StreamsLayer {
    drain: Drain,
}

impl StreamsLayer {
    pub(super) fn new(drain: Drain) -> Self {
        Self { drain }
    }
}

impl<S> Layer<S> for StreamsLayer {
    type Service = Streams<S>;

    fn layer(&self, inner: S) -> Streams<S> {
        Streams { inner, drain: self.drain.clone() }
    }
}

/// Ends every stream when the process drains.
#[derive(Clone, Debug)]
pub(super) struct Streams<S> {
    inner: S,
    drain: Drain,
}

type Finish<B> = Box<dyn FnOnce(Response<B>) -> Response<Body<B>> + Send>;

impl<S, B> Service<Request<crate::Body>> for Streams<S>
where
    S: Service<Request<crate::Body>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: 'static,
{
    type Response = Response<Body<B>>;
    type Error = Infallible;
    type Future = MapOk<S::Future, Finish<B>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<crate::Body>) -> Self::Future {
        let streams = request.extensions().get::<InboundCall>().is_some_and(|call| call.method.server_streaming);
        let drain = streams.then(|| self.drain.clone());
        let finish: Finish<B> =
            Box::new(move |response| response.map(|inner| Body { inner, draining: drain.map(closing), done: false }));
        self.inner.call(request).map_ok(finish)
    }
}

fn closing(drain: Drain) -> BoxFuture<'static, ()> {
    Box::pin(async move { drain.reached(Phase::Closing).await })
}

pin_project! {
    /// A body that ends with UNAVAILABLE when the process drains, where it is a stream.
    pub(super) struct Body<B> {
        #[pin]
        inner: B,
        draining: Option<BoxFuture<'static, ()>>,
        done: bool,
    }
}

impl<B: std::fmt::Debug> std::fmt::Debug for Body<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("inner", &self.inner).field("done", &self.done).finish_non_exhaustive()
    }
}

impl<B: http_body::Body<Data = Bytes>> http_body::Body for Body<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if *this.done {
            return Poll::Ready(None);
        }
        // First: a stream that is never idle must end too.
        if let Some(draining) = this.draining
            && draining.as_mut().poll(cx).is_ready()
        {
            *this.done = true;
            let status =
                Status::unavailable("the server is shutting down: connect again and go on from the last cursor");
            return Poll::Ready(Some(Ok(status::trailers_of(&status))));
        }
        Poll::Ready(ready!(this.inner.poll_frame(cx)))
    }

    fn is_end_stream(&self) -> bool {
        self.done || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

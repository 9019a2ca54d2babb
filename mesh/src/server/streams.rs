//! Ends streams at a drain: UNAVAILABLE right after the first GOAWAY.
//!
//! A unary call is given time to finish; a stream could take it for ever, and its consumer reconnects elsewhere.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
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
#[derive(Debug)]
pub(super) struct Streams<S> {
    inner: S,
    drain: Drain,
}

impl<'a, S, B> Service<Request<crate::Body>> for &'a Streams<S>
where
    &'a S: Service<Request<crate::Body>, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<Body<B>>;
    type Error = Infallible;
    type Future = StreamsFuture<<&'a S as Service<Request<crate::Body>>>::Future>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<crate::Body>) -> Self::Future {
        let Streams { inner, drain } = *self;
        let streams = request.extensions().get::<InboundCall>().is_some_and(|call| !call.recorded.method.is_unary());
        let draining = streams.then(|| closing(drain.clone()));
        StreamsFuture { inner: Some({ inner }.call(request)), draining }
    }
}

pin_project! {
    /// A call that ends with UNAVAILABLE when the process drains, where it is a stream: an upload has no answer until its
    /// end, and a handler may wait before it opens one.
    pub(super) struct StreamsFuture<F> {
        #[pin]
        inner: Option<F>,
        draining: Option<BoxFuture<'static, ()>>,
    }
}

impl<F, B> Future for StreamsFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<Body<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(draining) = this.draining.as_mut()
            && draining.as_mut().poll(cx).is_ready()
        {
            this.inner.set(None);
            let refusal = status::response_of(&shutting_down());
            return Poll::Ready(Ok(refusal.map(|_| Body { inner: None, draining: None })));
        }
        let inner = this.inner.as_pin_mut().expect("polled after it was ready");
        let response = ready!(inner.poll(cx))?;
        let draining = this.draining.take();
        Poll::Ready(Ok(response.map(|inner| Body { inner: Some(inner), draining })))
    }
}

fn shutting_down() -> Status {
    Status::unavailable("the server is shutting down: connect again and go on from the last cursor")
}

fn closing(drain: Drain) -> BoxFuture<'static, ()> {
    Box::pin(async move { drain.reached(Phase::Closing).await })
}

pin_project! {
    /// A body that ends with UNAVAILABLE when the process drains, where it is a stream.
    pub(super) struct Body<B> {
        #[pin]
        inner: Option<B>,
        draining: Option<BoxFuture<'static, ()>>,
    }
}

impl<B: std::fmt::Debug> std::fmt::Debug for Body<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<B: http_body::Body<Data = Bytes>> http_body::Body for Body<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        // First: a stream that is never idle must end too.
        if let Some(draining) = this.draining
            && draining.as_mut().poll(cx).is_ready()
        {
            this.inner.set(None);
            return Poll::Ready(Some(Ok(status::trailers_of(&shutting_down()))));
        }
        inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}

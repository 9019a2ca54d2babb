//! Gives every call the time that is left: min(its own, what is left of the call being served), on the wire and here.
//!
//! It covers connecting, waiting and the answer's body. A call whose time is up is not sent.

use std::{
    convert::Infallible,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tonic::Status;
use tower::{Layer, Service};

use super::observe::OutboundCall;
use crate::{
    Body, context,
    deadline::{self, DeadlineFuture, exceeded},
};

/// Makes [`Deadline`].
#[derive(Clone, Copy, Debug)]
pub(super) struct DeadlineLayer {
    default_timeout: Duration,
}

impl DeadlineLayer {
    pub(super) fn new(default_timeout: Duration) -> Self {
        Self { default_timeout }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline { inner, default_timeout: self.default_timeout }
    }
}

/// Ends every call at its deadline.
#[derive(Debug)]
pub(super) struct Deadline<S> {
    inner: S,
    default_timeout: Duration,
}

impl<S> Deadline<S> {
    /// What is inside of it.
    pub(super) fn inner(&self) -> &S {
        &self.inner
    }
}

impl<'a, S, B> Service<Request<Body>> for &'a Deadline<S>
where
    &'a S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = bytes::Bytes, Error = Status> + Send + 'static,
{
    type Response = Response<deadline::Body<B>>;
    type Error = Infallible;
    type Future = DeadlineFuture<<&'a S as Service<Request<Body>>>::Future>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let Deadline { inner, default_timeout } = *self;
        let call = request.extensions().get::<OutboundCall>().expect("the record is outside of this layer");
        let (label, unary, now) = (call.method.label, call.method.is_unary(), call.begun);
        let own = match deadline::read(request.headers()) {
            Ok(own) => own.and_then(|timeout| now.checked_add(timeout)),
            Err(malformed) => return DeadlineFuture::refused(label, Status::invalid_argument(malformed.to_string())),
        };
        let served = context::deadline();
        let deadline = match (own, served) {
            (Some(own), Some(served)) => Some(own.min(served)),
            (Some(limit), None) | (None, Some(limit)) => Some(limit),
            (None, None) => unary.then(|| now + *default_timeout),
        };
        if let Some(deadline) = deadline {
            let left = deadline.saturating_duration_since(now);
            if left.is_zero() {
                return DeadlineFuture::refused(label, exceeded(label));
            }
            deadline::write(request.headers_mut(), left);
        }
        DeadlineFuture::new({ inner }.call(request), deadline, label)
    }
}

//! Refuses calls whose deadline has passed and ends the rest when theirs does.
//!
//! The handler's future is dropped at the deadline, and the body ends with it. Inside the record, so that both are seen;
//! outside everything that waits: neither a queue nor a handler may outlive the caller.

use std::{
    convert::Infallible,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tonic::Status;
use tower::{Layer, Service};

use super::observe::InboundCall;
use crate::{
    Body,
    deadline::{self, exceeded},
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

impl<'a, S, B> Service<Request<Body>> for &'a Deadline<S>
where
    &'a S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = bytes::Bytes, Error = Status> + Send + 'static,
{
    type Response = Response<deadline::Body<B>>;
    type Error = Infallible;
    type Future = deadline::DeadlineFuture<<&'a S as Service<Request<Body>>>::Future>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let Deadline { inner, default_timeout } = *self;
        let call = request.extensions_mut().get_mut::<InboundCall>().expect("the record is outside of this layer");
        let method = call.recorded.method.label;
        let default = call.recorded.method.is_unary().then_some(*default_timeout);
        let timeout = match call.timeout {
            Ok(timeout) => timeout.or(default),
            Err(malformed) => {
                return deadline::DeadlineFuture::refused(method, Status::invalid_argument(malformed.to_string()));
            }
        };
        if timeout == Some(Duration::ZERO) {
            return deadline::DeadlineFuture::refused(method, exceeded(method));
        }
        // A timeout beyond what an instant can hold is no limit.
        let deadline = timeout.and_then(|timeout| call.begun.checked_add(timeout));
        call.deadline = deadline;
        deadline::DeadlineFuture::new({ inner }.call(request), deadline, method)
    }
}

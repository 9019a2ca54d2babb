//! Refuses calls whose deadline has passed and ends the rest when theirs does.
//!
//! The handler's future is dropped at the deadline, and the body ends with it. Inside the record, so that both are seen;
//! outside everything that waits: neither a queue nor a handler may outlive the caller.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tokio::time::Instant;
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
#[derive(Clone, Debug)]
pub(super) struct Deadline<S> {
    inner: S,
    default_timeout: Duration,
}

impl<S, B> Service<Request<Body>> for Deadline<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = bytes::Bytes, Error = Status> + Send + 'static,
{
    type Response = Response<deadline::Body<B>>;
    type Error = Infallible;
    type Future = deadline::DeadlineFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let now = Instant::now();
        let timeout = deadline::read(request.headers());
        let call = request.extensions_mut().get_mut::<InboundCall>().expect("the record is outside of this layer");
        let method = Arc::clone(&call.method.label);
        let default = call.method.is_unary().then_some(self.default_timeout);
        let timeout = match timeout {
            Ok(timeout) => timeout.or(default),
            Err(malformed) => {
                return deadline::DeadlineFuture::refused(method, Status::invalid_argument(malformed.to_string()));
            }
        };
        if timeout == Some(Duration::ZERO) {
            let status = exceeded(&method);
            return deadline::DeadlineFuture::refused(method, status);
        }
        // A timeout beyond what an instant can hold is no limit.
        let deadline = timeout.and_then(|timeout| now.checked_add(timeout));
        call.deadline = deadline;
        deadline::DeadlineFuture::new(self.inner.call(request), deadline, method)
    }
}

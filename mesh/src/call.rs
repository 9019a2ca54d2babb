//! The record of one call: its span and its metrics, closed once, when the last byte is sent or the call is dropped.
//!
//! The status of a gRPC call is in the trailers, so whatever reports it has to go along with the body. A call that is
//! dropped before it has a status was cancelled.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body::{Frame, SizeHint};
use opentelemetry::{
    Context as TraceContext, KeyValue,
    trace::{Status as SpanStatus, TraceContextExt as _},
};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::{
    metrics::{ClientCall, Metrics, ServerCall},
    status,
};

/// How much before a deadline, as this side reckons it, its caller may give up: what rounding takes off a timer.
const DEADLINE_SLACK: std::time::Duration = std::time::Duration::from_millis(2);

/// Which side of the call is recorded, with the labels of its metrics.
#[derive(Debug)]
pub(crate) enum Side {
    /// The call came in.
    Server { service: Arc<str>, method: Arc<str> },
    /// The call goes out.
    Client { service: Arc<str>, target: Arc<str>, method: Arc<str> },
}

/// One call, from its headers to its end.
#[derive(Debug)]
pub(crate) struct Call {
    side: Side,
    metrics: Metrics,
    begun: Instant,
    /// The call's own span; `None` where tracing is off.
    span: Option<TraceContext>,
    code: Option<Code>,
    /// When the caller stops waiting, as it said.
    deadline: Option<Instant>,
}

impl Call {
    pub(crate) fn start(side: Side, metrics: Metrics, span: Option<TraceContext>) -> Self {
        Self { side, metrics, begun: Instant::now(), span, code: None, deadline: None }
    }

    /// Takes the status from response headers that already have one.
    pub(crate) fn see_headers<B>(&mut self, response: &Response<B>) {
        self.code = match status::code_of(response.headers()) {
            None if response.status() != http::StatusCode::OK => Some(Code::Unknown),
            code => code,
        };
    }

    /// Says when the caller stops waiting.
    pub(crate) fn until(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }

    pub(crate) fn end(mut self, code: Code) {
        self.code = Some(code);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // A caller resets its stream when its time is up; whose timer was faster says nothing.
        let late = || self.deadline.is_some_and(|deadline| Instant::now() + DEADLINE_SLACK >= deadline);
        let code = self.code.unwrap_or_else(|| if late() { Code::DeadlineExceeded } else { Code::Cancelled });
        let (elapsed_s, grpc_status) = (self.begun.elapsed().as_secs_f64(), status::code_name(code));
        let is_error = match &self.side {
            Side::Server { service, method } => {
                let (service, grpc_method) = (Arc::clone(service), Arc::clone(method));
                let labels = ServerCall { service, grpc_method, grpc_status };
                self.metrics.server_calls.get_or_create(&labels).observe(elapsed_s);
                is_server_error(code)
            }
            Side::Client { service, target, method } => {
                let (service, grpc_target, grpc_method) = (Arc::clone(service), Arc::clone(target), Arc::clone(method));
                let labels = ClientCall { service, grpc_target, grpc_method, grpc_status };
                self.metrics.client_calls.get_or_create(&labels).observe(elapsed_s);
                code != Code::Ok
            }
        };
        let Some(span) = self.span.take() else { return };
        let span = span.span();
        if span.is_recording() {
            span.set_attribute(KeyValue::new("rpc.response.status_code", grpc_status));
            if is_error {
                span.set_attribute(KeyValue::new("error.type", grpc_status));
                span.set_status(SpanStatus::error(grpc_status));
            }
        }
        span.end();
    }
}

/// Whether a code is the server's failure and not the caller's (OpenTelemetry's semantic conventions for gRPC).
fn is_server_error(code: Code) -> bool {
    match code {
        Code::Unknown
        | Code::DeadlineExceeded
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => true,
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unauthenticated => false,
    }
}

pin_project! {
    /// A call until its headers; then its body has the record.
    #[derive(Debug)]
    pub(crate) struct CallFuture<F> {
        #[pin]
        inner: F,
        call: Option<Call>,
    }
}

impl<F> CallFuture<F> {
    /// Follows `inner` to the end of `call`.
    pub(crate) fn new(inner: F, call: Call) -> Self {
        Self { inner, call: Some(call) }
    }
}

impl<F, B> Future for CallFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<Body<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        status::bound(response.headers_mut());
        let mut call = this.call.take().expect("polled after it was ready");
        call.see_headers(&response);
        Poll::Ready(Ok(response.map(|body| Body::new(body, call))))
    }
}

pin_project! {
    /// A response body that reports the status in its trailers.
    ///
    /// A body that breaks becomes trailers with the reason, so that the peer reads a status and not a reset.
    #[derive(Debug)]
    pub(crate) struct Body<B> {
        #[pin]
        inner: B,
        call: Option<Call>,
    }
}

impl<B> Body<B> {
    /// Follows `inner` to the end of `call`.
    pub(crate) fn new(inner: B, call: Call) -> Self {
        Self { inner, call: Some(call) }
    }
}

impl<B> http_body::Body for Body<B>
where
    B: http_body::Body<Data = Bytes, Error = Status>,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.project();
        if this.call.is_none() {
            return Poll::Ready(None);
        }
        let frame = match ready!(this.inner.poll_frame(cx)) {
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    status::bound(trailers);
                }
                frame
            }
            Some(Err(broken)) => status::trailers_of(&broken),
            None => {
                // An answer without trailers is only whole where the headers had the status.
                if let Some(call) = this.call.take() {
                    let code = call.code.unwrap_or(Code::Unknown);
                    call.end(code);
                }
                return Poll::Ready(None);
            }
        };
        if let Some(trailers) = frame.trailers_ref()
            && let Some(call) = this.call.take()
        {
            call.end(status::code_of(trailers).unwrap_or(Code::Unknown));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.call.is_none() || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

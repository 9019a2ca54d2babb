//! The record of one call: its span and its metrics, closed once, when the last byte is sent or the call is dropped.
//!
//! The status of a gRPC call is in the trailers, so whatever reports it has to go along with the body. A call that is
//! dropped before it has a status was cancelled.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, OnceLock},
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
use prometheus_client::metrics::histogram::Histogram;
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::{
    deadline,
    methods::Method,
    metrics::{ClientCall, Metrics, ServerCall},
    status,
};

/// How many status codes there are, from OK to UNAUTHENTICATED.
const CODES: usize = 17;

/// Which side of a call is recorded, with the labels of its metrics.
#[derive(Clone, Debug)]
pub(crate) enum Side {
    /// The call came in.
    Server { service: Arc<str> },
    /// The call goes out.
    Client { service: Arc<str>, target: Arc<str> },
}

/// What all calls of one method share on one side: what its contract says, and its series, each looked up once.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) method: Arc<Method>,
    side: Side,
    metrics: Metrics,
    durations: [OnceLock<Histogram>; CODES],
}

impl Recorded {
    pub(crate) fn new(method: &Arc<Method>, side: Side, metrics: Metrics) -> Self {
        Self { method: Arc::clone(method), side, metrics, durations: [const { OnceLock::new() }; CODES] }
    }

    fn observe(&self, code: Code, elapsed_s: f64) {
        // The code of a status is one of the seventeen, whatever number stood on the wire.
        if let Some(durations) = self.durations.get(code as usize) {
            durations.get_or_init(|| self.series(status::code_name(code))).observe(elapsed_s);
        }
    }

    fn series(&self, grpc_status: &'static str) -> Histogram {
        let (metrics, grpc_method) = (&self.metrics.all, self.method.label);
        match self.side.clone() {
            Side::Server { service } => {
                metrics.server_calls.get_or_create(&ServerCall { service, grpc_method, grpc_status }).clone()
            }
            Side::Client { service, target: grpc_target } => {
                let labels = ClientCall { service, grpc_target, grpc_method, grpc_status };
                metrics.client_calls.get_or_create(&labels).clone()
            }
        }
    }
}

/// One call, from its headers to its end.
#[derive(Debug)]
pub(crate) struct Call {
    recorded: Arc<Recorded>,
    begun: Instant,
    /// The call's own span; `None` where tracing is off.
    span: Option<TraceContext>,
    code: Option<Code>,
    /// When the caller stops waiting, as it said.
    deadline: Option<Instant>,
}

impl Call {
    pub(crate) fn start(recorded: Arc<Recorded>, begun: Instant, span: Option<TraceContext>) -> Self {
        Self { recorded, begun, span, code: None, deadline: None }
    }

    /// Takes the status from response headers that already have one, or where nothing can follow that would have one.
    fn see_headers<B: http_body::Body>(&mut self, response: &mut Response<B>) {
        self.code = match status::bounded_code_of(response.headers_mut()) {
            None if response.status() != http::StatusCode::OK || response.body().is_end_stream() => Some(Code::Unknown),
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
        let late = || deadline::is_over(self.deadline);
        let code = self.code.unwrap_or_else(|| if late() { Code::DeadlineExceeded } else { Code::Cancelled });
        self.recorded.observe(code, self.begun.elapsed().as_secs_f64());
        let Some(span) = self.span.take() else { return };
        let span = span.span();
        if span.is_recording() {
            let grpc_status = status::code_name(code);
            let is_error = match self.recorded.side {
                Side::Server { .. } => is_server_error(code),
                Side::Client { .. } => code != Code::Ok,
            };
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
    B: http_body::Body,
{
    type Output = Result<Response<Body<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        let mut call = this.call.take().expect("polled after it was ready");
        call.see_headers(&mut response);
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
        let mut inner = this.inner;
        let mut frame = match ready!(inner.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) => frame,
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
        if let Some(trailers) = frame.trailers_mut() {
            let code = status::bounded_code_of(trailers).unwrap_or(Code::Unknown);
            if let Some(call) = this.call.take() {
                call.end(code);
            }
        } else if inner.is_end_stream()
            && let Some(call) = this.call.as_mut()
        {
            // Nobody asks for more, so no trailers will be seen.
            call.code = call.code.or(Some(Code::Unknown));
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

//! Plain HTTP to a target's pages: what is no call, and is answered with no status of gRPC's.
//!
//! A request has the balancer, the connections and the way inside the process that calls have, one deadline over all of it
//! and one span. Its body and its answer's pass as they come, frame by frame: nothing is read, kept or tried again, but for
//! what provably never left or was refused. No metric counts it; whoever serves the page does.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use opentelemetry::{
    Context as TraceContext, KeyValue,
    trace::{Status as SpanStatus, TraceContextExt as _},
};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tonic::Status;

use super::{ChannelParts, transport::Transport};
use crate::{
    Body, context, deadline,
    directory::Target,
    telemetry::{Tracer, inject},
};

/// The pages of one target below a path. Cloning shares its connections.
#[derive(Clone, Debug)]
pub struct Pages {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    below: &'static str,
    target: Target,
    tracer: Tracer,
    transport: Transport,
    default_timeout: std::time::Duration,
}

impl Pages {
    pub(crate) fn new(parts: &Arc<ChannelParts>, target: Target, below: &'static str) -> Self {
        let (tracer, default_timeout) = (parts.tracer.clone(), parts.config.default_timeout);
        let transport = Transport::new(Arc::clone(parts), target);
        Self { shared: Arc::new(Shared { below, target, tracer, transport, default_timeout }) }
    }

    /// Sends a request, whose answer is the target's as it came, whatever its HTTP status is. It ends with the deadline of the
    /// call or page that is being served, else after [`ClientConfig::default_timeout`](super::ClientConfig): an answer's body
    /// that is not whole by then fails with DEADLINE_EXCEEDED.
    ///
    /// The headers go along as they are, but for the trace. What belongs to the connection that the request came by is to be
    /// left out by whoever passes it on (RFC 9110, section 7.6.1).
    ///
    /// # Errors
    /// There is no answer: INVALID_ARGUMENT, the path is not below the pages'; UNAVAILABLE, the target cannot be reached or
    /// its connection broke; DEADLINE_EXCEEDED, its time is up; UNIMPLEMENTED, the target is in this process and has no such
    /// pages; CANCELLED, the request's body broke off.
    pub async fn send(&self, mut request: Request<Body>) -> Result<Response<Body>, Status> {
        let Shared { below, target, tracer, transport, default_timeout } = &*self.shared;
        if !request.uri().path().starts_with(below) {
            return Err(Status::invalid_argument(format!("{target}: its pages are below {below}")));
        }
        let until = context::deadline().unwrap_or_else(|| Instant::now() + *default_timeout);
        let trace = tracer.start_page(below, request.method(), *target, &context::trace());
        inject(&trace, request.headers_mut());
        let mut span = Span(tracer.is_on().then_some(trace));
        let sent = timeout_at(until, transport.send_plain(below, request)).await;
        match sent.unwrap_or_else(|_late| Err(deadline::exceeded(below))) {
            Ok(answer) => {
                span.answered(answer.status());
                Ok(answer.map(|inner| Body::new(Page { inner: Some(inner), until, timer: None, below, _span: span })))
            }
            Err(failure) => {
                span.failed(&failure);
                Err(failure)
            }
        }
    }
}

/// The span of a request, from its headers to the last byte of its answer.
struct Span(Option<TraceContext>);

impl Span {
    fn answered(&mut self, status: StatusCode) {
        let Some(trace) = &self.0 else { return };
        trace.span().set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if status.is_server_error() {
            trace.span().set_status(SpanStatus::error(""));
        }
    }

    fn failed(&mut self, failure: &Status) {
        let Some(trace) = &self.0 else { return };
        trace.span().set_status(SpanStatus::error(crate::status::code_name(failure.code())));
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(trace) = &self.0 {
            trace.span().end();
        }
    }
}

/// An answer's body, which ends with the deadline.
struct Page {
    /// Dropped when the time is up, whenever the reader drops this.
    inner: Option<Body>,
    until: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    below: &'static str,
    _span: Span,
}

impl http_body::Body for Page {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Self { inner, until, timer, below, .. } = &mut *self;
        let Some(body) = inner else { return Poll::Ready(None) };
        // One that is never idle ends too.
        if Instant::now() < *until
            && let Poll::Ready(frame) = Pin::new(body).poll_frame(cx)
        {
            return Poll::Ready(frame);
        }
        ready!(timer.get_or_insert_with(|| Box::pin(sleep_until(*until))).as_mut().poll(cx));
        *inner = None;
        Poll::Ready(Some(Err(deadline::exceeded(below))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}

//! Turns a panic into a failure of one call, counts it, and takes nothing else down.
//!
//! Innermost. The message goes to the log, never onto the wire: a gRPC caller reads INTERNAL, a browser 500.

use std::{
    any::Any,
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header, uri::PathAndQuery};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use prometheus_client::metrics::counter::Counter;
use tonic::Status;
use tower::{Layer, Service};

use super::connection::Protocol;
use crate::{
    Body as MeshBody,
    metrics::{ByService, Metrics},
    status,
};

/// Makes [`CatchPanic`].
#[derive(Clone, Debug)]
pub(crate) struct CatchPanicLayer {
    panics: Counter,
    protocol: Protocol,
}

impl CatchPanicLayer {
    pub(crate) fn new(metrics: &Metrics, service: &Arc<str>, protocol: Protocol) -> Self {
        let label = ByService { service: Arc::clone(service) };
        Self { panics: metrics.all.server_panics.get_or_create(&label).clone(), protocol }
    }
}

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> CatchPanic<S> {
        CatchPanic { inner, shared: self.clone() }
    }
}

/// Catches the panics of handlers and of the bodies they return.
#[derive(Clone, Debug)]
pub(crate) struct CatchPanic<S> {
    inner: S,
    shared: CatchPanicLayer,
}

impl<'a, S> Service<Request<MeshBody>> for &'a CatchPanic<S>
where
    &'a S: Service<Request<MeshBody>, Response = Response<MeshBody>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = CatchPanicFuture<<&'a S as Service<Request<MeshBody>>>::Future>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<MeshBody>) -> Self::Future {
        let mut inner = &self.inner;
        CatchPanicFuture::new(&self.shared, request, |request| inner.call(request))
    }
}

impl<S> Service<Request<MeshBody>> for CatchPanic<S>
where
    S: Service<Request<MeshBody>, Response = Response<MeshBody>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = CatchPanicFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<MeshBody>) -> Self::Future {
        let Self { inner, shared } = self;
        CatchPanicFuture::new(shared, request, |request| inner.call(request))
    }
}

/// What is said of a panic, and where.
#[derive(Debug)]
struct Report {
    panics: Counter,
    protocol: Protocol,
    path: Option<PathAndQuery>,
}

impl Report {
    /// Counts and logs a panic. What was left half done is dropped and never touched again, so nobody sees it.
    fn caught(&self, panic: &(dyn Any + Send)) -> Status {
        self.panics.inc();
        let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let method = self.path.as_ref().map_or("/", PathAndQuery::path);
        tracing::error!(method, panic = text.unwrap_or("no message"), "handler panicked");
        Status::internal("internal error")
    }

    fn answer(&self, panic: &(dyn Any + Send)) -> Response<MeshBody> {
        let failure = self.caught(panic);
        match self.protocol {
            Protocol::Grpc { .. } => status::response_of(&failure),
            Protocol::Http => {
                let mut page = Response::new(MeshBody::new(http_body_util::Full::from("internal error\n")));
                *page.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                page.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
                page
            }
        }
    }

    /// The end of a body that panicked. Half a page is no page, so its connection or stream is broken off.
    fn end(&self, panic: &(dyn Any + Send)) -> Result<Frame<Bytes>, Status> {
        let failure = self.caught(panic);
        match self.protocol {
            Protocol::Grpc { .. } => Ok(status::trailers_of(&failure)),
            Protocol::Http => Err(failure),
        }
    }
}

pin_project! {
    /// A handler whose panic is its answer.
    pub(crate) struct CatchPanicFuture<F> {
        #[pin]
        handler: Option<F>,
        // What came of making the handler, where there is none.
        panic: Option<Box<dyn Any + Send>>,
        report: Option<Report>,
    }
}

impl<F> CatchPanicFuture<F> {
    fn new(shared: &CatchPanicLayer, request: Request<MeshBody>, call: impl FnOnce(Request<MeshBody>) -> F) -> Self {
        let CatchPanicLayer { panics, protocol } = shared;
        let path = request.uri().path_and_query().cloned();
        let report = Some(Report { panics: panics.clone(), protocol: *protocol, path });
        match catch_unwind(AssertUnwindSafe(|| call(request))) {
            Ok(handler) => Self { handler: Some(handler), panic: None, report },
            Err(panic) => Self { handler: None, panic: Some(panic), report },
        }
    }
}

impl<F> Future for CatchPanicFuture<F>
where
    F: Future<Output = Result<Response<MeshBody>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let polled = match this.handler.as_mut().as_pin_mut() {
            Some(handler) => catch_unwind(AssertUnwindSafe(|| handler.poll(cx))),
            None => Err(this.panic.take().expect("polled after it was ready")),
        };
        let outcome = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(response)) => Ok(response?),
            Err(panic) => Err(panic),
        };
        let report = this.report.take().expect("polled after it was ready");
        let response = outcome.unwrap_or_else(|panic| {
            this.handler.set(None);
            report.answer(&*panic)
        });
        Poll::Ready(Ok(response.map(|inner| Body { inner: Some(inner), report })))
    }
}

pin_project! {
    /// A body whose panic is its end.
    #[derive(Debug)]
    pub(crate) struct Body {
        inner: Option<MeshBody>,
        report: Report,
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.project();
        let Some(inner) = this.inner.as_mut() else { return Poll::Ready(None) };
        match catch_unwind(AssertUnwindSafe(|| Pin::new(inner).poll_frame(cx))) {
            Ok(frame) => frame,
            Err(panic) => {
                *this.inner = None;
                Poll::Ready(Some(this.report.end(&*panic)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}

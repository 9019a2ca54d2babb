//! Turns a panic into INTERNAL for one call, counts it, and takes nothing else down.
//!
//! Innermost. The message goes to the log, never onto the wire.

use std::{
    any::Any,
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use prometheus_client::metrics::counter::Counter;
use tonic::Status;
use tower::{Layer, Service};

use crate::{
    Body as MeshBody,
    metrics::{ByService, Metrics},
    status,
};

/// Makes [`CatchPanic`].
#[derive(Clone, Debug)]
pub(super) struct CatchPanicLayer {
    panics: Counter,
}

impl CatchPanicLayer {
    pub(super) fn new(metrics: &Metrics, service: &Arc<str>) -> Self {
        Self { panics: metrics.server_panics.get_or_create(&ByService { service: Arc::clone(service) }).clone() }
    }
}

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> CatchPanic<S> {
        CatchPanic { inner, panics: self.panics.clone() }
    }
}

/// Catches the panics of handlers and of the bodies they return.
#[derive(Clone, Debug)]
pub(super) struct CatchPanic<S> {
    inner: S,
    panics: Counter,
}

impl<S> Service<Request<MeshBody>> for CatchPanic<S>
where
    S: Service<Request<MeshBody>, Response = Response<MeshBody>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<MeshBody>) -> Self::Future {
        let path = request.uri().path().to_owned();
        let panics = self.panics.clone();
        // A handler that panicked is dropped and never touched again, so what it left half done is not seen.
        let handler = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        Box::pin(async move {
            let response = match handler.await {
                Ok(response) => response?,
                Err(panic) => status::response_of(&report(&panics, &path, &*panic)),
            };
            Ok(response.map(|inner| Body { inner: Some(inner), panics, path }))
        })
    }
}

fn report(panics: &Counter, path: &str, panic: &(dyn Any + Send)) -> Status {
    panics.inc();
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(method = path, panic = text.unwrap_or("no message"), "handler panicked");
    Status::internal("internal error")
}

pin_project! {
    /// A body whose panic ends it with INTERNAL.
    #[derive(Debug)]
    pub(super) struct Body {
        inner: Option<MeshBody>,
        panics: Counter,
        path: String,
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
                Poll::Ready(Some(Ok(status::trailers_of(&report(this.panics, this.path, &*panic)))))
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

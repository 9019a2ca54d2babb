//! Finds the generated server of a call by the service in its path.

use std::{
    collections::HashMap,
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use tonic::{Status, server::NamedService};
use tower::Service;

use crate::{Body, status};

type Answer = BoxFuture<'static, Result<Response<Body>, Infallible>>;
type Handler = Arc<dyn Fn(Request<Body>) -> Answer + Send + Sync>;

/// The generated servers of one service.
#[derive(Clone, Default)]
pub(super) struct Routes {
    by_service: Arc<HashMap<String, Handler>>,
    fallback: Option<Handler>,
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services: Vec<_> = self.by_service.keys().collect();
        f.debug_struct("Routes").field("services", &services).finish_non_exhaustive()
    }
}

impl Routes {
    pub(super) fn add<S>(&mut self, name: &str, server: S)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        Arc::make_mut(&mut self.by_service).insert(name.to_owned(), handler(server));
    }

    pub(super) fn add_named<S>(&mut self, server: S)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + NamedService,
        S: Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.add(S::NAME, server);
    }

    pub(super) fn set_fallback<S>(&mut self, service: S)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.fallback = Some(handler(service));
    }
}

/// Plain HTTP beside the calls.
#[derive(Clone)]
pub(super) struct Pages {
    below: &'static str,
    handler: Handler,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("below", &self.below).finish_non_exhaustive()
    }
}

impl Pages {
    pub(super) fn new<S>(below: &'static str, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        Self { below, handler: handler(service) }
    }

    /// Where they are.
    pub(super) fn below(&self) -> &'static str {
        self.below
    }

    /// Whether a path is one of theirs.
    pub(super) fn has(&self, path: &str) -> bool {
        path.starts_with(self.below)
    }

    pub(super) fn answer(&self, request: Request<Body>) -> Answer {
        (self.handler)(request)
    }
}

impl Service<Request<Body>> for Pages {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        self.answer(request)
    }
}

/// Generated servers are always ready, so one clone a call is all that a call needs.
fn handler<S>(server: S) -> Handler
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    Arc::new(move |request| Box::pin(server.clone().call(request)))
}

impl Service<Request<Body>> for &Routes {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let service = request.uri().path().strip_prefix('/').and_then(|path| path.split_once('/'));
        let known = service.and_then(|(service, _)| self.by_service.get(service));
        match known.or(self.fallback.as_ref()) {
            Some(handler) => handler(request),
            None => {
                let unknown = Status::unimplemented(format!("{}: no such service here", request.uri().path()));
                Box::pin(std::future::ready(Ok(status::response_of(&unknown))))
            }
        }
    }
}

//! A generated server whose refusals of unreadable messages are in its contract's terms.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use http::{Request, Response};
use mesh::Body;
use tonic::server::NamedService;
use tower::Service;

use crate::Domain;

/// Wraps a generated server.
#[derive(Clone, Debug)]
pub struct Served<S> {
    server: S,
    domain: Domain,
}

impl<S> Served<S> {
    /// This server, of the service whose domain this is.
    pub fn new(server: S, domain: Domain) -> Self {
        Self { server, domain }
    }
}

impl<S: NamedService> NamedService for Served<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Served<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.server.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (answer, domain) = (self.server.call(request), self.domain);
        Box::pin(async move { answer.await.map(|answer| domain.answered(answer)) })
    }
}

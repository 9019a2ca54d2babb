//! What a handler of these tests needs and tonic has no word for: which messages of a request came compressed, which of its
//! own shall be, and trailers of its own.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response};
use mesh::Body;
use tonic::server::NamedService;
use tower::Service;

use crate::frames::{self, Flags};

/// Which messages of a request came compressed, in its extensions. A message's flag is there before the message is.
#[derive(Clone, Debug)]
pub(super) struct Came(pub(super) Flags);

/// Which messages of an answer shall be compressed, in its extensions, and what its trailers say besides the status.
#[derive(Clone, Debug, Default)]
pub(super) struct Going {
    pub(super) compressed: Flags,
    pub(super) trailers: HeaderMap,
}

/// A generated server whose handlers see [`Came`] and may answer with [`Going`].
#[derive(Clone, Debug)]
pub(super) struct Wired<S>(pub(super) S);

impl<S: NamedService> NamedService for Wired<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Wired<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let came = Flags::default();
        let mut request = request.map(|body| frames::noted(body, came.clone()));
        request.extensions_mut().insert(Came(came));
        let answer = self.0.call(request);
        Box::pin(async move {
            let mut answer = answer.await?;
            let Some(Going { compressed, trailers }) = answer.extensions_mut().remove() else { return Ok(answer) };
            let gzip = answer
                .headers()
                .get("grpc-encoding")
                .is_some_and(|encoding| encoding == HeaderValue::from_static("gzip"));
            // A caller that takes no gzip gets none.
            let compressed = if gzip { compressed } else { Flags::default() };
            Ok(answer.map(|body| frames::compressed(body, compressed, trailers)))
        })
    }
}

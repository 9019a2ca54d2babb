//! What a case needs and tonic has no word for: which messages of an answer came compressed, and which of its own shall be.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response};
use mesh::{Body, Channel};
use tower::Service;

use crate::frames::{self, Flags};

/// Where to note which messages of the answer came compressed; in a request's extensions.
#[derive(Clone, Debug, Default)]
pub(super) struct Came(pub(super) Flags);

/// Which messages of the request shall be compressed; in its extensions.
#[derive(Clone, Debug)]
pub(super) struct Going(pub(super) Flags);

/// A channel that heeds [`Came`] and [`Going`].
#[derive(Clone, Debug)]
pub(super) struct Seen(pub(super) Channel);

impl Service<Request<Body>> for Seen {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(Going(flags)) = request.extensions_mut().remove() {
            request.headers_mut().insert("grpc-encoding", HeaderValue::from_static("gzip"));
            request = request.map(|body| frames::compressed(body, flags, HeaderMap::new()));
        }
        let came = request.extensions_mut().remove();
        let answer = self.0.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            Ok(match came {
                Some(Came(flags)) => answer.map(|body| frames::noted(body, flags)),
                None => answer,
            })
        })
    }
}

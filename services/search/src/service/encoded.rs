//! The server: searches answer with bytes that are encoded already, everything else goes to the generated server.
//!
//! Most of an answer is hits as the catalog's feed brought them, which would otherwise be decoded, copied field by field and
//! encoded again for each call.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use contracts::search::v1::SearchProductsRequest;
use contracts::search::v1::search_service_server::SearchServiceServer;
use futures_util::future::BoxFuture;
use http::Response;
use mesh::Body;
use rpc::EncodedCodec;
use tonic::codegen::Service;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Status};

use super::Search;
use crate::error::DOMAIN;

const SEARCH_PRODUCTS: &str = "/souk.search.v1.SearchService/SearchProducts";

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    search: Arc<Search>,
    generated: SearchServiceServer<Search>,
}

impl Server {
    pub(super) fn new(search: Arc<Search>, generated: SearchServiceServer<Search>) -> Self {
        Self { search, generated }
    }
}

impl NamedService for Server {
    const NAME: &'static str = super::NAME;
}

impl Service<http::Request<Body>> for Server {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.uri().path() == SEARCH_PRODUCTS {
            let unary = Unary(Arc::clone(&self.search));
            return Box::pin(async move {
                Ok(DOMAIN.answered(Grpc::new(EncodedCodec::default()).unary(unary, request).await))
            });
        }
        let answer = self.generated.call(request);
        Box::pin(async move { answer.await.map(|answer| DOMAIN.answered(answer)) })
    }
}

struct Unary(Arc<Search>);

impl UnaryService<SearchProductsRequest> for Unary {
    type Response = Bytes;
    type Future = BoxFuture<'static, Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<SearchProductsRequest>) -> Self::Future {
        let search = Arc::clone(&self.0);
        Box::pin(async move { Ok(tonic::Response::new(search.search(request.get_ref()).await?)) })
    }
}

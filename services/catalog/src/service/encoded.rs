//! The server: reads answer with bytes that are encoded already, everything else goes to the generated server.
//!
//! The catalog is read far more than it is written, and an answer from memory would otherwise be cloned field by field, encoded
//! and dropped again for each call.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use contracts::catalog::v1::catalog_service_server::CatalogServiceServer;
use futures_util::future::BoxFuture;
use http::Response;
use mesh::Body;
use prost::Message;
use rpc::EncodedCodec;
use tonic::codegen::Service;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Status};

use super::Catalog;
use crate::error::{DOMAIN, Error};

type Answer = BoxFuture<'static, Result<Response<Body>, Infallible>>;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    catalog: Arc<Catalog>,
    generated: CatalogServiceServer<Catalog>,
}

impl Server {
    pub(super) fn new(catalog: Arc<Catalog>, generated: CatalogServiceServer<Catalog>) -> Self {
        Self { catalog, generated }
    }
}

impl NamedService for Server {
    const NAME: &'static str = super::NAME;
}

impl Service<http::Request<Body>> for Server {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Answer {
        let catalog = Arc::clone(&self.catalog);
        match request.uri().path() {
            "/souk.catalog.v1.CatalogService/GetProduct" => {
                answer(catalog, request, |catalog, request| Box::pin(async move { catalog.get(&request).await }))
            }
            "/souk.catalog.v1.CatalogService/BatchGetProducts" => {
                answer(catalog, request, |catalog, request| Box::pin(async move { catalog.get_many(&request).await }))
            }
            "/souk.catalog.v1.CatalogService/ListProducts" => {
                answer(catalog, request, |catalog, request| Box::pin(async move { catalog.list(&request).await }))
            }
            _ => {
                let answer = self.generated.call(request);
                Box::pin(async move { answer.await.map(|answer| DOMAIN.answered(answer)) })
            }
        }
    }
}

/// One read of the contract; the request says which.
type Read<M> = fn(Arc<Catalog>, M) -> BoxFuture<'static, Result<Bytes, Error>>;

fn answer<M: Message + Default + 'static>(
    catalog: Arc<Catalog>,
    request: http::Request<Body>,
    read: Read<M>,
) -> Answer {
    Box::pin(async move {
        let answer = Grpc::new(EncodedCodec::default()).unary(Unary { catalog, read }, request).await;
        Ok(DOMAIN.answered(answer))
    })
}

struct Unary<M> {
    catalog: Arc<Catalog>,
    read: Read<M>,
}

impl<M: Message> UnaryService<M> for Unary<M> {
    type Response = Bytes;
    type Future = BoxFuture<'static, Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<M>) -> Self::Future {
        let answer = (self.read)(Arc::clone(&self.catalog), request.into_inner());
        Box::pin(async move { Ok(tonic::Response::new(answer.await?)) })
    }
}

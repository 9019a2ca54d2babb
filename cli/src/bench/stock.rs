//! The baseline: tonic's own server with its defaults, and a handler that does nothing but answer.

use std::path::PathBuf;

use anyhow::Context as _;
use contracts::catalog::v1::{
    BatchGetProductsRequest, BatchGetProductsResponse, CreateProductRequest, CreateProductResponse,
    DeleteProductRequest, DeleteProductResponse, GetProductRequest, GetProductResponse, ImportProductsRequest,
    ImportProductsResponse, ListProductsRequest, ListProductsResponse, UpdateProductRequest, UpdateProductResponse,
    WatchProductsRequest, WatchProductsResponse,
    catalog_service_server::{CatalogService, CatalogServiceServer},
};
use prost::Message as _;
use tonic::{Request, Response, Status, Streaming, transport::server::TcpIncoming};

/// What the baseline is told.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// A file with the encoded GetProductResponse
    answer: PathBuf,
}

#[derive(Debug)]
struct Stock {
    answer: GetProductResponse,
}

pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let bytes = std::fs::read(&options.answer).with_context(|| format!("read {}", options.answer.display()))?;
    let stock = Stock { answer: GetProductResponse::decode(&*bytes).context("decode the answer")? };
    // What `#[tokio::main]` makes.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        mesh::Output::Json.print("listening", &[("grpc", address)]);
        // Without TCP_NODELAY a lone call waits 40 ms for a delayed ACK, which is not what is to be compared.
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let server = tonic::transport::Server::builder().add_service(CatalogServiceServer::new(stock));
        server.serve_with_incoming(incoming).await.context("serve")
    })
}

fn unused<T>() -> Result<T, Status> {
    Err(Status::unimplemented("the baseline has one method"))
}

#[tonic::async_trait]
impl CatalogService for Stock {
    async fn get_product(&self, _: Request<GetProductRequest>) -> Result<Response<GetProductResponse>, Status> {
        Ok(Response::new(self.answer.clone()))
    }

    async fn batch_get_products(
        &self,
        _: Request<BatchGetProductsRequest>,
    ) -> Result<Response<BatchGetProductsResponse>, Status> {
        unused()
    }

    async fn list_products(&self, _: Request<ListProductsRequest>) -> Result<Response<ListProductsResponse>, Status> {
        unused()
    }

    async fn create_product(
        &self,
        _: Request<CreateProductRequest>,
    ) -> Result<Response<CreateProductResponse>, Status> {
        unused()
    }

    async fn update_product(
        &self,
        _: Request<UpdateProductRequest>,
    ) -> Result<Response<UpdateProductResponse>, Status> {
        unused()
    }

    async fn delete_product(
        &self,
        _: Request<DeleteProductRequest>,
    ) -> Result<Response<DeleteProductResponse>, Status> {
        unused()
    }

    async fn import_products(
        &self,
        _: Request<Streaming<ImportProductsRequest>>,
    ) -> Result<Response<ImportProductsResponse>, Status> {
        unused()
    }

    type WatchProductsStream = tokio_stream::Empty<Result<WatchProductsResponse, Status>>;

    async fn watch_products(
        &self,
        _: Request<WatchProductsRequest>,
    ) -> Result<Response<Self::WatchProductsStream>, Status> {
        unused()
    }
}

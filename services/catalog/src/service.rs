//! The catalog's RPCs: each parses its request, asks the products, and answers.
//!
//! Reads are answered from memory with bytes that are encoded already (`service/encoded.rs`); writes make what is in
//! memory outdated before they answer, so that whoever wrote reads what was written.

mod answer;
mod encoded;
mod feed;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod import;
mod product;
mod request;

use mesh::Violations;
use std::sync::Arc;

use bytes::Bytes;
use contracts::catalog::v1 as pb;
use contracts::catalog::v1::catalog_service_server::{CatalogService, CatalogServiceServer};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use rpc::Stamp;
use tonic::{Request, Response, Status, Streaming};

use crate::cache::Cache;
use crate::error::Error;
use crate::product::ProductId;
use crate::store::Products;

pub(crate) use answer::WIRE;
pub(crate) use encoded::Server;

/// The full name of the service, as health and reflection say it.
pub(crate) const NAME: &str = contracts::catalog::v1::catalog_service_server::SERVICE_NAME;

/// The service behind the contract.
#[derive(Debug)]
pub(crate) struct Catalog {
    products: Products,
    cache: Arc<Cache>,
}

impl Catalog {
    pub(crate) fn new(products: Products, cache: Arc<Cache>) -> Self {
        Self { products, cache }
    }

    /// What serves this catalog.
    pub(crate) fn into_server(self) -> Server {
        let catalog = Arc::new(self);
        Server::new(Arc::clone(&catalog), CatalogServiceServer::from_arc(catalog))
    }

    /// An encoded `GetProductResponse`.
    async fn get(&self, request: &pb::GetProductRequest) -> Result<Bytes, Error> {
        let id = request.product_id.as_str();
        let known = match self.cache.product(id) {
            Some(known) => known,
            None => {
                let parsed = ProductId::parse(id).ok_or_else(|| Violations::one("product_id", ProductId::RULE))?;
                self.cache.product_or(id, || self.products.get(parsed.as_str().to_owned())).await?
            }
        };
        match known {
            Some(answer) => Ok(answer),
            None => Err(ProductId::parse(id)
                .map_or_else(|| Violations::one("product_id", ProductId::RULE).into(), Error::NotFound)),
        }
    }

    /// An encoded `BatchGetProductsResponse`.
    async fn get_many(&self, request: &pb::BatchGetProductsRequest) -> Result<Bytes, Error> {
        let ids = request::distinct_ids(&request.product_ids)?;
        let position = self.cache.known();
        let mut found: Vec<Option<Option<Bytes>>> = ids.iter().map(|id| self.cache.product(id)).collect();
        let unknown = ids.iter().zip(&found).filter(|(_, known)| known.is_none());
        let unknown: Vec<String> = unknown.map(|(id, _)| (*id).to_owned()).collect();
        if !unknown.is_empty() {
            let mut loaded: std::collections::HashMap<_, _> =
                self.products.get_many(unknown).await?.into_iter().collect();
            for (id, known) in ids.iter().zip(&mut found).filter(|(_, known)| known.is_none()) {
                let answer = loaded.remove(*id);
                self.cache.keep_product(id, position, answer.clone());
                *known = Some(answer);
            }
        }
        Ok(answer::batch(ids.into_iter().zip(found.into_iter().map(Option::flatten))))
    }

    /// An encoded `ListProductsResponse`.
    async fn list(&self, request: &pb::ListProductsRequest) -> Result<Bytes, Error> {
        let query = request::list(request)?;
        let page = self.cache.page_or(&query, || async {
            let page = self.products.list(query.clone()).await?;
            Ok::<_, Error>(Some(answer::page(&query.filter, page)))
        });
        Ok(page.await?.unwrap_or_default())
    }

    /// Lets go of what this process has changed itself. Others' changes are followed in the background.
    fn changed(&self, id: &ProductId) {
        // The change's own position or a later one: it shows before the write returns.
        let position = *self.products.position().borrow();
        self.cache.change(id.as_str(), position);
    }
}

/// The contract. Its three plain reads are answered by [`Server`] before they get here, with the same bytes.
#[tonic::async_trait]
impl CatalogService for Catalog {
    async fn get_product(
        &self,
        request: Request<pb::GetProductRequest>,
    ) -> Result<Response<pb::GetProductResponse>, Status> {
        answer::decoded(self.get(request.get_ref()).await?)
    }

    async fn batch_get_products(
        &self,
        request: Request<pb::BatchGetProductsRequest>,
    ) -> Result<Response<pb::BatchGetProductsResponse>, Status> {
        answer::decoded(self.get_many(request.get_ref()).await?)
    }

    async fn list_products(
        &self,
        request: Request<pb::ListProductsRequest>,
    ) -> Result<Response<pb::ListProductsResponse>, Status> {
        answer::decoded(self.list(request.get_ref()).await?)
    }

    async fn create_product(
        &self,
        request: Request<pb::CreateProductRequest>,
    ) -> Result<Response<pb::CreateProductResponse>, Status> {
        let request::Create { id, draft, request } = request::create(request.into_inner()).map_err(Error::from)?;
        let answer = self.products.create(id.clone(), draft, request, Stamp::now()).await?;
        self.changed(&id);
        answer::decoded(answer.into())
    }

    async fn update_product(
        &self,
        request: Request<pb::UpdateProductRequest>,
    ) -> Result<Response<pb::UpdateProductResponse>, Status> {
        let request::Update { id, etag, change, request } =
            request::update(request.into_inner()).map_err(Error::from)?;
        let answer = self.products.update(id.clone(), etag, change, request, Stamp::now()).await?;
        self.changed(&id);
        answer::decoded(answer.into())
    }

    async fn delete_product(
        &self,
        request: Request<pb::DeleteProductRequest>,
    ) -> Result<Response<pb::DeleteProductResponse>, Status> {
        let request::Delete { id, etag, request } = request::delete(request.into_inner()).map_err(Error::from)?;
        self.products.delete(id.clone(), etag, request, Stamp::now()).await?;
        self.changed(&id);
        Ok(Response::new(pb::DeleteProductResponse {}))
    }

    async fn import_products(
        &self,
        request: Request<Streaming<pb::ImportProductsRequest>>,
    ) -> Result<Response<pb::ImportProductsResponse>, Status> {
        let changed = |id: &ProductId| self.changed(id);
        let import = import::Import { products: &self.products, changed: &changed, stamp: Stamp::now };
        Ok(Response::new(import.run(request.into_inner()).await?))
    }

    type WatchProductsStream = BoxStream<'static, Result<pb::WatchProductsResponse, Status>>;

    async fn watch_products(
        &self,
        request: Request<pb::WatchProductsRequest>,
    ) -> Result<Response<Self::WatchProductsStream>, Status> {
        let messages = self.products.watch(&request.get_ref().cursor).await?;
        Ok(Response::new(messages.map(|message| Ok(feed::sent(message.map_err(Error::from)?))).boxed()))
    }
}

//! Search's RPCs: each parses its request, asks the index, and answers.

mod answer;
mod encoded;
mod feed;
mod orders;
mod request;
mod sink;

use std::sync::Arc;

use bytes::Bytes;
use contracts::search::v1 as pb;
use contracts::search::v1::search_service_server::{SearchService, SearchServiceServer};
use prometheus_client::metrics::histogram::Histogram;
use prost::Message as _;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::error::Error;
use crate::find;
use crate::index::{Freshness, Index};
use crate::pool::{Pool, PoolError};
use crate::sales::Sales;

pub(crate) use encoded::Server;
pub use orders::dead_letters;
pub(crate) use orders::follow as follow_orders;
pub(crate) use sink::follow;

/// The full name of the service, as health and reflection say it.
pub(crate) const NAME: &str = contracts::search::v1::search_service_server::SERVICE_NAME;

/// The service behind the contract.
#[derive(Debug)]
pub(crate) struct Search {
    index: Index,
    sales: Sales,
    pool: Pool,
    /// How long searches took, in seconds, without what they waited.
    took: Histogram,
}

impl Search {
    pub(crate) fn new(index: Index, sales: Sales, pool: Pool, took: Histogram) -> Self {
        Self { index, sales, pool, took }
    }

    /// What serves this search.
    pub(crate) fn into_server(self) -> Server {
        let search = Arc::new(self);
        Server::new(Arc::clone(&search), SearchServiceServer::from_arc(search))
    }

    /// An encoded `SearchProductsResponse`.
    async fn search(&self, request: &pb::SearchProductsRequest) -> Result<Bytes, Error> {
        let search = find::Search { sold: self.sales.units(), ..request::search(request)? };
        let view = self.index.view().ok_or(Error::NotReady)?;
        let freshness = self.freshness();
        let took = self.took.clone();
        let found = self.pool.run(move || {
            let begun = Instant::now();
            let answer = find::search(&view, &search).map(|found| answer::page(&search, found, freshness));
            took.observe(begun.elapsed().as_secs_f64());
            answer
        });
        match found.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                // An index that is whole can be read.
                self.index.suspect();
                Err(Error::internal(error))
            }
            Err(PoolError::Full) => Err(Error::Overloaded),
            Err(PoolError::Panicked(panic)) => {
                self.index.suspect();
                Err(Error::internal(panic))
            }
        }
    }

    fn suggest(&self, request: &pb::SuggestQueriesRequest) -> Result<pb::SuggestQueriesResponse, Error> {
        let (prefix, size) = request::suggest(request)?;
        if self.index.view().is_none() {
            return Err(Error::NotReady);
        }
        Ok(answer::suggestions(self.index.suggestions().find(prefix, size)))
    }

    fn freshness(&self) -> Freshness {
        self.index.freshness(rpc::now_us())
    }
}

/// The contract. Searches are answered by [`Server`] before they get here, with the same bytes.
#[tonic::async_trait]
impl SearchService for Search {
    async fn search_products(
        &self,
        request: Request<pb::SearchProductsRequest>,
    ) -> Result<Response<pb::SearchProductsResponse>, Status> {
        let answer = self.search(request.get_ref()).await?;
        Ok(Response::new(pb::SearchProductsResponse::decode(answer).map_err(Error::internal)?))
    }

    async fn suggest_queries(
        &self,
        request: Request<pb::SuggestQueriesRequest>,
    ) -> Result<Response<pb::SuggestQueriesResponse>, Status> {
        Ok(Response::new(self.suggest(request.get_ref())?))
    }
}

//! The inventory's RPCs: each parses its request, asks the inventory, and answers.

mod answer;
mod feed;
mod request;

use contracts::inventory::v1 as pb;
use contracts::inventory::v1::inventory_service_server::{InventoryService, InventoryServiceServer};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use prost::Message;
use rpc::Served;
use tonic::{Request, Response, Status};

use crate::error::{DOMAIN, Error, unexpected};
use crate::store::Inventory;

pub(crate) use answer::WIRE;

/// The full name of the service, as health and reflection say it.
pub(crate) const NAME: &str = contracts::inventory::v1::inventory_service_server::SERVICE_NAME;

/// The service behind the contract.
#[derive(Debug)]
pub(crate) struct Rpcs {
    inventory: Inventory,
}

/// What serves this inventory.
pub(crate) fn server(inventory: Inventory) -> Served<InventoryServiceServer<Rpcs>> {
    Served::new(InventoryServiceServer::new(Rpcs { inventory }), DOMAIN)
}

#[tonic::async_trait]
impl InventoryService for Rpcs {
    async fn get_stock(&self, request: Request<pb::GetStockRequest>) -> Result<Response<pb::GetStockResponse>, Status> {
        let product = request::product(&request.get_ref().product_id).map_err(Error::from)?;
        let (product, level) = self.inventory.levels(vec![product]).await?.remove(0);
        if !level.is_known() {
            return Err(Error::StockNotFound(product).into());
        }
        Ok(Response::new(pb::GetStockResponse { stock: Some(answer::stock(&product, &level)) }))
    }

    async fn batch_get_stock(
        &self,
        request: Request<pb::BatchGetStockRequest>,
    ) -> Result<Response<pb::BatchGetStockResponse>, Status> {
        let products = request::distinct_products(&request.get_ref().product_ids).map_err(Error::from)?;
        Ok(Response::new(answer::batch(&self.inventory.levels(products).await?)))
    }

    async fn adjust_stock(
        &self,
        request: Request<pb::AdjustStockRequest>,
    ) -> Result<Response<pb::AdjustStockResponse>, Status> {
        let request::Adjust { lines, request } = request::adjust(request.into_inner()).map_err(Error::from)?;
        decoded(&self.inventory.adjust(lines, request, mesh::context::traceparent()).await?)
    }

    async fn reserve_stock(
        &self,
        request: Request<pb::ReserveStockRequest>,
    ) -> Result<Response<pb::ReserveStockResponse>, Status> {
        let request::Reserve { order, lines, ttl_us } = request::reserve(request.get_ref()).map_err(Error::from)?;
        let reservation = self.inventory.reserve(&order, lines, ttl_us, mesh::context::traceparent()).await?;
        Ok(Response::new(pb::ReserveStockResponse { reservation: Some(answer::reservation(&reservation)) }))
    }

    async fn commit_reservation(
        &self,
        request: Request<pb::CommitReservationRequest>,
    ) -> Result<Response<pb::CommitReservationResponse>, Status> {
        let order = request::order(&request.get_ref().order_id).map_err(Error::from)?;
        let reservation = self.inventory.commit(&order, mesh::context::traceparent()).await?;
        let reservation = reservation.ok_or(Error::ReservationNotFound)?;
        Ok(Response::new(pb::CommitReservationResponse { reservation: Some(answer::reservation(&reservation)) }))
    }

    async fn release_reservation(
        &self,
        request: Request<pb::ReleaseReservationRequest>,
    ) -> Result<Response<pb::ReleaseReservationResponse>, Status> {
        let order = request::order(&request.get_ref().order_id).map_err(Error::from)?;
        let reservation = self.inventory.release(&order, mesh::context::traceparent()).await?;
        // One that was not there is there now.
        let reservation =
            reservation.ok_or_else(|| Error::from(unexpected("ReleaseReservation", "nothing was left")))?;
        Ok(Response::new(pb::ReleaseReservationResponse { reservation: Some(answer::reservation(&reservation)) }))
    }

    async fn return_stock(
        &self,
        request: Request<pb::ReturnStockRequest>,
    ) -> Result<Response<pb::ReturnStockResponse>, Status> {
        let request::Return { order, units, request } =
            request::give_back(request.into_inner()).map_err(Error::from)?;
        decoded(&self.inventory.restock(&order, units, request, mesh::context::traceparent()).await?)
    }

    type WatchStockStream = BoxStream<'static, Result<pb::WatchStockResponse, Status>>;

    async fn watch_stock(
        &self,
        request: Request<pb::WatchStockRequest>,
    ) -> Result<Response<Self::WatchStockStream>, Status> {
        let messages = self.inventory.watch(&request.get_ref().cursor).await?;
        Ok(Response::new(messages.map(|message| Ok(feed::sent(message.map_err(Error::from)?))).boxed()))
    }
}

/// An answer that was remembered as bytes.
#[allow(clippy::result_large_err, reason = "Status is what a tonic handler returns")]
fn decoded<M: Message + Default>(answer: &[u8]) -> Result<Response<M>, Status> {
    let message = M::decode(answer).map_err(|error| {
        let source = std::sync::Arc::new(error);
        Error::Store(store::Error::Corrupt { attempted: "decode an answer", what: "the answer", source })
    })?;
    Ok(Response::new(message))
}

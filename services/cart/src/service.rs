//! The carts' RPCs: each parses its request, asks the carts, and answers.

mod answer;
mod request;

use contracts::cart::v1 as pb;
use contracts::cart::v1::cart_service_server::{CartService, CartServiceServer};
use prost::Message;
use rpc::Served;
use tonic::{Request, Response, Status};

use crate::error::{DOMAIN, Error};
use crate::store::Carts;

/// The full name of the service, as health and reflection say it.
pub(crate) const NAME: &str = contracts::cart::v1::cart_service_server::SERVICE_NAME;

/// The service behind the contract.
#[derive(Debug)]
pub(crate) struct Rpcs {
    carts: Carts,
}

/// What serves these carts.
pub(crate) fn server(carts: Carts) -> Served<CartServiceServer<Rpcs>> {
    Served::new(CartServiceServer::new(Rpcs { carts }), DOMAIN)
}

#[tonic::async_trait]
impl CartService for Rpcs {
    async fn get_cart(&self, request: Request<pb::GetCartRequest>) -> Result<Response<pb::GetCartResponse>, Status> {
        let id = request::cart(&request.get_ref().cart_id).map_err(Error::from)?;
        let view = self.carts.get(id).await?;
        Ok(Response::new(pb::GetCartResponse { cart: Some(answer::cart(&view)) }))
    }

    async fn add_item(&self, request: Request<pb::AddItemRequest>) -> Result<Response<pb::AddItemResponse>, Status> {
        let (write, action) = request::add(request.into_inner()).map_err(Error::from)?;
        decoded(&self.carts.edit(write, action).await?)
    }

    async fn set_item_quantity(
        &self,
        request: Request<pb::SetItemQuantityRequest>,
    ) -> Result<Response<pb::SetItemQuantityResponse>, Status> {
        let (write, action) = request::set(request.into_inner()).map_err(Error::from)?;
        decoded(&self.carts.edit(write, action).await?)
    }

    async fn remove_item(
        &self,
        request: Request<pb::RemoveItemRequest>,
    ) -> Result<Response<pb::RemoveItemResponse>, Status> {
        let (write, action) = request::remove(request.into_inner()).map_err(Error::from)?;
        decoded(&self.carts.edit(write, action).await?)
    }

    async fn clear_cart(
        &self,
        request: Request<pb::ClearCartRequest>,
    ) -> Result<Response<pb::ClearCartResponse>, Status> {
        let (write, action) = request::clear(request.into_inner()).map_err(Error::from)?;
        decoded(&self.carts.edit(write, action).await?)
    }

    async fn merge_carts(
        &self,
        request: Request<pb::MergeCartsRequest>,
    ) -> Result<Response<pb::MergeCartsResponse>, Status> {
        let (write, source) = request::merge(request.into_inner()).map_err(Error::from)?;
        decoded(&self.carts.merge(write, source).await?)
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

//! The acquirer's RPCs: each parses its request, asks the ledger through what goes wrong, and answers.

mod answer;
mod plan;
mod request;

use contracts::acquirer::v1 as pb;
use contracts::acquirer::v1::acquirer_service_server::{AcquirerService, AcquirerServiceServer};
use rpc::{Secret, Served};
use tonic::{Request, Response, Status};

use crate::error::{DOMAIN, Error};
use crate::trouble::Trouble;

/// The full name of the service, as health and reflection say it.
pub(crate) const NAME: &str = contracts::acquirer::v1::acquirer_service_server::SERVICE_NAME;

/// The service behind the contract.
#[derive(Debug)]
pub(crate) struct Rpcs {
    trouble: Trouble,
    key: Secret,
}

/// What serves this ledger; cards are known again by `key`.
pub(crate) fn server(trouble: Trouble, key: Secret) -> Served<AcquirerServiceServer<Rpcs>> {
    Served::new(AcquirerServiceServer::new(Rpcs { trouble, key }), DOMAIN)
}

#[tonic::async_trait]
impl AcquirerService for Rpcs {
    async fn authorize_charge(
        &self,
        request: Request<pb::AuthorizeChargeRequest>,
    ) -> Result<Response<pb::AuthorizeChargeResponse>, Status> {
        let request::Authorize { payment, card, amount } =
            request::authorize(request.into_inner()).map_err(Error::from)?;
        let (trace, fate) = (card.trace(&self.key), card.fate(request::month_now()));
        // The card ends here: what follows, and waits, has only what is kept of it.
        drop(card);
        let charge = self.trouble.authorize(payment, amount, trace, fate).await?;
        Ok(Response::new(pb::AuthorizeChargeResponse { charge: Some(answer::charge(&charge)) }))
    }

    async fn capture_charge(
        &self,
        request: Request<pb::CaptureChargeRequest>,
    ) -> Result<Response<pb::CaptureChargeResponse>, Status> {
        let payment = request::payment(&request.get_ref().payment_id).map_err(Error::from)?;
        let charge = self.trouble.capture(payment).await?;
        Ok(Response::new(pb::CaptureChargeResponse { charge: Some(answer::charge(&charge)) }))
    }

    async fn void_charge(
        &self,
        request: Request<pb::VoidChargeRequest>,
    ) -> Result<Response<pb::VoidChargeResponse>, Status> {
        let payment = request::payment(&request.get_ref().payment_id).map_err(Error::from)?;
        let charge = self.trouble.void(payment).await?;
        Ok(Response::new(pb::VoidChargeResponse { charge: Some(answer::charge(&charge)) }))
    }

    async fn refund_charge(
        &self,
        request: Request<pb::RefundChargeRequest>,
    ) -> Result<Response<pb::RefundChargeResponse>, Status> {
        let request::Refund { payment, id, amount } = request::refund(request.into_inner()).map_err(Error::from)?;
        let charge = self.trouble.refund(payment, id, amount).await?;
        Ok(Response::new(pb::RefundChargeResponse { charge: Some(answer::charge(&charge)) }))
    }

    async fn get_charge(
        &self,
        request: Request<pb::GetChargeRequest>,
    ) -> Result<Response<pb::GetChargeResponse>, Status> {
        let payment = request::payment(&request.get_ref().payment_id).map_err(Error::from)?;
        let charge = self.trouble.find(&payment).await?;
        Ok(Response::new(pb::GetChargeResponse { charge: Some(answer::charge(&charge)) }))
    }

    async fn list_entries(
        &self,
        request: Request<pb::ListEntriesRequest>,
    ) -> Result<Response<pb::ListEntriesResponse>, Status> {
        let request::Page { after, size } = request::page(request.get_ref()).map_err(Error::from)?;
        Ok(Response::new(answer::page(&self.trouble.entries(after, size).await?, size)))
    }

    async fn set_faults(
        &self,
        request: Request<pb::SetFaultsRequest>,
    ) -> Result<Response<pb::SetFaultsResponse>, Status> {
        let plan = plan::read(request.get_ref()).map_err(Error::from)?;
        let said = plan::written(&plan);
        self.trouble.say(plan).await?;
        Ok(Response::new(pb::SetFaultsResponse { plan: Some(said) }))
    }

    async fn get_faults(
        &self,
        _request: Request<pb::GetFaultsRequest>,
    ) -> Result<Response<pb::GetFaultsResponse>, Status> {
        let plan = self.trouble.said().await?;
        Ok(Response::new(pb::GetFaultsResponse { plan: Some(plan::written(&plan)) }))
    }
}

//! The payments' RPCs: each parses its request, asks for it, and answers.

mod answer;
mod page;
mod request;

use std::sync::Arc;

use contracts::payment::v1 as pb;
use contracts::payment::v1::payment_service_server::{PaymentService, PaymentServiceServer};
use prost::Message as _;
use rpc::{Served, now_us};
use tonic::{Request, Response, Status};

pub(crate) use page::{BELOW, Pages};

use crate::acquirer::Acquirer;
use crate::error::{DOMAIN, Error};
use crate::page_token::Place;
use crate::seal::{Keys, Kind};
use crate::settlement::{Settlement, number_text};
use crate::store::{NewCard, Payments, Sealed, TOKEN_LIFE_US};

/// The full name of the service, as health and reflection say it.
pub(crate) const NAME: &str = contracts::payment::v1::payment_service_server::SERVICE_NAME;

/// The service behind the contract. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Rpcs {
    payments: Payments,
    settlement: Settlement<Acquirer>,
    keys: Keys,
}

/// What serves these payments.
pub(crate) fn server(rpcs: Rpcs) -> Served<PaymentServiceServer<Rpcs>> {
    Served::new(PaymentServiceServer::new(rpcs), DOMAIN)
}

impl Rpcs {
    pub(crate) fn new(payments: Payments, settlement: Settlement<Acquirer>, keys: Keys) -> Self {
        Self { payments, settlement, keys }
    }

    /// Keeps a card and gives its token, or the first answer to this request again.
    pub(crate) async fn tokenize(&self, request: pb::TokenizeCardRequest) -> Result<pb::TokenizeCardResponse, Error> {
        let now_us = now_us();
        let request::Tokenize { card, requests } = request::tokenize(request, &self.keys, now_us)?;
        let token = rpc::Capability::random()?;
        let number = self.keys.seal(Kind::Number, token.as_str(), &number_text(&card))?;
        let code = self.keys.seal(Kind::Code, token.as_str(), card.code.expose())?;
        let summary = card.summary();
        // The card ends here: what waits for the database has only what is sealed.
        drop(card);
        let answer = answer::token(&token, &summary, now_us.saturating_add(TOKEN_LIFE_US)).encode_to_vec();
        let sealed = Sealed { number, code: Some(code) };
        let answer = self.payments.keep(NewCard { token, summary, sealed, now_us, answer, requests }).await?;
        pb::TokenizeCardResponse::decode(answer.as_slice()).map_err(|error| {
            let (attempted, source) = ("decode an answer", Arc::new(error));
            Error::Store(store::Error::Corrupt { attempted, what: "the answer", source })
        })
    }
}

#[tonic::async_trait]
impl PaymentService for Rpcs {
    async fn tokenize_card(
        &self,
        request: Request<pb::TokenizeCardRequest>,
    ) -> Result<Response<pb::TokenizeCardResponse>, Status> {
        Ok(Response::new(self.tokenize(request.into_inner()).await?))
    }

    async fn authorize_payment(
        &self,
        request: Request<pb::AuthorizePaymentRequest>,
    ) -> Result<Response<pb::AuthorizePaymentResponse>, Status> {
        let request::Authorize { payment, token, amount } =
            request::authorize(request.get_ref()).map_err(Error::from)?;
        let payment = self.settlement.authorize(payment, token, amount).await?;
        Ok(Response::new(pb::AuthorizePaymentResponse { payment: Some(answer::payment(&payment)) }))
    }

    async fn capture_payment(
        &self,
        request: Request<pb::CapturePaymentRequest>,
    ) -> Result<Response<pb::CapturePaymentResponse>, Status> {
        let payment = request::payment(&request.get_ref().payment_id).map_err(Error::from)?;
        let payment = self.settlement.capture(payment).await?;
        Ok(Response::new(pb::CapturePaymentResponse { payment: Some(answer::payment(&payment)) }))
    }

    async fn void_payment(
        &self,
        request: Request<pb::VoidPaymentRequest>,
    ) -> Result<Response<pb::VoidPaymentResponse>, Status> {
        let payment = request::payment(&request.get_ref().payment_id).map_err(Error::from)?;
        let payment = self.settlement.void(payment).await?;
        Ok(Response::new(pb::VoidPaymentResponse { payment: Some(answer::payment(&payment)) }))
    }

    async fn refund_payment(
        &self,
        request: Request<pb::RefundPaymentRequest>,
    ) -> Result<Response<pb::RefundPaymentResponse>, Status> {
        let request::Refund { payment, id, amount } = request::refund(request.into_inner()).map_err(Error::from)?;
        let payment = self.settlement.refund(payment, id, amount).await?;
        Ok(Response::new(pb::RefundPaymentResponse { payment: Some(answer::payment(&payment)) }))
    }

    async fn get_payment(
        &self,
        request: Request<pb::GetPaymentRequest>,
    ) -> Result<Response<pb::GetPaymentResponse>, Status> {
        let payment = request::payment(&request.get_ref().payment_id).map_err(Error::from)?;
        let payment = self.payments.find(&payment).await?.ok_or(Error::NotFound)?;
        Ok(Response::new(pb::GetPaymentResponse { payment: Some(answer::payment(&payment)) }))
    }

    async fn list_payments(
        &self,
        request: Request<pb::ListPaymentsRequest>,
    ) -> Result<Response<pb::ListPaymentsResponse>, Status> {
        let request::List { states, numbers, before, size } = request::list(request.get_ref())?;
        // One more than the page has says whether there is a next one.
        let found = self.payments.list(states, before, size.saturating_add(1)).await?;
        Ok(Response::new(answer::page(&found, size, |last| {
            Place { create_us: last.create_us, payment: last.id.clone() }.token(&numbers)
        })))
    }
}

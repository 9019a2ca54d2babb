//! A payment service that keeps its contract and lets tests choose what becomes of a card.
//!
//! A card's token says it by its first digit: see [`Card`].

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use contracts::google::r#type::Money;
use contracts::payment::v1 as pb;
use contracts::payment::v1::payment_service_server::{PaymentService, PaymentServiceServer};
use rpc::Domain;
use tonic::{Code, Request, Response, Status};

const DOMAIN: Domain = Domain::new("souk.payment.v1");

/// What becomes of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Card {
    Good = 1,
    Declined = 2,
    /// There is no such token.
    Unknown = 3,
    /// Authorized, and never captured.
    NotCaptured = 4,
    /// Captured, and never refunded while the bank refuses refunds.
    NotRefunded = 5,
}

impl Card {
    /// A new token of such a card.
    pub(crate) fn token(self) -> String {
        let token = uuid::Uuid::new_v4().simple().to_string();
        format!("{}{}", self as u8, &token[1..])
    }

    fn of(token: &str) -> Self {
        let cards = [Self::Good, Self::Declined, Self::Unknown, Self::NotCaptured, Self::NotRefunded];
        cards.into_iter().find(|card| token.starts_with(&(*card as u8).to_string())).unwrap()
    }
}

/// All payments there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bank {
    books: Arc<Mutex<Books>>,
}

#[derive(Debug, Default)]
struct Books {
    payments: HashMap<String, (pb::Payment, String)>,
    used: HashSet<String>,
    captures: HashMap<String, u32>,
    lenient: bool,
}

impl Bank {
    pub(crate) fn server(&self) -> PaymentServiceServer<Self> {
        PaymentServiceServer::new(self.clone())
    }

    /// A payment as it is.
    pub(crate) fn payment(&self, id: &str) -> Option<pb::Payment> {
        self.books.lock().unwrap().payments.get(id).map(|(payment, _)| payment.clone())
    }

    /// How often money was taken for an order.
    pub(crate) fn captures(&self, id: &str) -> u32 {
        self.books.lock().unwrap().captures.get(id).copied().unwrap_or_default()
    }

    /// From now on nothing is refused for good.
    pub(crate) fn relents(&self) {
        self.books.lock().unwrap().lenient = true;
    }
}

fn failed(reason: &str) -> Status {
    DOMAIN.status(Code::FailedPrecondition, "no", reason)
}

impl Books {
    fn known(&mut self, id: &str) -> Result<(&mut pb::Payment, Card, bool), Status> {
        let lenient = self.lenient;
        let found = self.payments.get_mut(id);
        let (payment, token) = found.ok_or_else(|| DOMAIN.status(Code::NotFound, "no", "PAYMENT_NOT_FOUND"))?;
        let card = if token.is_empty() { Card::Good } else { Card::of(token) };
        Ok((payment, card, lenient))
    }

    fn authorize(&mut self, request: pb::AuthorizePaymentRequest) -> Result<pb::Payment, Status> {
        let pb::AuthorizePaymentRequest { payment_id, card_token, amount } = request;
        if let Some((payment, token)) = self.payments.get(&payment_id) {
            return match payment.state() {
                pb::PaymentState::Voided => Err(failed("PAYMENT_CLOSED")),
                _ if *token != card_token || payment.amount != amount => Err(failed("PAYMENT_MISMATCH")),
                _ => Ok(payment.clone()),
            };
        }
        let card = Card::of(&card_token);
        if card == Card::Unknown || !self.used.insert(card_token.clone()) {
            return Err(failed("CARD_TOKEN_INVALID"));
        }
        let declined = card == Card::Declined;
        let state = if declined { pb::PaymentState::Declined } else { pb::PaymentState::Authorized };
        let decline_reason = if declined { pb::DeclineReason::InsufficientFunds } else { Default::default() };
        let payment = pb::Payment {
            payment_id: payment_id.clone(),
            state: state.into(),
            amount,
            decline_reason: decline_reason.into(),
            card: Some(pb::CardSummary { last_four: "4242".into(), expiry_month: 1, expiry_year: 2040, brand: 1 }),
            ..pb::Payment::default()
        };
        self.payments.insert(payment_id, (payment.clone(), card_token));
        Ok(payment)
    }

    fn capture(&mut self, id: &str) -> Result<pb::Payment, Status> {
        let (payment, card, lenient) = self.known(id)?;
        match payment.state() {
            pb::PaymentState::Captured => {}
            pb::PaymentState::Authorized if card == Card::NotCaptured && !lenient => {
                return Err(failed("CAPTURE_REFUSED"));
            }
            pb::PaymentState::Authorized => {
                payment.set_state(pb::PaymentState::Captured);
                let payment = payment.clone();
                *self.captures.entry(id.to_owned()).or_default() += 1;
                return Ok(payment);
            }
            _ => return Err(failed("PAYMENT_NOT_AUTHORIZED")),
        }
        Ok(payment.clone())
    }

    fn void(&mut self, id: &str) -> Result<pb::Payment, Status> {
        let unseen = || (pb::Payment { payment_id: id.to_owned(), ..pb::Payment::default() }, String::new());
        let (payment, _) = self.payments.entry(id.to_owned()).or_insert_with(unseen);
        match payment.state() {
            pb::PaymentState::Captured => return Err(failed("PAYMENT_CAPTURED")),
            pb::PaymentState::Declined => {}
            _ => payment.set_state(pb::PaymentState::Voided),
        }
        Ok(payment.clone())
    }

    fn refund(&mut self, request: pb::RefundPaymentRequest) -> Result<pb::Payment, Status> {
        let (payment, card, lenient) = self.known(&request.payment_id)?;
        if payment.state() != pb::PaymentState::Captured {
            return Err(failed("PAYMENT_NOT_CAPTURED"));
        }
        if let Some(refund) = payment.refunds.iter().find(|refund| refund.refund_id == request.refund_id) {
            return match refund.state() {
                pb::PaymentRefundState::Failed => Err(failed("REFUND_REFUSED")),
                _ if refund.amount != request.amount => Err(failed("REFUND_MISMATCH")),
                _ => Ok(payment.clone()),
            };
        }
        let refused = card == Card::NotRefunded && !lenient;
        let state = if refused { pb::PaymentRefundState::Failed } else { pb::PaymentRefundState::Done };
        let (refund_id, amount) = (request.refund_id, request.amount);
        payment.refunds.push(pb::PaymentRefund { refund_id, amount, state: state.into(), create_time: None });
        assert!(refunded(payment) <= cents(payment.amount.as_ref()), "more is refunded than was captured");
        if refused { Err(failed("REFUND_REFUSED")) } else { Ok(payment.clone()) }
    }
}

/// How much of a payment was given back, in cents.
pub(crate) fn refunded(payment: &pb::Payment) -> i64 {
    let done = payment.refunds.iter().filter(|refund| refund.state() == pb::PaymentRefundState::Done);
    done.map(|refund| cents(refund.amount.as_ref())).sum()
}

pub(crate) fn cents(money: Option<&Money>) -> i64 {
    money.map_or(0, |money| money.units * 100 + i64::from(money.nanos) / 10_000_000)
}

#[tonic::async_trait]
impl PaymentService for Bank {
    async fn tokenize_card(
        &self,
        _request: Request<pb::TokenizeCardRequest>,
    ) -> Result<Response<pb::TokenizeCardResponse>, Status> {
        Err(Status::unimplemented("tests make tokens by themselves"))
    }

    async fn authorize_payment(
        &self,
        request: Request<pb::AuthorizePaymentRequest>,
    ) -> Result<Response<pb::AuthorizePaymentResponse>, Status> {
        let payment = self.books.lock().unwrap().authorize(request.into_inner())?;
        Ok(Response::new(pb::AuthorizePaymentResponse { payment: Some(payment) }))
    }

    async fn capture_payment(
        &self,
        request: Request<pb::CapturePaymentRequest>,
    ) -> Result<Response<pb::CapturePaymentResponse>, Status> {
        let payment = self.books.lock().unwrap().capture(&request.get_ref().payment_id)?;
        Ok(Response::new(pb::CapturePaymentResponse { payment: Some(payment) }))
    }

    async fn void_payment(
        &self,
        request: Request<pb::VoidPaymentRequest>,
    ) -> Result<Response<pb::VoidPaymentResponse>, Status> {
        let payment = self.books.lock().unwrap().void(&request.get_ref().payment_id)?;
        Ok(Response::new(pb::VoidPaymentResponse { payment: Some(payment) }))
    }

    async fn refund_payment(
        &self,
        request: Request<pb::RefundPaymentRequest>,
    ) -> Result<Response<pb::RefundPaymentResponse>, Status> {
        let payment = self.books.lock().unwrap().refund(request.into_inner())?;
        Ok(Response::new(pb::RefundPaymentResponse { payment: Some(payment) }))
    }

    async fn get_payment(
        &self,
        request: Request<pb::GetPaymentRequest>,
    ) -> Result<Response<pb::GetPaymentResponse>, Status> {
        let payment = self.payment(&request.get_ref().payment_id);
        Ok(Response::new(pb::GetPaymentResponse { payment }))
    }

    async fn list_payments(
        &self,
        _request: Request<pb::ListPaymentsRequest>,
    ) -> Result<Response<pb::ListPaymentsResponse>, Status> {
        Err(Status::unimplemented("checkout does not list payments"))
    }
}

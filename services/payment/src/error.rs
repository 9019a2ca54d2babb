//! What can go wrong, and the gRPC status each of it becomes.

use mesh::Violations;
use rpc::Domain;
use rpc::money::Money;
use tonic::{Code, Status};

use crate::page_token::NotAToken;
use crate::processor::Failure;
use crate::seal::{OpenError, SealError};

/// The domain of every `ErrorInfo`.
pub(crate) const DOMAIN: Domain = Domain::new("souk.payment.v1");

/// Why a call is refused.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the request is invalid")]
    Invalid(Violations),
    #[error("the page token is not one of this list")]
    PageToken(#[from] NotAToken),
    #[error("there is no such payment")]
    NotFound,
    #[error("this payment was voided")]
    Closed,
    #[error("this payment has another card or amount")]
    Mismatch,
    #[error("there is no such card token, it has expired, or it was used for another payment")]
    TokenInvalid,
    #[error("the payment is not authorized")]
    NotAuthorized,
    #[error("the payment is captured")]
    Captured,
    #[error("the processor refuses to capture: {0}")]
    CaptureRefused(String),
    #[error("nothing was taken yet")]
    NotCaptured,
    #[error("less is left of what was taken: {0}")]
    RefundExceedsCapture(Money),
    #[error("the payment has all the refunds that it can have")]
    TooManyRefunds,
    #[error("this refund has another amount")]
    RefundMismatch,
    #[error("the processor refuses to refund: {0}")]
    RefundRefused(String),
    #[error("the processor was not reached, and nothing was done")]
    ProcessorUnavailable(#[source] Failure),
    #[error("the processor's answer is not known yet, so the payment is in doubt: try the same again")]
    OutcomeUnknown(#[source] Option<Failure>),
    #[error("seal a card")]
    Seal(#[from] SealError),
    #[error("open a sealed card")]
    Open(#[from] OpenError),
    #[error("make a token")]
    Random(#[from] getrandom::Error),
    #[error("the database did not do it")]
    Store(#[source] store::Error),
}

/// What cannot be unless the database was written by somebody else.
pub(crate) fn unexpected(attempted: &'static str, why: &'static str) -> store::Error {
    store::Error::Internal { attempted, source: std::sync::Arc::new(std::io::Error::other(why)) }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<Violations> for Error {
    fn from(violations: Violations) -> Self {
        Self::Invalid(violations)
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let failed = |reason| DOMAIN.status(Code::FailedPrecondition, &message, reason);
        let about = |reason, about| DOMAIN.about(Code::FailedPrecondition, &message, reason, [about]);
        match error {
            Error::Invalid(violations) => DOMAIN.invalid(&violations),
            Error::PageToken(_) => Violations::one("page_token", "must be the next_page_token of the page before")
                .status(DOMAIN.name(), "PAGE_TOKEN_INVALID"),
            Error::NotFound => DOMAIN.status(Code::NotFound, &message, "PAYMENT_NOT_FOUND"),
            Error::Closed => failed("PAYMENT_CLOSED"),
            Error::Mismatch => failed("PAYMENT_MISMATCH"),
            Error::TokenInvalid => failed("CARD_TOKEN_INVALID"),
            Error::NotAuthorized => failed("PAYMENT_NOT_AUTHORIZED"),
            Error::Captured => failed("PAYMENT_CAPTURED"),
            Error::CaptureRefused(why) => about("CAPTURE_REFUSED", ("processor_reason", why.as_str())),
            Error::NotCaptured => failed("PAYMENT_NOT_CAPTURED"),
            Error::RefundExceedsCapture(left) => about("REFUND_EXCEEDS_CAPTURE", ("refundable", &left.to_string())),
            Error::TooManyRefunds => failed("TOO_MANY_REFUNDS"),
            Error::RefundMismatch => failed("REFUND_MISMATCH"),
            Error::RefundRefused(why) => about("REFUND_REFUSED", ("processor_reason", why.as_str())),
            Error::ProcessorUnavailable(_) => DOMAIN.again(&message, "PROCESSOR_UNAVAILABLE"),
            Error::OutcomeUnknown(_) => DOMAIN.again(&message, "OUTCOME_UNKNOWN"),
            Error::Seal(_) | Error::Open(_) | Error::Random(_) => {
                tracing::error!(error = store::chain(&error), "call failed");
                DOMAIN.status(Code::Internal, "internal error", "INTERNAL")
            }
            Error::Store(error) => DOMAIN.store(&error),
        }
    }
}

//! What can go wrong, and the gRPC status each of it becomes.

use mesh::Violations;
use rpc::Domain;
use tonic::{Code, Status};

/// The domain of every `ErrorInfo`.
pub(crate) const DOMAIN: Domain = Domain::new("souk.acquirer.v1");

/// What is told of a refusal that a fault asked for.
pub(crate) const REFUSED_BY_FAULT: &str = "the processor refuses, as it was told to";

/// Why a call is refused.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the request is invalid")]
    Invalid(Violations),
    #[error("there is no such charge")]
    NotFound,
    #[error("this charge was voided")]
    Closed,
    #[error("this charge has another card or amount")]
    Mismatch,
    #[error("there is no authorization to capture")]
    NotAuthorized,
    #[error("the authorization has expired")]
    Expired,
    #[error("{}", REFUSED_BY_FAULT)]
    Refused,
    #[error("this charge is captured")]
    Captured,
    #[error("nothing was taken")]
    NotCaptured,
    #[error("less is left of what was taken")]
    RefundExceedsCapture,
    #[error("this refund has another amount")]
    RefundMismatch,
    #[error("this charge has all the refunds that it can have")]
    TooManyRefunds,
    #[error("the processor is down")]
    Down,
    #[error("the answer is lost")]
    Lost,
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
        match error {
            Error::Invalid(violations) => DOMAIN.invalid(&violations),
            Error::NotFound => DOMAIN.status(Code::NotFound, &message, "CHARGE_NOT_FOUND"),
            Error::Closed => failed("CHARGE_CLOSED"),
            Error::Mismatch => failed("CHARGE_MISMATCH"),
            Error::NotAuthorized => failed("CHARGE_NOT_AUTHORIZED"),
            Error::Expired => failed("AUTHORIZATION_EXPIRED"),
            Error::Refused => {
                let about = [("processor_reason", REFUSED_BY_FAULT)];
                DOMAIN.about(Code::FailedPrecondition, &message, "CHARGE_REFUSED", about)
            }
            Error::Captured => failed("CHARGE_CAPTURED"),
            Error::NotCaptured => failed("CHARGE_NOT_CAPTURED"),
            Error::RefundExceedsCapture => failed("REFUND_EXCEEDS_CAPTURE"),
            Error::RefundMismatch => failed("REFUND_MISMATCH"),
            Error::TooManyRefunds => failed("TOO_MANY_REFUNDS"),
            Error::Down => DOMAIN.again(&message, "PROCESSOR_DOWN"),
            // As bare as one that a broken connection leaves.
            Error::Lost => Self::unavailable(message),
            Error::Store(error) => DOMAIN.store(&error),
        }
    }
}

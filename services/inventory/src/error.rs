//! What can go wrong, and the gRPC status each of it becomes.

use std::sync::Arc;

use mesh::Violations;
use rpc::Domain;
use tonic::{Code, Status};
use tonic_types::{PreconditionViolation, StatusExt as _};

use crate::stock::ProductId;

/// The domain of every `ErrorInfo`.
pub(crate) const DOMAIN: Domain = Domain::new("souk.inventory.v1");
/// The most preconditions one answer names; details travel in a header, which peers limit to 8 KiB or more.
const PRECONDITIONS_MAX: usize = 20;

/// Why a call is refused.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the request is invalid")]
    Invalid(Violations),
    #[error("there is no stock of {0}")]
    StockNotFound(ProductId),
    #[error("the stock cannot be changed so")]
    OutOfRange(Preconditions),
    #[error("there is too little in stock")]
    Insufficient(Preconditions),
    #[error("the reservation of this order was released or has expired")]
    ReservationClosed,
    #[error("this order has reserved other lines")]
    ReservationMismatch,
    #[error("this order has reserved nothing")]
    ReservationNotFound,
    #[error("nothing of this order was sold")]
    NotCommitted,
    #[error("more would come back than was sold")]
    ReturnExceedsSold(Preconditions),
    #[error("the feed")]
    Feed(#[source] store::WatchError),
    #[error("the database did not do it")]
    Store(#[source] store::Error),
}

/// What is in the way, the first twenty of it: a subject, such as `lines[3]`, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preconditions {
    found: Vec<(String, String)>,
}

impl Preconditions {
    pub(crate) fn add(&mut self, subject: impl Into<String>, why: impl Into<String>) {
        if self.found.len() < PRECONDITIONS_MAX {
            self.found.push((subject.into(), why.into()));
        }
    }

    /// `Ok` where nothing is in the way.
    pub(crate) fn check(self) -> Result<(), Self> {
        if self.found.is_empty() { Ok(()) } else { Err(self) }
    }
}

/// What cannot be unless the database was written by somebody else.
pub(crate) fn unexpected(attempted: &'static str, why: &'static str) -> store::Error {
    store::Error::Internal { attempted, source: Arc::new(std::io::Error::other(why)) }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<store::WatchError> for Error {
    fn from(error: store::WatchError) -> Self {
        Self::Feed(error)
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
            Error::StockNotFound(id) => {
                DOMAIN.about(Code::NotFound, &message, "STOCK_NOT_FOUND", [("product_id", id.as_str())])
            }
            Error::OutOfRange(found) => in_the_way(&message, "STOCK_OUT_OF_RANGE", &found),
            Error::Insufficient(found) => in_the_way(&message, "INSUFFICIENT_STOCK", &found),
            Error::ReservationClosed => failed("RESERVATION_CLOSED"),
            Error::ReservationMismatch => failed("RESERVATION_MISMATCH"),
            Error::ReservationNotFound => DOMAIN.status(Code::NotFound, &message, "RESERVATION_NOT_FOUND"),
            Error::NotCommitted => failed("RESERVATION_NOT_COMMITTED"),
            Error::ReturnExceedsSold(found) => in_the_way(&message, "RETURN_EXCEEDS_SOLD", &found),
            Error::Feed(error) => rpc::feed::refusal(DOMAIN, &error),
            Error::Store(error) => DOMAIN.store(&error),
        }
    }
}

fn in_the_way(message: &str, reason: &str, Preconditions { found }: &Preconditions) -> Status {
    let message = match found.first() {
        Some((subject, why)) => format!("{message}: {subject}: {why}"),
        None => message.to_owned(),
    };
    let mut details = DOMAIN.status(Code::FailedPrecondition, "", reason).get_error_details();
    let violation = |(subject, why): &(String, String)| PreconditionViolation::new(reason, subject, why);
    details.set_precondition_failure(found.iter().map(violation).collect::<Vec<_>>());
    Status::with_error_details(Code::FailedPrecondition, message, details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_way_is_named_twenty_times_at_most_and_fits_a_header() {
        let mut short = Preconditions::default();
        for index in 0..100 {
            short.add(format!("products/{index:0>64}"), "10000 wanted, 1000000000 on hand");
        }
        let status = Status::from(Error::Insufficient(short));
        let details = status.get_error_details();
        let violations = &details.precondition_failure().unwrap().violations;
        assert_eq!((violations.len(), violations[0].r#type.as_str()), (20, "INSUFFICIENT_STOCK"));
        let info = details.error_info().unwrap();
        assert_eq!((info.domain.as_str(), info.reason.as_str()), ("souk.inventory.v1", "INSUFFICIENT_STOCK"));
        // base64 in one header, of which peers take 8 KiB.
        assert!(status.details().len() * 4 / 3 + status.message().len() < 6 * 1024);
    }
}

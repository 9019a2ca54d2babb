//! What can go wrong, and the gRPC status each of it becomes.

use std::collections::HashMap;
use std::time::Duration;

use mesh::Violations;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::product::ProductId;

/// The domain of every `ErrorInfo`.
const DOMAIN: &str = "souk.catalog.v1";
/// When a call that failed for the database is worth another try: the store looks for it twice a second.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Why a call is refused.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the request is invalid")]
    Invalid(Violations),
    #[error("the page token is not one of this list")]
    PageToken,
    #[error("there is no product {0}")]
    NotFound(ProductId),
    #[error("there is a product {0} already")]
    Exists(ProductId),
    #[error("product {0} is no longer the one of this etag: read it again")]
    EtagMismatch(ProductId),
    #[error("the request id was used before with other content")]
    RequestReused,
    #[error("the catalog's feed is not served")]
    NoFeed,
    /// The bytes are no message of the contract.
    #[error("{0}")]
    Unreadable(String),
    #[error("{0}")]
    TooLarge(String),
    /// Nothing was changed.
    #[error("the database is away")]
    DatabaseAway(#[source] store::Error),
    /// Nobody knows whether anything was changed. The same request again finds out: by its id, or by what is unchanged.
    #[error("the database went away during the commit, which may have happened: try the same again")]
    InDoubt(#[source] store::Error),
    /// Nothing was changed.
    #[error("too many calls at once")]
    Overloaded(#[source] store::Error),
    #[error("internal error")]
    Internal(#[source] store::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::RequestReused { .. } => Self::RequestReused,
            store::Error::Unavailable { .. } | store::Error::Closed { .. } => Self::DatabaseAway(error),
            store::Error::InDoubt { .. } => Self::InDoubt(error),
            store::Error::Overloaded { .. } => Self::Overloaded(error),
            store::Error::Conflict { .. }
            | store::Error::Violation { .. }
            | store::Error::Corrupt { .. }
            | store::Error::Config { .. }
            | store::Error::Open { .. }
            | store::Error::Migration { .. }
            | store::Error::Internal { .. } => Self::Internal(error),
        }
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
        match error {
            Error::Invalid(violations) => violations.status(DOMAIN, "INVALID_REQUEST"),
            Error::PageToken => Violations::one("page_token", "is not from this list, or its filters have changed")
                .status(DOMAIN, "PAGE_TOKEN_INVALID"),
            Error::NotFound(id) => about(Code::NotFound, &message, "PRODUCT_NOT_FOUND", &id),
            Error::Exists(id) => about(Code::AlreadyExists, &message, "PRODUCT_EXISTS", &id),
            Error::EtagMismatch(id) => about(Code::Aborted, &message, "ETAG_MISMATCH", &id),
            Error::RequestReused => status(Code::FailedPrecondition, &message, info("REQUEST_ID_REUSED")),
            Error::NoFeed => status(Code::Unimplemented, &message, info("UNIMPLEMENTED")),
            Error::Unreadable(_) => status(Code::InvalidArgument, &message, info("INVALID_REQUEST")),
            Error::TooLarge(_) => status(Code::ResourceExhausted, &message, info("MESSAGE_TOO_LARGE")),
            Error::DatabaseAway(_) => again(&message, "DATABASE_UNAVAILABLE"),
            Error::InDoubt(source) => {
                tracing::warn!(error = %source.chain(), "commit in doubt");
                again(&message, "COMMIT_IN_DOUBT")
            }
            Error::Overloaded(_) => again(&message, "OVERLOADED"),
            Error::Internal(source) => {
                tracing::error!(error = %source.chain(), "call failed");
                status(Code::Internal, &message, info("INTERNAL"))
            }
        }
    }
}

/// What a message is refused with before the catalog sees it, in the catalog's terms: the caller's mistakes are no internal
/// errors. `None`: it is as it should be.
pub(crate) fn refused_unread(status: &Status) -> Option<Status> {
    let message = || status.message().to_owned();
    match status.code() {
        _ if !status.details().is_empty() => None,
        Code::Internal if status.message().starts_with("failed to decode Protobuf message") => {
            Some(Error::Unreadable(message()).into())
        }
        Code::OutOfRange => Some(Error::TooLarge(message()).into()),
        _ => None,
    }
}

fn status(code: Code, message: &str, details: ErrorDetails) -> Status {
    Status::with_error_details(code, message, details)
}

fn info(reason: &str) -> ErrorDetails {
    ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new())
}

fn about(code: Code, message: &str, reason: &str, id: &ProductId) -> Status {
    let metadata = HashMap::from([("product_id".to_owned(), id.to_string())]);
    status(code, message, ErrorDetails::with_error_info(reason, DOMAIN, metadata))
}

/// The caller may try again, soon.
fn again(message: &str, reason: &str) -> Status {
    let mut details = info(reason);
    details.set_retry_info(Some(RETRY_AFTER));
    status(Code::Unavailable, message, details)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn away() -> store::Error {
        let source = std::io::Error::other("connect to 10.1.2.3:5432 as souk");
        store::Error::Unavailable { attempted: "SELECT products", source: Arc::new(source) }
    }

    #[test]
    fn a_database_that_is_away_is_unavailable_with_a_time_to_come_back_and_no_address_leaks() {
        let status = Status::from(Error::from(away()));
        assert_eq!(status.code(), Code::Unavailable);
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "DATABASE_UNAVAILABLE");
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(RETRY_AFTER));
        assert!(!format!("{status:?}").contains("10.1.2.3"), "{status:?}");
    }

    #[test]
    fn every_violation_travels_in_the_details_with_the_reason() {
        let mut violations = Violations::default();
        for index in 0..30 {
            violations.add(format!("product.attributes[{index}].name"), "must not be empty");
        }
        let status = Status::from(Error::from(violations));
        let details = status.get_error_details();
        assert_eq!(details.bad_request().unwrap().field_violations.len(), 20);
        let info = details.error_info().unwrap();
        assert_eq!((info.domain.as_str(), info.reason.as_str()), ("souk.catalog.v1", "INVALID_REQUEST"));
        // base64 in one header, of which peers take 8 KiB.
        assert!(status.details().len() * 4 / 3 + status.message().len() < 6 * 1024);
    }
}

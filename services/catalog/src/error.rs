//! What can go wrong, and the gRPC status each of it becomes.

use mesh::Violations;
use rpc::Domain;
use tonic::{Code, Status};

use crate::product::ProductId;

/// The domain of every `ErrorInfo`.
pub(crate) const DOMAIN: Domain = Domain::new("souk.catalog.v1");

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
    #[error("the feed")]
    Feed(#[source] store::WatchError),
    #[error("the database did not do it")]
    Store(#[source] store::Error),
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
        match error {
            Error::Invalid(violations) => DOMAIN.invalid(&violations),
            Error::PageToken => Violations::one("page_token", "is not from this list, or its filters have changed")
                .status(DOMAIN.name(), "PAGE_TOKEN_INVALID"),
            Error::NotFound(id) => about(Code::NotFound, &message, "PRODUCT_NOT_FOUND", &id),
            Error::Exists(id) => about(Code::AlreadyExists, &message, "PRODUCT_EXISTS", &id),
            Error::EtagMismatch(id) => about(Code::Aborted, &message, "ETAG_MISMATCH", &id),
            Error::Feed(error) => rpc::feed::refusal(DOMAIN, &error),
            Error::Store(error) => DOMAIN.store(&error),
        }
    }
}

fn about(code: Code, message: &str, reason: &str, id: &ProductId) -> Status {
    DOMAIN.about(code, message, reason, [("product_id", id.as_str())])
}

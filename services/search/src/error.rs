//! What can go wrong, and the gRPC status each of it becomes.

use std::sync::Arc;

use mesh::Violations;
use rpc::Domain;
use tonic::{Code, Status};

/// The domain of every `ErrorInfo`.
pub(crate) const DOMAIN: Domain = Domain::new("souk.search.v1");

/// Why a call is refused.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the request is invalid")]
    Invalid(Violations),
    #[error("the page token is not one of this search")]
    PageToken,
    #[error("the query has no word to look for")]
    WithoutWords,
    #[error("the index is being built")]
    NotReady,
    #[error("too many calls at once")]
    Overloaded,
    #[error("internal error")]
    Internal(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

impl Error {
    pub(crate) fn internal(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal(Arc::new(source))
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
            Error::PageToken => {
                Violations::one("page_token", "is not from this search, or what it asks for has changed")
                    .status(DOMAIN.name(), "PAGE_TOKEN_INVALID")
            }
            Error::WithoutWords => Violations::one("query", "must have a word to look for, or be empty")
                .status(DOMAIN.name(), "QUERY_WITHOUT_WORDS"),
            Error::NotReady => DOMAIN.again(&message, "INDEX_NOT_READY"),
            Error::Overloaded => DOMAIN.again(&message, "OVERLOADED"),
            Error::Internal(source) => {
                tracing::error!(error = %store::chain(&*source), "call failed");
                DOMAIN.status(Code::Internal, &message, "INTERNAL")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt as _;

    use super::*;

    #[test]
    fn an_index_that_is_not_there_yet_says_when_to_come_back() {
        let status = Status::from(Error::NotReady);
        assert_eq!(status.code(), Code::Unavailable);
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "INDEX_NOT_READY");
        assert!(details.retry_info().unwrap().retry_delay.is_some());
    }

    #[test]
    fn the_source_of_an_internal_error_stays_inside() {
        let status = Status::from(Error::internal(std::io::Error::other("read /data/search/x.store")));
        assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
        assert!(!format!("{status:?}").contains("/data"));
    }
}

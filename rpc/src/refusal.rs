//! Refusals in the form that every contract promises: a code, a sentence, and an `ErrorInfo` (AIP-193).

use std::{collections::HashMap, time::Duration};

use http::Response;
use mesh::Body;
use store::Error as StoreError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// When a call that failed for the database is worth another try: the store looks for it twice a second.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// The domain of a service's `ErrorInfo`s: its proto package, such as `souk.catalog.v1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain(&'static str);

impl Domain {
    /// The domain of this proto package.
    #[must_use]
    pub const fn new(package: &'static str) -> Self {
        Self(package)
    }

    /// The package.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }

    /// A refusal with a reason that a caller may act on.
    #[must_use]
    pub fn status(self, code: Code, message: &str, reason: &str) -> Status {
        Status::with_error_details(code, message, self.info(reason, []))
    }

    /// The same with what it is about, such as `product_id`.
    #[must_use]
    pub fn about<const N: usize>(self, code: Code, message: &str, reason: &str, about: [(&str, &str); N]) -> Status {
        Status::with_error_details(code, message, self.info(reason, about))
    }

    /// `UNAVAILABLE`: the caller may try again, soon.
    #[must_use]
    pub fn again(self, message: &str, reason: &str) -> Status {
        let mut details = self.info(reason, []);
        details.set_retry_info(Some(RETRY_AFTER));
        Status::with_error_details(Code::Unavailable, message, details)
    }

    /// `INVALID_ARGUMENT` with all violations and the reason `INVALID_REQUEST`.
    #[must_use]
    pub fn invalid(self, violations: &mesh::Violations) -> Status {
        violations.status(self.0, "INVALID_REQUEST")
    }

    /// What a failure of the database means for the caller. Its cause is logged where somebody should see it, and never
    /// leaves the service.
    #[must_use]
    pub fn store(self, error: &StoreError) -> Status {
        match error {
            StoreError::RequestReused { .. } => {
                let message = "the request id was used before with other content";
                self.about(Code::FailedPrecondition, message, "REQUEST_ID_REUSED", [("field", "request_id")])
            }
            StoreError::Unavailable { .. } | StoreError::Closed { .. } => {
                self.again("the database is away", "DATABASE_UNAVAILABLE")
            }
            StoreError::InDoubt { .. } => {
                tracing::warn!(error = %error.chain(), "commit in doubt");
                let message = "the database went away during the commit, which may have happened: try the same again";
                self.again(message, "COMMIT_IN_DOUBT")
            }
            StoreError::Overloaded { .. } => self.again("too many calls at once", "OVERLOADED"),
            StoreError::Conflict { .. }
            | StoreError::Violation { .. }
            | StoreError::Corrupt { .. }
            | StoreError::Config { .. }
            | StoreError::Open { .. }
            | StoreError::Migration { .. }
            | StoreError::Internal { .. } => {
                tracing::error!(error = %error.chain(), "call failed");
                self.status(Code::Internal, "internal error", "INTERNAL")
            }
        }
    }

    /// An answer whose refusal of an unread message, if it is one, is in the service's terms.
    #[must_use]
    pub fn answered(self, answer: Response<Body>) -> Response<Body> {
        // An answer without a body has its status in the headers.
        let refused = Status::from_header_map(answer.headers()).and_then(|status| self.refused_unread(&status));
        refused.map_or(answer, |status| status.into_http())
    }

    /// What a message is refused with before the service sees it, in the service's terms: a caller's mistakes are no
    /// internal errors. `None`: it is as it should be.
    fn refused_unread(self, status: &Status) -> Option<Status> {
        match status.code() {
            _ if !status.details().is_empty() => None,
            Code::Internal if status.message().starts_with("failed to decode Protobuf message") => {
                Some(self.status(Code::InvalidArgument, status.message(), "INVALID_REQUEST"))
            }
            Code::OutOfRange => Some(self.status(Code::ResourceExhausted, status.message(), "MESSAGE_TOO_LARGE")),
            _ => None,
        }
    }

    fn info<const N: usize>(self, reason: &str, about: [(&str, &str); N]) -> ErrorDetails {
        let metadata: HashMap<_, _> =
            about.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        ErrorDetails::with_error_info(reason, self.0, metadata)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const DOMAIN: Domain = Domain::new("souk.catalog.v1");

    #[test]
    fn a_database_that_is_away_is_unavailable_with_a_time_to_come_back_and_no_address_leaks() {
        let source = std::io::Error::other("connect to 10.1.2.3:5432 as souk");
        let status = DOMAIN.store(&StoreError::Unavailable { attempted: "SELECT products", source: Arc::new(source) });
        assert_eq!(status.code(), Code::Unavailable);
        let details = status.get_error_details();
        assert_eq!(details.error_info().map(|info| info.reason.as_str()), Some("DATABASE_UNAVAILABLE"));
        assert_eq!(details.retry_info().and_then(|info| info.retry_delay), Some(RETRY_AFTER));
        assert!(!format!("{status:?}").contains("10.1.2.3"), "{status:?}");
    }

    #[test]
    fn every_violation_travels_in_the_details_with_the_reason() {
        let mut violations = mesh::Violations::default();
        for index in 0..30 {
            violations.add(format!("product.attributes[{index}].name"), "must not be empty");
        }
        let status = DOMAIN.invalid(&violations);
        let details = status.get_error_details();
        assert_eq!(details.bad_request().map(|bad| bad.field_violations.len()), Some(20));
        let info = details.error_info().map(|info| (info.domain.as_str(), info.reason.as_str()));
        assert_eq!(info, Some(("souk.catalog.v1", "INVALID_REQUEST")));
        // base64 in one header, of which peers take 8 KiB.
        assert!(status.details().len() * 4 / 3 + status.message().len() < 6 * 1024);
    }

    #[test]
    fn what_no_service_could_read_is_the_callers_mistake() {
        let unread = Status::internal("failed to decode Protobuf message: invalid wire type");
        let refused = DOMAIN.refused_unread(&unread).map(|status| status.code());
        assert_eq!(refused, Some(Code::InvalidArgument));
        assert!(DOMAIN.refused_unread(&Status::internal("internal error")).is_none());
        assert!(DOMAIN.refused_unread(&DOMAIN.status(Code::Internal, "internal error", "INTERNAL")).is_none());
    }
}

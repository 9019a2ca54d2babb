//! Why the shop did not do it: the order, the code, the reason, and each field that is wrong.

use std::fmt;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use super::options::OrderId;

/// See the module.
#[derive(Debug)]
pub(super) struct Refusal {
    attempted: String,
    status: Status,
    request_id: Option<Uuid>,
}

impl Refusal {
    pub(super) fn of(verb: &str, order: &OrderId, status: Status) -> Self {
        Self { attempted: format!("{verb} order {}", order.short()), status, request_id: None }
    }

    pub(super) fn of_list(status: Status) -> Self {
        Self { attempted: "list orders".to_owned(), status, request_id: None }
    }

    /// With the id under which it can be sent again, should nobody know whether it was done.
    pub(super) fn repeated_by(self, request_id: &Uuid) -> Self {
        Self { request_id: Some(*request_id), ..self }
    }

    /// Whether it may have been done all the same.
    fn is_in_doubt(&self) -> bool {
        match self.status.code() {
            Code::Cancelled | Code::Unknown | Code::DeadlineExceeded | Code::Internal | Code::Unavailable => true,
            Code::Ok
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::DataLoss
            | Code::Unauthenticated => false,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let details = self.status.get_error_details();
        write!(f, "{}: {}", self.attempted, mesh::status::code_name(self.status.code()))?;
        if let Some(info) = details.error_info() {
            write!(f, " {}", info.reason)?;
        }
        write!(f, ": {}", self.status.message())?;
        for field in details.bad_request().map(|it| it.field_violations.as_slice()).unwrap_or_default() {
            write!(f, "; {}: {}", field.field, field.description)?;
        }
        for violation in details.precondition_failure().map(|it| it.violations.as_slice()).unwrap_or_default() {
            write!(f, "; {}: {}", violation.subject, violation.description)?;
        }
        match self.request_id.filter(|_| self.is_in_doubt()) {
            Some(id) => write!(f, "; it may have been done: the same again with --request-id {id} counts once"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use tonic_types::{ErrorDetails, PreconditionViolation};

    use super::*;

    fn refusal(status: Status) -> String {
        let order = "0123456789abcdef0123456789abcdef".parse().unwrap();
        Refusal::of("refund", &order, status).repeated_by(&Uuid::nil()).to_string()
    }

    #[test]
    fn a_refusal_names_the_order_the_reason_and_what_is_wrong() {
        let mut details = ErrorDetails::with_error_info("REFUND_EXCEEDS_ORDER", "souk.checkout.v1", []);
        details.set_precondition_failure(vec![PreconditionViolation::new(
            "REFUND_EXCEEDS_ORDER",
            "lines[0]",
            "2 left",
        )]);
        let said = refusal(Status::with_error_details(Code::FailedPrecondition, "too many units", details));
        assert_eq!(
            said,
            "refund order 01234567: FAILED_PRECONDITION REFUND_EXCEEDS_ORDER: too many units; lines[0]: 2 left"
        );
    }

    #[test]
    fn only_what_may_have_been_done_says_how_to_repeat_it() {
        assert!(refusal(Status::unavailable("away")).contains("--request-id 00000000-"));
        assert!(!refusal(Status::not_found("no such order")).contains("--request-id"));
    }
}

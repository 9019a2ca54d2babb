//! Why a service did not do what a page asked it for.

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// A service's refusal, as pages tell them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    code: Code,
    /// The contract's reason; empty where the answer has none.
    reason: String,
    /// The fields that are wrong, by the contract's names.
    fields: Vec<String>,
}

impl Refusal {
    /// An answer that does not keep to the contract.
    pub(super) fn broken() -> Self {
        Self { code: Code::Internal, reason: String::new(), fields: Vec::new() }
    }

    /// Whether the contract's reason is this one.
    pub(super) fn is(&self, reason: &str) -> bool {
        self.reason == reason
    }

    /// The fields that are wrong.
    pub(super) fn fields(&self) -> &[String] {
        &self.fields
    }

    /// Whether there is no such thing.
    pub(super) fn is_not_found(&self) -> bool {
        self.code == Code::NotFound
    }

    /// Whether the service said nothing of the request: it is away, too busy, too late or broken, and asking again may help.
    pub(super) fn is_away(&self) -> bool {
        match self.code {
            Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unauthenticated => false,
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss => true,
        }
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
        let violations =
            details.bad_request().map(|bad| bad.field_violations.iter().map(|one| one.field.clone()).collect());
        Self { code: status.code(), reason, fields: violations.unwrap_or_default() }
    }
}

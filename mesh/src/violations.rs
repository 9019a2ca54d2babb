//! Collects everything wrong with a request into one `INVALID_ARGUMENT` with `BadRequest` details (AIP-193).

use tonic::Status;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

/// The most violations one answer names; details travel in a header, which peers limit to 8 KiB.
pub const VIOLATIONS_MAX: usize = 20;

/// The field violations found so far.
///
/// ```
/// let mut violations = mesh::Violations::default();
/// violations.require(!"".is_empty(), "name", "must not be empty");
/// let status = violations.check().unwrap_err();
/// assert_eq!(status.code(), tonic::Code::InvalidArgument);
/// assert_eq!(status.message(), "name: must not be empty");
/// ```
#[derive(Debug, Default)]
pub struct Violations {
    found: Vec<FieldViolation>,
}

impl Violations {
    /// Notes that `field`, a path such as `product.price.nanos`, breaks a rule.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        if self.found.len() < VIOLATIONS_MAX {
            self.found.push(FieldViolation::new(field, description));
        }
    }

    /// Notes a violation unless `holds`.
    pub fn require(&mut self, holds: bool, field: impl Into<String>, description: impl Into<String>) {
        if !holds {
            self.add(field, description);
        }
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// What was found, as (field, description).
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.found.iter().map(|found| (found.field.as_str(), found.description.as_str()))
    }

    /// `Ok` where nothing was found.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`: the message names every field, the details are a `google.rpc.BadRequest`.
    #[allow(clippy::result_large_err, reason = "Status is what a tonic handler returns")]
    pub fn check(self) -> Result<(), Status> {
        if self.found.is_empty() {
            return Ok(());
        }
        let message: Vec<_> = self.iter().map(|(field, description)| format!("{field}: {description}")).collect();
        let details = ErrorDetails::with_bad_request(self.found);
        Err(Status::with_error_details(tonic::Code::InvalidArgument, message.join("; "), details))
    }
}

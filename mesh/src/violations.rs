//! Collects what is wrong with a request, field by field, into one `INVALID_ARGUMENT` (AIP-193).

use std::collections::HashMap;

use tonic::Status;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

/// The most violations one answer names; details travel in a header, which peers limit to 8 KiB or more.
pub const VIOLATIONS_MAX: usize = 20;

/// One field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its path in the request, such as `product.pictures[2].uri`.
    pub field: String,
    /// The rule, as the end of a sentence that begins with the field.
    pub description: String,
}

/// The field violations found so far, the first twenty of them.
///
/// ```
/// let mut violations = mesh::Violations::default();
/// violations.add("name", "must not be empty");
/// let status = violations.check().unwrap_err().status("shop.v1", "INVALID_REQUEST");
/// assert_eq!(status.code(), tonic::Code::InvalidArgument);
/// assert_eq!(status.message(), "name must not be empty");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations {
    found: Vec<Violation>,
}

impl Violations {
    /// A list of one.
    #[must_use]
    pub fn one(field: impl Into<String>, description: impl Into<String>) -> Self {
        let mut violations = Self::default();
        violations.add(field, description);
        violations
    }

    /// Notes that `field`, a path such as `product.price.nanos`, breaks a rule.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        if self.found.len() < VIOLATIONS_MAX {
            self.found.push(Violation { field: field.into(), description: description.into() });
        }
    }

    /// The same of a message that has this one in the field `parent`. An empty path is the message as a whole.
    #[must_use]
    pub fn within(mut self, parent: &str) -> Self {
        for violation in &mut self.found {
            let dot = if violation.field.is_empty() { "" } else { "." };
            violation.field = format!("{parent}{dot}{}", violation.field);
        }
        self
    }

    /// The first one, in the order of the fields.
    #[must_use]
    pub fn first(&self) -> Option<&Violation> {
        self.found.first()
    }

    /// All of them, in the order of the fields.
    #[must_use]
    pub fn as_slice(&self) -> &[Violation] {
        &self.found
    }

    /// `Ok` where nothing was found.
    ///
    /// # Errors
    /// What was found.
    pub fn check(self) -> Result<(), Self> {
        if self.found.is_empty() { Ok(()) } else { Err(self) }
    }

    /// `INVALID_ARGUMENT` with a `google.rpc.BadRequest` of all fields, and an `ErrorInfo` of this domain and reason.
    ///
    /// The message names the first field only: all are in the details, and both travel in headers of limited size.
    #[must_use]
    pub fn status(&self, domain: &str, reason: &str) -> Status {
        let message = match self.as_slice() {
            [] => "the request is invalid".to_owned(),
            [only] => format!("{} {}", only.field, only.description),
            [first, rest @ ..] => format!("{} {} (and {} more)", first.field, first.description, rest.len()),
        };
        let mut details = ErrorDetails::with_error_info(reason, domain, HashMap::new());
        let fields = self.found.iter().map(|found| FieldViolation::new(&found.field, &found.description));
        details.set_bad_request(fields.collect::<Vec<_>>());
        Status::with_error_details(tonic::Code::InvalidArgument, message, details)
    }
}

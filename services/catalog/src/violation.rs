//! What is wrong with a request, field by field.
//!
//! The contract promises a caller the first twenty; a request has hundreds of fields, so the list is bounded here.

/// The most violations that one answer names. They travel in a header, which peers limit to 8 KiB.
pub(crate) const VIOLATIONS_MAX: usize = 20;

/// One field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// Its path in the request, such as `product.pictures[2].uri`.
    pub(crate) field: String,
    /// The rule, as the end of a sentence that begins with the field.
    pub(crate) description: String,
}

/// The violations found so far, at most twenty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Violations {
    found: Vec<Violation>,
}

impl Violations {
    /// A list of one.
    pub(crate) fn one(field: impl Into<String>, description: impl Into<String>) -> Self {
        let mut violations = Self::default();
        violations.add(field, description);
        violations
    }

    pub(crate) fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        if self.found.len() < VIOLATIONS_MAX {
            self.found.push(Violation { field: field.into(), description: description.into() });
        }
    }

    /// The same of a message that has this one in the field `parent`. An empty path is the message as a whole.
    pub(crate) fn within(mut self, parent: &str) -> Self {
        for violation in &mut self.found {
            let dot = if violation.field.is_empty() { "" } else { "." };
            violation.field = format!("{parent}{dot}{}", violation.field);
        }
        self
    }

    /// The first one, in the order of the fields.
    pub(crate) fn first(&self) -> Option<&Violation> {
        self.found.first()
    }

    /// All of them, in the order of the fields.
    pub(crate) fn as_slice(&self) -> &[Violation] {
        &self.found
    }

    /// `Ok` where nothing was found.
    pub(crate) fn check(self) -> Result<(), Self> {
        if self.found.is_empty() { Ok(()) } else { Err(self) }
    }
}

//! Ids that are a right: whoever knows one may use what it names.

use std::fmt;

use serde::{Deserialize, Serialize};

/// 128 unguessable bits as 32 lower-case hexadecimal digits. It is never printed whole; stored, it is its text.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Capability(Box<str>);

impl Capability {
    /// The rule, as the end of a sentence.
    pub const RULE: &'static str = "must be 32 lower-case hexadecimal digits";

    /// Reads one.
    #[must_use]
    pub fn parse(id: &str) -> Option<Self> {
        let digits = id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        digits.then(|| Self(id.into()))
    }

    /// Reads the one in `field`, or notes that it is none.
    pub fn read(id: &str, field: &str, violations: &mut mesh::Violations) -> Option<Self> {
        let read = Self::parse(id);
        if read.is_none() {
            violations.add(field, Self::RULE);
        }
        read
    }

    /// One that nobody has had before.
    ///
    /// # Errors
    /// If the system has no random bits.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits)?;
        Ok(Self(format!("{:032x}", u128::from_be_bytes(bits)).into()))
    }

    /// The id as text, for the database and for whoever has the right.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that is no capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", Capability::RULE)]
pub struct NotACapability;

impl TryFrom<String> for Capability {
    type Error = NotACapability;

    fn try_from(id: String) -> Result<Self, NotACapability> {
        Self::parse(&id).ok_or(NotACapability)
    }
}

impl From<Capability> for String {
    fn from(id: Capability) -> Self {
        id.0.into()
    }
}

impl fmt::Debug for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", &self.0[..8])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_is_what_its_rule_says_and_is_not_printed_whole() {
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(format!("{:?}", Capability::parse(id).unwrap()), "01234567…");
        for id in ["", &id[1..], &id.to_uppercase(), &format!("{id}0"), "0123456789abcdef0123456789abcdeg"] {
            assert!(Capability::parse(id).is_none(), "{id}");
        }
        let random = Capability::random().unwrap();
        assert_eq!(Capability::parse(random.as_str()), Some(random.clone()));
        assert_ne!(random, Capability::random().unwrap());
    }
}

//! The id by which every service knows a product.

use std::fmt;

/// A product's id: `[A-Za-z0-9][A-Za-z0-9._~-]{0,63}`, which fits into a path as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProductId(Box<str>);

impl ProductId {
    /// The rule, as the end of a sentence.
    pub const RULE: &'static str = "must match [A-Za-z0-9][A-Za-z0-9._~-]{0,63}";

    /// The id that this text is, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::is_valid(text).then(|| Self(text.into()))
    }

    /// Whether this is an id; a hot path asks without keeping it.
    #[must_use]
    pub fn is_valid(text: &str) -> bool {
        let bytes = text.as_bytes();
        let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"._~-".contains(byte);
        (1..=64).contains(&bytes.len()) && bytes[0].is_ascii_alphanumeric() && bytes.iter().all(inner)
    }

    /// A new one that nothing else has.
    #[must_use]
    pub fn generate() -> Self {
        Self(uuid::Uuid::new_v4().hyphenated().to_string().into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_a_product_fits_into_a_path_as_it_is() {
        for id in ["a", "A-1.2_3~4", &"x".repeat(64)] {
            assert!(ProductId::is_valid(id), "{id}");
        }
        for id in ["", "-a", ".", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert!(!ProductId::is_valid(id), "{id}");
        }
    }
}

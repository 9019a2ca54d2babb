//! Which products a list asks for, and the token that goes on with it.
//!
//! A token names the last product of its page, so that what is made or deleted in between moves nothing, and it is bound to
//! the filters, so that it cannot go on with another list by mistake. It is no secret: it only has to be recognised.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::product::{CategoryPath, ProductId};

/// How many products a page has where the request does not say, and at most.
pub(crate) const SIZE_DEFAULT: usize = 50;
pub(crate) const SIZE_MAX: usize = 1_000;
/// A page ends where its products reach this many bytes.
pub(crate) const BYTES_MAX: usize = 1024 * 1024;
/// The most categories that are counted.
pub(crate) const SUBCATEGORIES_MAX: u32 = 200;

/// The longest token that is looked at.
const TOKEN_MAX: usize = 512;
/// The first byte of a token; another layout gets another one.
const VERSION: u8 = 1;
/// How much of the digest a token carries.
const DIGEST: usize = 8;

/// What all products of a list have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Filter {
    pub(crate) category: Option<CategoryPath>,
    /// Empty: any.
    pub(crate) brand: String,
    pub(crate) include_discontinued: bool,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Query {
    pub(crate) filter: Filter,
    pub(crate) size: usize,
    /// The last product of the page before.
    pub(crate) after: Option<ProductId>,
    pub(crate) count_subcategories: bool,
}

impl Filter {
    /// The token of the page after this product.
    pub(crate) fn token(&self, last: &ProductId) -> String {
        let mut token = vec![VERSION];
        token.extend_from_slice(&self.digest(last));
        token.extend_from_slice(last.as_str().as_bytes());
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The product that a token names; `None` if it is not one of this list's.
    pub(crate) fn read_token(&self, token: &str) -> Option<ProductId> {
        if token.len() > TOKEN_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (version, bytes) = bytes.split_first()?;
        let (digest, id) = bytes.split_at_checked(DIGEST)?;
        let last = ProductId::parse(std::str::from_utf8(id).ok()?)?;
        (*version == VERSION && digest == self.digest(&last)).then_some(last)
    }

    /// Every part has its length before it, so that no two lists look the same.
    fn digest(&self, last: &ProductId) -> [u8; DIGEST] {
        let mut digest = Sha256::new();
        digest.update([VERSION, u8::from(self.include_discontinued)]);
        let names = self.category.as_ref().map_or(&[][..], CategoryPath::names).iter().map(String::as_str);
        for part in [last.as_str(), &self.brand].into_iter().chain(names) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let mut short = [0; DIGEST];
        short.copy_from_slice(&digest.finalize()[..DIGEST]);
        short
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter() -> impl Strategy<Value = Filter> {
        let names = proptest::collection::vec("[a-c/]{1,3}", 0..4);
        (names, "[a-c]{0,3}", any::<bool>()).prop_map(|(names, brand, include_discontinued)| Filter {
            category: (!names.is_empty()).then(|| CategoryPath::new(names)),
            brand,
            include_discontinued,
        })
    }

    proptest! {
        #[test]
        fn a_token_is_read_by_its_own_list_and_by_no_other(
            list in filter(), other in filter(), id in "[A-Za-z0-9][A-Za-z0-9._~-]{0,63}",
        ) {
            let id = ProductId::parse(&id).unwrap();
            let token = list.token(&id);
            prop_assert!(token.len() <= TOKEN_MAX);
            prop_assert_eq!(list.read_token(&token), Some(id.clone()));
            prop_assert_eq!(other.read_token(&token).is_some(), list == other);
        }

        #[test]
        fn a_changed_token_is_no_token(list in filter(), id in "[a-z]{1,20}", at in 0..16_usize, flip in 1..=255_u8) {
            let mut bytes = URL_SAFE_NO_PAD.decode(list.token(&ProductId::parse(&id).unwrap())).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            prop_assert_eq!(list.read_token(&URL_SAFE_NO_PAD.encode(bytes)), None);
        }

        #[test]
        fn no_text_panics(list in filter(), token in ".{0,600}") {
            prop_assert_eq!(list.read_token(&token), None);
        }
    }
}

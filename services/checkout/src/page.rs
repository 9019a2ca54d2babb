//! Which orders a list asks for, and the token that goes on with it.
//!
//! A token names the last order of its page, so that what is placed in between moves nothing, and it is bound to the filters,
//! so that it cannot go on with another list by mistake. It is as secret as the ids that it was given with.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::order::{Order, State};

/// How many orders a page has where the request does not say, and at most.
pub(crate) const SIZE_DEFAULT: usize = 50;
pub(crate) const SIZE_MAX: usize = 1_000;
/// A page ends where its orders reach this many bytes.
pub(crate) const BYTES_MAX: usize = 1024 * 1024;

/// The longest token that is looked at.
const TOKEN_MAX: usize = 512;
/// The first byte of a token; another layout gets another one.
const VERSION: u8 = 1;
/// How much of the digest a token carries.
const DIGEST: usize = 8;

/// What all orders of a list have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Filter {
    /// None: any.
    pub(crate) states: Vec<State>,
    pub(crate) placed_from_us: Option<i64>,
    pub(crate) placed_before_us: Option<i64>,
    /// Empty: any.
    pub(crate) contact_email: String,
    /// Only those that are not at rest, and whose step is the next since before this.
    pub(crate) step_since_before_us: Option<i64>,
}

impl Filter {
    /// The token of the page after this order.
    pub(crate) fn token(&self, last: &Order) -> String {
        self.write(last.create_us, last.id.as_str())
    }

    /// When the order that a token names was placed, and its id; `None` if it is not one of this list's.
    pub(crate) fn read_token(&self, token: &str) -> Option<(i64, String)> {
        if token.len() > TOKEN_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (version, bytes) = bytes.split_first()?;
        let (digest, bytes) = bytes.split_at_checked(DIGEST)?;
        let (create_us, id) = bytes.split_first_chunk()?;
        let (create_us, id) = (i64::from_be_bytes(*create_us), std::str::from_utf8(id).ok()?);
        (*version == VERSION && digest == self.digest(create_us, id)).then(|| (create_us, id.to_owned()))
    }

    fn write(&self, create_us: i64, id: &str) -> String {
        let mut token = vec![VERSION];
        token.extend_from_slice(&self.digest(create_us, id));
        token.extend_from_slice(&create_us.to_be_bytes());
        token.extend_from_slice(id.as_bytes());
        URL_SAFE_NO_PAD.encode(token)
    }

    /// Every part has its length before it, or is always as long, so that no two lists look the same.
    fn digest(&self, create_us: i64, id: &str) -> [u8; DIGEST] {
        let mut digest = Sha256::new();
        digest.update([VERSION]);
        let mut states: Vec<_> = self.states.iter().map(|state| state.name()).collect();
        states.sort_unstable();
        states.dedup();
        for part in [id, &self.contact_email].into_iter().chain(states) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        for time in [self.placed_from_us, self.placed_before_us, self.step_since_before_us, Some(create_us)] {
            digest.update([u8::from(time.is_some())]);
            digest.update(time.unwrap_or_default().to_be_bytes());
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
        let times = (proptest::option::of(0..3_i64), proptest::option::of(0..3_i64), proptest::option::of(0..3_i64));
        (0..3_usize, times, "[a-c]{0,2}").prop_map(|(states, (from, before, since), contact_email)| Filter {
            states: State::ALL[..states].to_vec(),
            placed_from_us: from,
            placed_before_us: before,
            contact_email,
            step_since_before_us: since,
        })
    }

    proptest! {
        #[test]
        fn a_token_is_read_by_its_own_list_and_by_no_other(
            list in filter(), other in filter(), create_us: i64, id in "[0-9a-f]{32}",
        ) {
            let token = list.write(create_us, &id);
            prop_assert!(token.len() <= TOKEN_MAX);
            prop_assert_eq!(list.read_token(&token), Some((create_us, id)));
            prop_assert_eq!(other.read_token(&token).is_some(), list == other);
        }

        #[test]
        fn no_text_panics(list in filter(), token in ".{0,600}") {
            prop_assert_eq!(list.read_token(&token), None);
        }
    }
}

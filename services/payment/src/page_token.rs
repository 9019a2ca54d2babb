//! The token that goes on with a list of payments.
//!
//! It names the last payment of its page, and is bound to the states that the list has, so that it cannot go on with another
//! list by mistake. It is no secret: it only has to be recognised.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rpc::Capability;
use sha2::{Digest as _, Sha256};

/// The longest token that is looked at.
const TOKEN_MAX: usize = 512;
/// The first byte of a token; another layout gets another one.
const VERSION: u8 = 1;
/// How much of the digest a token carries.
const DIGEST: usize = 8;

/// Where a page ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) create_us: i64,
    pub(crate) payment: Capability,
}

/// A text is no token of this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no token of this list")]
pub(crate) struct NotAToken;

impl Place {
    /// The token of the page after this place, in the list of these states.
    pub(crate) fn token(&self, states: &[i32]) -> String {
        let mut token = vec![VERSION];
        token.extend_from_slice(&self.digest(states));
        token.extend_from_slice(&self.create_us.to_be_bytes());
        token.extend_from_slice(self.payment.as_str().as_bytes());
        URL_SAFE_NO_PAD.encode(token)
    }

    /// Reads a token of the list of these states.
    pub(crate) fn read(token: &str, states: &[i32]) -> Result<Self, NotAToken> {
        if token.len() > TOKEN_MAX {
            return Err(NotAToken);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| NotAToken)?;
        let [VERSION, rest @ ..] = bytes.as_slice() else { return Err(NotAToken) };
        let (digest, rest) = rest.split_first_chunk::<DIGEST>().ok_or(NotAToken)?;
        let (create_us, id) = rest.split_first_chunk().ok_or(NotAToken)?;
        let payment = std::str::from_utf8(id).ok().and_then(Capability::parse).ok_or(NotAToken)?;
        let place = Self { create_us: i64::from_be_bytes(*create_us), payment };
        if *digest == place.digest(states) { Ok(place) } else { Err(NotAToken) }
    }

    /// The same states in another order are the same list.
    fn digest(&self, states: &[i32]) -> [u8; DIGEST] {
        let mut sorted = states.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let mut digest = Sha256::new();
        digest.update([VERSION]);
        digest.update(self.create_us.to_be_bytes());
        digest.update(self.payment.as_str());
        sorted.iter().for_each(|state| digest.update(state.to_be_bytes()));
        let mut short = [0; DIGEST];
        short.copy_from_slice(&digest.finalize()[..DIGEST]);
        short
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_is_read_by_its_own_list_and_by_no_other(create_us: i64, id in "[0-9a-f]{32}", at in 0..40_usize) {
            let place = Place { create_us, payment: Capability::parse(&id).unwrap() };
            let token = place.token(&[1, 5]);
            prop_assert_eq!(Place::read(&token, &[5, 1, 1]), Ok(place.clone()));
            prop_assert_eq!(Place::read(&token, &[1]), Err(NotAToken));
            prop_assert_eq!(Place::read(&token, &[]), Err(NotAToken));
            let mut changed = URL_SAFE_NO_PAD.decode(&token).unwrap();
            changed[at] ^= 1;
            prop_assert_eq!(Place::read(&URL_SAFE_NO_PAD.encode(changed), &[1, 5]), Err(NotAToken));
        }

        #[test]
        fn no_text_panics(token in ".{0,600}") {
            prop_assert_eq!(Place::read(&token, &[]), Err(NotAToken));
        }
    }
}

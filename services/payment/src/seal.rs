//! Seals: what is stored of a card can be read only with a key that is not in the database.
//!
//! XChaCha20-Poly1305 under keys from the configuration (docs/decisions/0025). The newest key seals, every key opens, so a
//! key is changed by putting a new one in front. What is sealed is bound to its card and its kind: it opens nowhere else.

use std::fmt;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rpc::Secret;
use zeroize::Zeroizing;

/// The first byte of what is sealed; another layout gets another one.
const VERSION: u8 = 1;
/// Bytes of a nonce: enough that random ones never meet.
const NONCE: usize = 24;
/// The most keys at a time, and the most characters of a key's name.
const KEYS_MAX: usize = 16;
const NAME_MAX: usize = 32;

/// The keys, the newest first.
#[derive(Clone)]
pub(crate) struct Keys(Vec<Key>);

#[derive(Clone)]
struct Key {
    name: String,
    cipher: Secret,
    digest: Secret,
}

/// What a sealed text is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A card's number and the name on it.
    Number,
    /// A security code.
    Code,
}

/// Why the configured keys are none. It says which, and never what.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// None, or too many.
    #[error("must be 1 to {KEYS_MAX} keys, the newest first, each NAME:KEY, with commas between them")]
    Count,
    /// No name, one of other characters, or the same twice.
    #[error(
        "the name of key {0} must be 1 to {NAME_MAX} letters, digits, - or _, and another one than those before it"
    )]
    Name(usize),
    /// No 32 bytes.
    #[error("key {0} must be 32 bytes in base64, as `openssl rand -base64 32` writes them")]
    Key(usize),
}

/// What was sealed cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("it was sealed with a key that is not configured")]
    UnknownKey,
    #[error("it is damaged, or of another card")]
    Damaged,
}

/// A text could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system has no random bits")]
pub(crate) struct SealError;

impl Kind {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Number => b"number",
            Self::Code => b"code",
        }
    }
}

impl Keys {
    /// Reads `NAME:KEY,NAME:KEY`, the newest first.
    pub(crate) fn parse(text: &str) -> Result<Self, KeysError> {
        let parts: Vec<_> = text.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty()).collect();
        if parts.is_empty() || parts.len() > KEYS_MAX {
            return Err(KeysError::Count);
        }
        let mut keys = Vec::<Key>::with_capacity(parts.len());
        for (number, part) in (1..).zip(parts) {
            let (name, key) = part.split_once(':').ok_or(KeysError::Name(number))?;
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            let right = (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(plain);
            if !right || keys.iter().any(|known| known.name == name) {
                return Err(KeysError::Name(number));
            }
            let secret = Secret::parse(key).ok_or(KeysError::Key(number))?;
            let (cipher, digest) =
                (secret.derive("souk.payment.v1 seal"), secret.derive("souk.payment.v1 fingerprint"));
            keys.push(Key { name: name.to_owned(), cipher, digest });
        }
        Ok(Self(keys))
    }

    /// Seals a text of this card.
    pub(crate) fn seal(&self, kind: Kind, card: &str, text: &str) -> Result<Vec<u8>, SealError> {
        let key = self.0.first().ok_or(SealError)?;
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| SealError)?;
        let aad = aad(kind, card);
        let payload = Payload { msg: text.as_bytes(), aad: &aad };
        let sealed = cipher(key).encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError)?;
        let mut out = vec![VERSION, u8::try_from(key.name.len()).unwrap_or_default()];
        for part in [key.name.as_bytes(), &nonce, &sealed] {
            out.extend_from_slice(part);
        }
        Ok(out)
    }

    /// Opens what was sealed of this card.
    pub(crate) fn open(&self, kind: Kind, card: &str, sealed: &[u8]) -> Result<Zeroizing<String>, OpenError> {
        let [VERSION, name, rest @ ..] = sealed else { return Err(OpenError::Damaged) };
        let (name, rest) = rest.split_at_checked(usize::from(*name)).ok_or(OpenError::Damaged)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(OpenError::Damaged)?;
        let key = self.0.iter().find(|key| key.name.as_bytes() == name).ok_or(OpenError::UnknownKey)?;
        let aad = aad(kind, card);
        let text = cipher(key).decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &aad });
        let text = String::from_utf8(text.map_err(|_| OpenError::Damaged)?);
        text.map(Zeroizing::new).map_err(|_| OpenError::Damaged)
    }

    /// The digests of a content by each key, the newest first: a content is known again by a key that is still there.
    pub(crate) fn digests(&self, parts: &[&[u8]]) -> Vec<[u8; 32]> {
        self.0.iter().map(|key| key.digest.digest(parts)).collect()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.name)).finish()
    }
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.cipher.expose().into())
}

/// What a sealed text is bound to.
fn aad(kind: Kind, card: &str) -> Vec<u8> {
    [kind.name(), b"/", card.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "2025:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const NEW: &str = "2026:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    const TEXT: &str = "4242424242424242";

    fn keys(keys: &[&str]) -> Keys {
        Keys::parse(&keys.join(",")).unwrap()
    }

    #[test]
    fn after_a_rotation_the_new_key_seals_and_the_old_one_still_opens() {
        let old = keys(&[OLD]).seal(Kind::Number, "card", TEXT).unwrap();
        let rotated = keys(&[NEW, OLD]);
        assert_eq!(*rotated.open(Kind::Number, "card", &old).unwrap(), TEXT);
        let new = rotated.seal(Kind::Number, "card", TEXT).unwrap();
        assert_eq!(*keys(&[NEW]).open(Kind::Number, "card", &new).unwrap(), TEXT);
        assert_eq!(keys(&[OLD]).open(Kind::Number, "card", &new), Err(OpenError::UnknownKey));
        assert_eq!(keys(&[NEW]).open(Kind::Number, "card", &old), Err(OpenError::UnknownKey));
        // What is done with a key that went is known again by no other.
        assert_eq!(rotated.digests(&[b"a"])[1], keys(&[OLD]).digests(&[b"a"])[0]);
        assert_ne!(rotated.digests(&[b"a"])[0], keys(&[OLD]).digests(&[b"a"])[0]);
    }

    #[test]
    fn a_seal_opens_for_its_own_card_and_kind_alone_and_not_when_it_was_changed() {
        let keys = keys(&[NEW, OLD]);
        let sealed = keys.seal(Kind::Code, "card", "123").unwrap();
        assert_ne!(sealed, keys.seal(Kind::Code, "card", "123").unwrap());
        assert_eq!(keys.open(Kind::Code, "other", &sealed), Err(OpenError::Damaged));
        assert_eq!(keys.open(Kind::Number, "card", &sealed), Err(OpenError::Damaged));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(keys.open(Kind::Code, "card", &changed).is_err(), "byte {at}");
            assert!(keys.open(Kind::Code, "card", &sealed[..at]).is_err(), "cut at {at}");
        }
        assert!(!sealed.windows(3).any(|window| window == b"123"));
    }

    #[test]
    fn keys_that_make_no_sense_are_refused_by_their_place_and_never_repeated() {
        let named = |name: &str| format!("{name}:{}", &NEW[5..]);
        for (text, refused) in [
            (String::new(), KeysError::Count),
            (vec![NEW; 17].join(","), KeysError::Count),
            (NEW[5..].to_owned(), KeysError::Name(1)),
            (format!("{NEW},{NEW}"), KeysError::Name(2)),
            (named(""), KeysError::Name(1)),
            (named("a b"), KeysError::Name(1)),
            (format!("{NEW},2:c2VjcmV0"), KeysError::Key(2)),
        ] {
            assert_eq!(Keys::parse(&text).unwrap_err(), refused, "{text}");
            assert!(!refused.to_string().contains("c2VjcmV0"));
        }
        assert_eq!(format!("{:?}", keys(&[NEW, OLD])), r#"["2026", "2025"]"#);
        assert!(Keys::parse(&format!("{NEW}\n{OLD}\n")).is_ok());
    }
}

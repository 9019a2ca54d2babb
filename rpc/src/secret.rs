//! A secret of 32 bytes, out of which keys for their purposes are made.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// What HMAC-SHA-256 makes of a key that is shorter: the rest is zero (RFC 2104).
const BLOCK: usize = 64;

/// 32 secret bytes. They are never printed, and wiped when they are dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// Reads the bytes as base64 with padding, as `openssl rand -base64 32` writes them.
    #[must_use]
    pub fn parse(base64: &str) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(base64).ok()?);
        bytes.as_slice().try_into().ok().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// Another secret that says nothing of this one, for one purpose.
    #[must_use]
    pub fn derive(&self, purpose: &'static str) -> Self {
        Self(Zeroizing::new(self.digest(&[purpose.as_bytes()])))
    }

    /// The HMAC-SHA-256 of these parts. Each has its length before it, so that no two lists look the same.
    #[must_use]
    pub fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut key = Zeroizing::new([0; BLOCK]);
        key[..32].copy_from_slice(&*self.0);
        let mut digest = Hmac::<Sha256>::new((&*key).into());
        for part in parts {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.finalize().into_bytes().into()
    }

    /// The bytes, for a cipher.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> Secret {
        Secret::parse(&STANDARD.encode([byte; 32])).unwrap()
    }

    #[test]
    fn a_secret_has_32_bytes_and_is_not_printed() {
        for text in ["", "AAAA", &STANDARD.encode([7; 31]), &STANDARD.encode([7; 33]), "no base64 at all"] {
            assert!(Secret::parse(text).is_none(), "{text}");
        }
        assert_eq!(format!("{:?}", secret(7)), "Secret");
    }

    #[test]
    fn a_digest_is_of_its_secret_its_purpose_and_the_borders_of_its_parts() {
        // RFC 4231 has no key of 32 bytes; another implementation gave this.
        let expected = "430e46797a396e1f14f7243eb7cf5ecf52e33e21022b9fd7fd03663cbea8b9c6";
        let digest: String = secret(7).digest(&[b"a", b"bc"]).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, expected);
        assert_ne!(secret(7).digest(&[b"a", b"bc"]), secret(7).digest(&[b"ab", b"c"]));
        assert_ne!(secret(7).digest(&[b"a", b"bc"]), secret(8).digest(&[b"a", b"bc"]));
        assert_ne!(secret(7).derive("one").expose(), secret(7).derive("two").expose());
    }
}

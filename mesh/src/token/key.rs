//! Keys: a secret one that signs, in PEM as OpenSSL writes it, and its public half, which may be known to everybody.

use std::{fmt, str::FromStr};

use aws_lc_rs::{
    digest,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};

use super::{
    Grant, LIFETIME_MAX, NAME_MAX,
    claims::{Claims, Unfit},
    now_s,
};

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// A key cannot be used, or not for this.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text is no secret key.
    #[error("this is no Ed25519 key in PEM (PKCS#8), as `openssl genpkey -algorithm ed25519` writes one")]
    NotASecretKey,
    /// The text is no public key.
    #[error("{0:?} is no public key: write the 32 bytes of an Ed25519 key in base64url, 43 characters")]
    NotAPublicKey(String),
    /// The system has no randomness, or the library none of its own.
    #[error("make an Ed25519 key")]
    NotMade,
    /// No service would take such a token.
    #[error("no service would take such a token: {0}")]
    Refused(&'static str),
    /// The token cannot be signed.
    #[error("sign a token")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// A secret key that signs tokens. It is never printed.
pub struct SigningKey {
    /// PKCS#8.
    encoding: EncodingKey,
    public: PublicKey,
}

impl SigningKey {
    /// Makes a new one.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let made = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1());
        Self::from_pkcs8(made.map_err(|_unspecified| KeyError::NotMade)?.as_ref())
    }

    /// Reads one in PEM.
    ///
    /// # Errors
    /// If the text is none.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let body = text.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
        let body: String = body.ok_or(KeyError::NotASecretKey)?.split_whitespace().collect();
        Self::from_pkcs8(&STANDARD.decode(body).map_err(|_not_base64| KeyError::NotASecretKey)?)
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_rejected| KeyError::NotASecretKey)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_length| KeyError::NotASecretKey)?;
        Ok(Self { encoding: EncodingKey::from_ed_der(pkcs8), public: PublicKey(public) })
    }

    /// The key as [`from_pem`](Self::from_pem) reads it. Whoever sees it can sign.
    #[must_use]
    pub fn to_pem(&self) -> String {
        format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(self.encoding.as_bytes()))
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs a token that is valid from now on.
    ///
    /// # Errors
    /// If no service would take it.
    pub fn sign(&self, grant: &Grant) -> Result<String, KeyError> {
        self.sign_at(grant, now_s())
    }

    /// The same, issued in this second since 1970.
    ///
    /// # Errors
    /// As [`sign`](Self::sign).
    pub fn sign_at(&self, grant: &Grant, now_s: u64) -> Result<String, KeyError> {
        if grant.lifetime.as_secs() == 0 || grant.lifetime > LIFETIME_MAX {
            return Err(KeyError::Refused("it is valid for a second to 24 hours"));
        }
        let claims = Claims::of(grant, now_s);
        if let Err(Unfit::Broken(_)) = claims.check(&grant.audience, now_s) {
            return Err(KeyError::Refused(NAMED));
        }
        let header = Header { kid: Some(self.public.id()), ..Header::new(Algorithm::EdDSA) };
        Ok(jsonwebtoken::encode(&header, &claims, &self.encoding)?)
    }
}

const NAMED: &str = "a subject and a role have 1 to 128 bytes and no control characters";
const _: () = assert!(NAME_MAX == 128, "the sentence says so");

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// A public key that tokens are verified with, written as its 32 bytes in base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// How a token names it (`kid`): its JWK thumbprint (RFC 7638; RFC 8037, appendix A.3).
    #[must_use]
    pub fn id(&self) -> String {
        let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{self}"}}"#);
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, jwk.as_bytes()))
    }

    pub(super) fn decoding(&self) -> DecodingKey {
        DecodingKey::from_ed_der(&self.0)
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('=')).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| KeyError::NotAPublicKey(text.chars().take(64).collect()))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// Public keys as they are configured: with commas between them, or none at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicKeys(Vec<PublicKey>);

impl PublicKeys {
    /// Takes one more.
    pub fn add(&mut self, key: PublicKey) {
        if !self.0.contains(&key) {
            self.0.push(key);
        }
    }

    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[PublicKey] {
        &self.0
    }
}

impl From<PublicKey> for PublicKeys {
    fn from(key: PublicKey) -> Self {
        Self(vec![key])
    }
}

impl FromStr for PublicKeys {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = text.split(',').filter(|_| !text.trim().is_empty());
        let keys = named.map(str::parse).collect::<Result<_, KeyError>>();
        keys.map(Self).map_err(|error| format!("TOKEN_KEYS: {error}"))
    }
}

impl fmt::Display for PublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.0.iter().map(PublicKey::to_string).collect();
        f.write_str(&keys.join(","))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written_and_as_openssl_writes_one() {
        let key = SigningKey::generate().unwrap();
        assert_eq!(SigningKey::from_pem(&key.to_pem()).unwrap().public(), key.public());
        assert_eq!(key.public().to_string().parse::<PublicKey>().unwrap(), key.public());
        // The key of RFC 8037, appendix A, in the form of `openssl genpkey`.
        let openssl = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
        let public = SigningKey::from_pem(openssl).unwrap().public();
        assert_eq!(public.to_string(), "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(public.id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn what_is_no_key_is_refused_and_a_secret_one_is_not_printed() {
        for text in ["", "AAAA", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"] {
            assert!(SigningKey::from_pem(text).is_err() && text.parse::<PublicKey>().is_err(), "{text}");
        }
        let key = SigningKey::generate().unwrap();
        let secret = key.to_pem().lines().nth(1).unwrap().to_owned();
        assert!(!format!("{key:?}").contains(&secret));
    }

    #[test]
    fn keys_are_configured_with_commas_between_them_and_none_is_none() {
        let [one, other] = [(); 2].map(|()| SigningKey::generate().unwrap().public());
        let keys: PublicKeys = format!("{one}, {other}").parse().unwrap();
        assert_eq!(keys.as_slice(), [one, other]);
        assert_eq!(keys.to_string().parse(), Ok(keys));
        assert_eq!(" ".parse(), Ok(PublicKeys::default()));
        for text in [format!("{one},"), "operator".into(), SigningKey::generate().unwrap().to_pem()] {
            let refused = text.parse::<PublicKeys>().unwrap_err();
            assert!(refused.starts_with("TOKEN_KEYS: ") && refused.contains("43 characters"), "{refused}");
        }
    }

    #[test]
    fn nothing_is_signed_that_no_service_would_take() {
        let key = SigningKey::generate().unwrap();
        let grant = |subject: &str, lifetime: u64| {
            let (role, audience) = ("operator".to_owned(), "souk".to_owned());
            Grant { subject: subject.to_owned(), role, audience, lifetime: Duration::from_secs(lifetime) }
        };
        assert!(key.sign(&grant("ada", 24 * 3600)).is_ok());
        for (subject, lifetime) in [("ada", 0), ("ada", 24 * 3600 + 1), ("", 60), ("a\nb", 60), (&"a".repeat(129), 60)]
        {
            assert!(matches!(key.sign(&grant(subject, lifetime)), Err(KeyError::Refused(_))), "{subject} {lifetime}");
        }
    }
}

//! Verifies tokens, each once: what was found valid is remembered until it expires.

use std::{collections::HashMap, sync::Arc};

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use quick_cache::sync::Cache;

use super::{
    BYTES_MAX, Caller, PublicKey,
    claims::{Claims, Unfit, is_over},
};
use crate::identity::Principal;

/// Valid tokens that are remembered. Only what a key has signed is, so nobody else can push them out.
const REMEMBERED_MAX: usize = 1_024;

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was valid once.
    #[error("the token has expired: get a new one")]
    Expired,
    /// It is none, or not for here; with what is wrong with it.
    #[error("the token is not valid: {0}")]
    Invalid(&'static str),
}

/// Tells valid tokens from others.
pub struct Verifier {
    keys: HashMap<String, DecodingKey>,
    audience: String,
    signature: Validation,
    remembered: Cache<Arc<str>, Caller>,
}

impl Verifier {
    /// Takes what any of these keys has signed for this audience.
    #[must_use]
    pub fn new(keys: &[PublicKey], audience: &str) -> Self {
        let mut signature = Validation::new(Algorithm::EdDSA);
        // Of the claims nothing is checked there: `Claims::check` does, by one clock, and at every call.
        signature.required_spec_claims.clear();
        (signature.validate_exp, signature.validate_nbf, signature.validate_aud) = (false, false, false);
        Self {
            keys: keys.iter().map(|key| (key.id(), key.decoding())).collect(),
            audience: audience.to_owned(),
            signature,
            remembered: Cache::new(REMEMBERED_MAX),
        }
    }

    /// Whether there is any key at all.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Who bears this token, in this second since 1970.
    ///
    /// # Errors
    /// If it is not valid, or not any more.
    pub fn verify(&self, token: &str, now_s: u64) -> Result<Caller, Refusal> {
        if let Some(caller) = self.remembered.get(token) {
            if !is_over(caller.expires_s, now_s) {
                return Ok(caller);
            }
            self.remembered.remove(token);
            return Err(Refusal::Expired);
        }
        let claims = self.read(token)?;
        claims.check(&self.audience, now_s).map_err(|unfit| match unfit {
            Unfit::Expired => Refusal::Expired,
            Unfit::Broken(rule) => Refusal::Invalid(rule),
        })?;
        let caller =
            Caller { subject: claims.sub.into(), principal: Principal::role(&claims.role), expires_s: claims.exp };
        self.remembered.insert(token.into(), caller.clone());
        Ok(caller)
    }

    /// The claims that one of the keys has signed.
    fn read(&self, token: &str) -> Result<Claims, Refusal> {
        if token.len() > BYTES_MAX {
            return Err(Refusal::Invalid("it is too long"));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_error| Refusal::Invalid("it is no JWT"))?;
        if header.alg != Algorithm::EdDSA {
            return Err(Refusal::Invalid("it is not signed with EdDSA"));
        }
        // RFC 7515, 4.1.11: what must be understood and is not, makes it invalid.
        if header.crit.is_some() {
            return Err(Refusal::Invalid("it has critical headers"));
        }
        let key = header.kid.as_ref().and_then(|id| self.keys.get(id));
        let key = key.ok_or(Refusal::Invalid("its key is not known here"))?;
        let read = jsonwebtoken::decode(token, key, &self.signature);
        // Whether its signature or what it says is wrong: the difference helps nobody but whoever tries.
        read.map(|token| token.claims).map_err(|_error| Refusal::Invalid("its signature or its claims are wrong"))
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<_> = self.keys.keys().collect();
        f.debug_struct("Verifier").field("keys", &keys).field("audience", &self.audience).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

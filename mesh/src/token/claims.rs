//! What a token says.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{LEEWAY, LIFETIME_MAX, NAME_MAX};
use crate::identity::Principal;

/// What somebody is granted.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Who it is, for logs.
    pub subject: String,
    /// As what the bearer may call, such as `operator`.
    pub role: String,
    /// Whose services take it: their trust domain.
    pub audience: String,
    /// For how long, at most [`LIFETIME_MAX`].
    pub lifetime: Duration,
}

/// The bearer of a valid token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who it is, for logs.
    pub subject: Arc<str>,
    /// The role's principal, such as `role:operator`.
    pub principal: Principal,
    /// The second since 1970 in which the token expires.
    pub expires_s: u64,
}

/// The claims on the wire.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Claims {
    pub(super) sub: String,
    pub(super) role: String,
    pub(super) aud: Audience,
    pub(super) iat: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) nbf: Option<u64>,
    pub(super) exp: u64,
}

/// One audience, or a list of them (RFC 7519, 4.1.3).
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Any(Vec<String>),
}

/// Why claims are not taken at this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// They were.
    Expired,
    /// They never are, or not yet; with the rule that they break.
    Broken(&'static str),
}

impl Claims {
    /// What is granted from now on.
    pub(super) fn of(grant: &Grant, now_s: u64) -> Self {
        let (sub, role, aud) = (grant.subject.clone(), grant.role.clone(), Audience::One(grant.audience.clone()));
        Self { sub, role, aud, iat: now_s, nbf: None, exp: now_s.saturating_add(grant.lifetime.as_secs()) }
    }

    /// Checks everything that does not depend on the signature.
    pub(super) fn check(&self, audience: &str, now_s: u64) -> Result<(), Unfit> {
        let leeway = LEEWAY.as_secs();
        let named = |name: &str| !name.is_empty() && name.len() <= NAME_MAX && !name.chars().any(char::is_control);
        let rules = [
            (named(&self.sub) && named(&self.role), "its subject or its role is no name"),
            (self.aud.is(audience), "it is for another audience"),
            (self.iat <= now_s.saturating_add(leeway), "it was issued in the future"),
            (self.nbf.is_none_or(|nbf| nbf <= now_s.saturating_add(leeway)), "it is not valid yet"),
            (self.exp.saturating_sub(self.iat) <= LIFETIME_MAX.as_secs(), "it is valid for longer than a day"),
        ];
        if let Some((_, broken)) = rules.iter().find(|(kept, _)| !kept) {
            return Err(Unfit::Broken(broken));
        }
        if is_over(self.exp, now_s) { Err(Unfit::Expired) } else { Ok(()) }
    }
}

impl Audience {
    fn is(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Any(any) => any.iter().any(|one| one == audience),
        }
    }
}

/// Whether what expires in this second has, whoever's clock is right.
pub(super) fn is_over(expires_s: u64, now_s: u64) -> bool {
    now_s >= expires_s.saturating_add(LEEWAY.as_secs())
}

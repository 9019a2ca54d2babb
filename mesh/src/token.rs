//! Bearer tokens: who says that a caller has a role, for how long, and what proves it.
//!
//! A token is a JWT signed with Ed25519 (RFC 7519, RFC 8037). A service that has the public key verifies it by itself; no
//! other algorithm is taken, whatever the token says of itself (RFC 8725, 3.1). What a role means is the application's.

mod claims;
mod key;
mod verifier;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use claims::{Caller, Grant};
pub use key::{KeyError, PublicKey, PublicKeys, SigningKey};
pub use verifier::{Refusal, Verifier};

/// For how long a token may be valid, from when it was issued.
pub const LIFETIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// How far the clocks of whoever signs and whoever verifies may be apart.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// The most bytes of a token. One that says what is asked here has about 300.
pub const BYTES_MAX: usize = 2 * 1024;

/// The most bytes of a subject, and of a role.
pub const NAME_MAX: usize = 128;

/// In which second since 1970 a token expires, as it says of itself; nothing is verified.
#[must_use]
pub fn expires_s(token: &str) -> Option<u64> {
    jsonwebtoken::dangerous::insecure_decode_claims::<claims::Claims>(token).ok().map(|claims| claims.exp)
}

/// Seconds since 1970, as tokens count time.
#[must_use]
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

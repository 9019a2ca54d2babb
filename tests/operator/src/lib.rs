//! The operator of a test binary: its services verify with [`keys`], and its callers show [`token`].
//!
//! The key is made anew in each process, so that no token outlives its test.

use std::{sync::LazyLock, time::Duration};

use mesh::client::Bearer;
use mesh::process::Options;
use mesh::token::{PublicKeys, SigningKey};

/// The trust domain of processes that are not told another.
const TRUST_DOMAIN: &str = "souk";
/// Longer than any test.
const LIFETIME: Duration = Duration::from_secs(3_600);

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate().expect("a key"));

/// What `TOKEN_KEYS` says.
#[must_use]
pub fn keys() -> PublicKeys {
    KEY.public().into()
}

/// Options of a process that knows the operator.
#[must_use]
pub fn options() -> Options {
    Options { token_keys: keys(), ..Options::default() }
}

/// A token of this role that the services verify.
///
/// # Panics
/// Never, for a role that has a name.
#[must_use]
pub fn token_of(role: &str) -> String {
    let grant = rpc::access::operator("tester", TRUST_DOMAIN, LIFETIME);
    KEY.sign(&mesh::token::Grant { role: role.to_owned(), ..grant }).expect("a token")
}

/// An operator's token.
#[must_use]
pub fn token() -> String {
    token_of("operator")
}

/// The same, for a channel.
///
/// # Panics
/// Never: a token is a header's value.
#[must_use]
pub fn bearer() -> Bearer {
    Bearer::of(&token()).expect("a header")
}

//! The operator of a measurement: a key that its servers verify with, made anew in each run.

use std::{sync::LazyLock, time::Duration};

use anyhow::Context as _;
use mesh::{
    client::Bearer,
    token::{PublicKeys, SigningKey},
};

/// Longer than any run.
const LIFETIME: Duration = Duration::from_secs(12 * 3_600);

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate().expect("the system has randomness"));

/// What the servers are told in `TOKEN_KEYS`.
pub(super) fn keys() -> PublicKeys {
    KEY.public().into()
}

pub(super) fn token() -> anyhow::Result<String> {
    Ok(KEY.sign(&rpc::access::operator("bench", "souk", LIFETIME))?)
}

pub(super) fn bearer() -> anyhow::Result<Bearer> {
    Bearer::of(&token()?).context("make a header of a token")
}

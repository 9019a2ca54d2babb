//! Keeps a valid token in the data directory for as long as the shop runs.

use std::{convert::Infallible, path::PathBuf, time::Duration};

use anyhow::Context as _;
use mesh::{
    client::Bearer,
    token::{PublicKey, SigningKey, now_s},
};
use tokio::time::sleep;

use super::TOKEN_FILE;
use crate::shop::{Data, operator_key, write_secret};

/// How long a token is valid that nobody says anything about.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// How often it is looked whether a new one is due: often, since a machine that sleeps does not count its sleep.
const LOOK: Duration = Duration::from_secs(30);

/// The subject of the tokens that a shop writes for its own operators.
const SUBJECT: &str = "data-directory";

/// The key of a shop's operators, and where their token is.
#[derive(Debug)]
pub(crate) struct Keeper {
    key: SigningKey,
    path: PathBuf,
    trust_domain: String,
    /// When the token in the file was written, in seconds since 1970.
    written_s: u64,
}

impl Keeper {
    /// Finds or makes the key of a data directory, and writes the first token.
    ///
    /// # Errors
    /// If the key is none, or a file cannot be written.
    pub(crate) fn of(data: &Data, trust_domain: &str) -> anyhow::Result<Self> {
        let (path, trust_domain) = (data.path().join(TOKEN_FILE), trust_domain.to_owned());
        let mut keeper = Self { key: operator_key(data)?, path, trust_domain, written_s: 0 };
        keeper.write(now_s())?;
        Ok(keeper)
    }

    /// The key that the services verify with.
    pub(crate) fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// A token for the shop's own first calls.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub(crate) fn bearer(&self) -> anyhow::Result<Bearer> {
        Bearer::of(&self.token(now_s())?).context("make a header of a token")
    }

    /// Writes a new token whenever half of the last one's time is over.
    pub(crate) async fn keep(self) -> Infallible {
        self.keep_by(now_s).await
    }

    async fn keep_by(mut self, now_s: impl Fn() -> u64) -> Infallible {
        loop {
            sleep(LOOK).await;
            let now_s = now_s();
            // A clock that was set back is no reason to wait: what was signed then is from the future now.
            let fresh = self.written_s..self.written_s + LIFETIME.as_secs() / 2;
            if !fresh.contains(&now_s)
                && let Err(error) = self.write(now_s)
            {
                tracing::warn!(error = format!("{error:#}"), "operators' token not renewed");
            }
        }
    }

    fn write(&mut self, now_s: u64) -> anyhow::Result<()> {
        let token = self.token(now_s)?;
        write_secret(&self.path, &token).with_context(|| format!("--data: write {}", self.path.display()))?;
        self.written_s = now_s;
        Ok(())
    }

    fn token(&self, now_s: u64) -> anyhow::Result<String> {
        let grant = rpc::access::operator(SUBJECT, &self.trust_domain, LIFETIME);
        self.key.sign_at(&grant, now_s).context("sign an operator's token")
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use mesh::token::{Verifier, expires_s};
    use tokio::time::{Instant, advance};

    use super::*;

    #[test]
    fn a_key_is_made_once_and_a_token_of_it_written_at_each_start_for_its_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data = Data::open(folder.path()).unwrap();
        let (first, second) = (Keeper::of(&data, "souk").unwrap(), Keeper::of(&data, "souk").unwrap());
        assert_eq!(first.public(), second.public());
        for file in ["operator.key", "operator.token"] {
            assert_eq!(fs::metadata(folder.path().join(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
        }
        let token = fs::read_to_string(folder.path().join("operator.token")).unwrap();
        let verifier = Verifier::new(&[first.public()], "souk");
        let caller = verifier.verify(token.trim(), now_s()).unwrap();
        assert!(rpc::access::is_operator(&caller.principal));
    }

    #[tokio::test(start_paused = true)]
    async fn the_token_is_written_anew_before_it_expires_for_as_long_as_the_shop_runs() {
        let folder = tempfile::tempdir().unwrap();
        let data = Data::open(folder.path()).unwrap();
        let keeper = Keeper::of(&data, "souk").unwrap();
        let (begun, begun_s) = (Instant::now(), now_s());
        let clock = move || begun_s + begun.elapsed().as_secs();
        let keeping = tokio::spawn(keeper.keep_by(clock));
        tokio::task::yield_now().await;
        let mut written = std::collections::BTreeSet::new();
        for _ in 0..5 * 120 {
            let token = fs::read_to_string(folder.path().join("operator.token")).unwrap();
            let expires_s = expires_s(token.trim()).unwrap();
            assert!(expires_s > clock() + LIFETIME.as_secs() / 3, "it is about to expire");
            written.insert(expires_s);
            advance(LOOK).await;
            tokio::task::yield_now().await;
        }
        assert!((9..=11).contains(&written.len()), "{} tokens in five hours", written.len());
        keeping.abort();
    }
}

//! Who says that the user of these tools is an operator: the token of the shop's data directory, or one that is given.
//!
//! Whatever here calls operators' RPCs takes its token from [`Options::bearer`]. Who runs a shop keeps its token with a
//! [`Keeper`].

mod keeper;
mod source;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use mesh::{Address, client::Bearer};

pub(crate) use keeper::Keeper;
use source::{Token, TokenFile};

/// Where a shop keeps the token of its operators, in its data directory.
pub(crate) const TOKEN_FILE: &str = "operator.token";

/// Where the data directory is if nobody says so; as of `souk serve`.
const DATA: &str = "souk-data";

/// Where an operator's token comes from.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Options {
    /// An operator's token (`souk token`), instead of the one in the shop's data directory
    #[arg(long, env = "SOUK_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<Token>,
    /// The data directory whose operator.token says that this is an operator; souk-data for a shop on this machine
    #[arg(long, env = "SOUK_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Options {
    /// The token, for calls to the shop at `to`.
    ///
    /// # Errors
    /// If there is none, it cannot be read, or it has expired.
    pub(crate) fn bearer(&self, to: &Address) -> anyhow::Result<Bearer> {
        if let Some(token) = &self.token {
            return token.bearer().context("--token");
        }
        let data = match &self.data {
            Some(data) => data,
            // The token of a shop here is nothing that one elsewhere should see.
            None if !is_here(to) => {
                bail!(
                    "the shop at {to} is not on this machine: give an operator's token of it in SOUK_TOKEN, or say --data"
                )
            }
            None => Path::new(DATA),
        };
        TokenFile::open(data.join(TOKEN_FILE)).context("an operator's token is needed").map(TokenFile::bearer)
    }
}

/// Whether an address is on this machine.
fn is_here(address: &Address) -> bool {
    match address {
        Address::Unix(_) => true,
        Address::Static(endpoints) => endpoints.iter().all(|endpoint| endpoint.ip().is_loopback()),
        Address::Dns { host, .. } => host == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(data: Option<&Path>) -> Options {
        Options { token: None, data: data.map(Path::to_owned) }
    }

    #[test]
    fn a_token_that_is_missing_is_named_with_its_file_and_what_can_be_done() {
        let folder = tempfile::tempdir().unwrap();
        let refused = options(Some(folder.path())).bearer(&"127.0.0.1:1".parse().unwrap()).unwrap_err();
        let refused = format!("{refused:#}");
        for part in ["operator.token", "--data", "SOUK_TOKEN"] {
            assert!(refused.contains(part), "{refused}");
        }
    }

    #[test]
    fn the_token_of_a_shop_here_is_shown_to_no_other() {
        for to in ["dns:shop.example:50051", "10.0.0.1:50051", "127.0.0.1:1,10.0.0.1:1"] {
            let refused = options(None).bearer(&to.parse().unwrap()).unwrap_err().to_string();
            assert!(refused.contains("SOUK_TOKEN") && refused.contains("not on this machine"), "{refused}");
        }
        assert!(["localhost:1", "[::1]:1", "unix:/run/edge"].iter().all(|to| is_here(&to.parse().unwrap())));
    }
}

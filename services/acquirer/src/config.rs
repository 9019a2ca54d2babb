//! What an acquirer can be told.

use std::fmt;

/// The acquirer's own configuration.
#[derive(Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// The database: sqlite:PATH, or postgres://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(
        long,
        env = "DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite:acquirer.db",
        value_name = "URL"
    )]
    pub database_url: String,
    /// The key under which cards are known again: 32 bytes in base64, always the same (openssl rand -base64 32)
    #[arg(long, env = "ACQUIRER_KEY", hide_env_values = true, value_name = "KEY")]
    pub key: String,
}

impl Config {
    /// An acquirer on this database, with this key.
    #[must_use]
    pub fn new(database_url: impl Into<String>, key: impl Into<String>) -> Self {
        Self { database_url: database_url.into(), key: key.into() }
    }
}

impl fmt::Debug for Config {
    /// The address may hold a password, and the key is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").finish_non_exhaustive()
    }
}

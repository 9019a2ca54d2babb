//! What a cart service can be told.

use std::fmt;
use std::time::Duration;

/// The cart service's own configuration.
#[derive(Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// The database: sqlite:PATH, or postgres://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, default_value = "sqlite:cart.db", value_name = "URL")]
    pub database_url: String,
    /// How often carts that nobody has changed for 90 days are looked for, to be deleted
    #[arg(long, env = "EXPIRE_INTERVAL", default_value = "1m", value_parser = rpc::interval, value_name = "TIME")]
    pub expire_interval: Duration,
}

impl Config {
    /// Carts in this database, with the defaults for everything else.
    #[must_use]
    pub fn new(database_url: impl Into<String>) -> Self {
        Self { database_url: database_url.into(), expire_interval: Duration::from_secs(60) }
    }
}

impl fmt::Debug for Config {
    /// The address may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("expire_interval", &self.expire_interval).finish_non_exhaustive()
    }
}

//! What an inventory can be told.

use std::fmt;
use std::time::Duration;

/// The inventory's own configuration.
#[derive(Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// The database: sqlite:PATH, or postgres://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(
        long,
        env = "DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite:inventory.db",
        value_name = "URL"
    )]
    pub database_url: String,
    /// Megabytes of stock levels that are kept in memory
    #[arg(
        long,
        env = "CACHE_MB",
        default_value_t = Config::CACHE_MB,
        value_parser = clap::value_parser!(u32).range(1..=1_048_576),
        value_name = "N"
    )]
    pub cache_mb: u32,
    /// How often reservations whose time is over are looked for, so that their units can be bought again
    #[arg(long, env = "EXPIRE_INTERVAL", default_value = "1s", value_parser = rpc::interval, value_name = "TIME")]
    pub expire_interval: Duration,
}

impl Config {
    const CACHE_MB: u32 = 64;

    /// An inventory on this database, with the defaults for everything else.
    #[must_use]
    pub fn new(database_url: impl Into<String>) -> Self {
        Self { database_url: database_url.into(), cache_mb: Self::CACHE_MB, expire_interval: Duration::from_secs(1) }
    }
}

impl fmt::Debug for Config {
    /// The address may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("cache_mb", &self.cache_mb)
            .field("expire_interval", &self.expire_interval)
            .finish_non_exhaustive()
    }
}

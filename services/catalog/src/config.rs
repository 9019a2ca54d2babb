//! What a catalog can be told.

use std::fmt;

/// The catalog's own configuration.
#[derive(Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// The database: sqlite:PATH, or postgres://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, default_value = "sqlite:catalog.db", value_name = "URL")]
    pub database_url: String,
    /// Megabytes of answers that are kept in memory
    #[arg(
        long,
        env = "CACHE_MB",
        default_value_t = Config::CACHE_MB,
        value_parser = clap::value_parser!(u32).range(1..=1_048_576),
        value_name = "N"
    )]
    pub cache_mb: u32,
}

impl Config {
    const CACHE_MB: u32 = 64;

    /// A catalog on this database, with the defaults for everything else.
    #[must_use]
    pub fn new(database_url: impl Into<String>) -> Self {
        Self { database_url: database_url.into(), cache_mb: Self::CACHE_MB }
    }
}

impl fmt::Debug for Config {
    /// The address may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("cache_mb", &self.cache_mb).finish_non_exhaustive()
    }
}

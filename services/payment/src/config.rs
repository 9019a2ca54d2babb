//! What payments can be told.

use std::fmt;
use std::time::Duration;

/// The payment service's own configuration.
#[derive(Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// The database: sqlite:PATH, or postgres://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, default_value = "sqlite:payment.db", value_name = "URL")]
    pub database_url: String,
    /// The keys that cards are sealed with, the newest first: NAME:KEY,NAME:KEY, each 32 bytes in base64
    /// (openssl rand -base64 32). The first one seals, all of them open
    #[arg(long, env = "PAYMENT_KEYS", hide_env_values = true, value_name = "KEYS")]
    pub keys: String,
    /// How long the processor may take to answer
    #[arg(long, env = "PROCESSOR_TIMEOUT", default_value = "3s", value_parser = rpc::interval, value_name = "TIME")]
    pub processor_timeout: Duration,
    /// How often payments in doubt are looked for
    #[arg(long, env = "RECONCILE_INTERVAL", default_value = "2s", value_parser = rpc::interval, value_name = "TIME")]
    pub reconcile_interval: Duration,
    /// How often security codes whose 15 minutes are over are looked for
    #[arg(long, env = "EXPIRE_INTERVAL", default_value = "10s", value_parser = rpc::interval, value_name = "TIME")]
    pub expire_interval: Duration,
}

impl Config {
    /// Payments on this database, with these keys and the defaults for everything else.
    #[must_use]
    pub fn new(database_url: impl Into<String>, keys: impl Into<String>) -> Self {
        Self {
            database_url: database_url.into(),
            keys: keys.into(),
            processor_timeout: Duration::from_secs(3),
            reconcile_interval: Duration::from_secs(2),
            expire_interval: Duration::from_secs(10),
        }
    }

    /// After this time a payment in doubt is looked into: whoever left it has been told by then, asked once, and told again.
    pub(crate) fn patience(&self) -> Duration {
        self.processor_timeout * 2 + Duration::from_secs(1)
    }
}

impl fmt::Debug for Config {
    /// The address may hold a password, and the keys are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("processor_timeout", &self.processor_timeout)
            .field("reconcile_interval", &self.reconcile_interval)
            .field("expire_interval", &self.expire_interval)
            .finish_non_exhaustive()
    }
}

//! What checkout can be told.

use std::fmt;
use std::time::Duration;

use mesh::process::parse_duration;

use crate::shipping::{self, Shipping};
use crate::tax::{self, Taxes};

/// Checkout's own configuration.
#[derive(Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// The database: sqlite:PATH, or postgres://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(
        long,
        env = "DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite:checkout.db",
        value_name = "URL"
    )]
    pub database_url: String,
    /// Taxes by place, entries separated by semicolons or lines: COUNTRY[-REGION] or *, a rate in basis points on the sum
    /// of items and shipping, and `included` where prices contain it (DE 1900 included; US-CA 725; * 0)
    #[arg(long, env = "TAXES", default_value = tax::DEFAULT, hide_default_value = true, value_name = "TABLE")]
    pub taxes: Taxes,
    /// Ways to deliver by place, entries separated by semicolons or lines: COUNTRY or *, an id, working days, prices in
    /// minor units by currency, a name (* standard 3-5 EUR=490,*=0 Standard delivery; KP none)
    #[arg(long, env = "SHIPPING", default_value = shipping::DEFAULT, hide_default_value = true, value_name = "TABLE")]
    pub shipping: Shipping,
    /// How long an order has to be confirmed, for which its units are held: 1s to 24h
    #[arg(long, env = "CONFIRM_WITHIN", default_value = "15m", value_parser = hold, value_name = "TIME")]
    pub confirm_within: Duration,
    /// How often orders are looked for that are due: after a backoff, or after a replica that died
    #[arg(long, env = "DRIVE_INTERVAL", default_value = "250ms", value_parser = rpc::interval, value_name = "TIME")]
    pub drive_interval: Duration,
    /// How long a replica that says nothing is left alone with an order: 100ms to 10m
    #[arg(long, env = "LEASE", default_value = "30s", value_parser = lease, value_name = "TIME")]
    pub lease: Duration,
    /// The wait before a step's second try; each is twice as long as the one before
    #[arg(long, env = "BACKOFF_MIN", default_value = "200ms", value_parser = rpc::interval, value_name = "TIME")]
    pub backoff_min: Duration,
    /// The longest wait between two tries of a step
    #[arg(long, env = "BACKOFF_MAX", default_value = "1m", value_parser = rpc::interval, value_name = "TIME")]
    pub backoff_max: Duration,
    /// Tries of a capture, or of a cancelled order's refund, after which the order needs attention: 70 are about an hour
    #[arg(
        long,
        env = "ATTEMPTS_MAX",
        default_value_t = Config::ATTEMPTS_MAX,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000),
        value_name = "N"
    )]
    pub attempts_max: u32,
}

impl Config {
    const ATTEMPTS_MAX: u32 = 70;

    /// Orders in this database, with the defaults for everything else.
    ///
    /// # Panics
    /// Never: the tables that are built in are read by a test.
    #[must_use]
    pub fn new(database_url: impl Into<String>) -> Self {
        Self {
            database_url: database_url.into(),
            taxes: tax::DEFAULT.parse().expect("the built-in taxes"),
            shipping: shipping::DEFAULT.parse().expect("the built-in ways to deliver"),
            confirm_within: Duration::from_secs(15 * 60),
            drive_interval: Duration::from_millis(250),
            lease: Duration::from_secs(30),
            backoff_min: Duration::from_millis(200),
            backoff_max: Duration::from_secs(60),
            attempts_max: Self::ATTEMPTS_MAX,
        }
    }
}

impl fmt::Debug for Config {
    /// The address may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("confirm_within", &self.confirm_within)
            .field("drive_interval", &self.drive_interval)
            .field("lease", &self.lease)
            .field("attempts_max", &self.attempts_max)
            .finish_non_exhaustive()
    }
}

/// What the inventory takes.
fn hold(text: &str) -> Result<Duration, String> {
    within(text, Duration::from_secs(1), Duration::from_secs(24 * 60 * 60), "must be 1s to 24h")
}

fn lease(text: &str) -> Result<Duration, String> {
    within(text, Duration::from_millis(100), Duration::from_secs(600), "must be 100ms to 10m")
}

fn within(text: &str, min: Duration, max: Duration, rule: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if (min..=max).contains(&duration) { Ok(duration) } else { Err(rule.to_owned()) }
}

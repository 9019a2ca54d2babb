//! Where the database is, and every limit that guards it.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use crate::error::{Error, source};

/// Which database to open, and its limits.
#[derive(Clone)]
pub struct Config {
    pub(crate) target: Target,
    /// Every limit; the defaults suit a service with one database.
    pub limits: Limits,
}

/// The bounds of everything that waits or grows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections for reads (4). The writer, the poller and the prober have one more each while they work.
    pub readers: usize,
    /// How long a call waits for a free connection, and a connection for the server to accept it (250 ms).
    pub acquire_timeout: Duration,
    /// How often a database that is away is tried again (500 ms).
    pub probe_interval: Duration,
    /// How long one statement, and one unit as a whole, may take (5 s). Its connection is closed when it takes longer.
    pub statement_timeout: Duration,
    /// How long SQLite waits for another process's write (2 s).
    pub busy_timeout: Duration,
    /// Units that wait for the writer (2,048). One more is refused at once with [`Error::Overloaded`].
    pub write_queue: usize,
    /// Units that share one commit (256 on SQLite; 60 on PostgreSQL, whose subtransaction cache holds 64 a transaction).
    pub batch_units: usize,
    /// Keys that the units of one commit have together (256): on PostgreSQL each is a lock in memory that all sessions of the
    /// server share, 6,400 by default. A unit with more has a commit of its own.
    pub batch_keys: usize,
    /// Work after which a batch is closed, although more units wait (2 ms; up to four times as long where committing itself
    /// takes longer than this).
    pub batch_work: Duration,
    /// How often others' commits are looked for (100 ms).
    pub poll_interval: Duration,
    /// Events that the process keeps in memory for those who follow its feed (4,096), and their bytes (8 MiB). Who falls
    /// behind them reads pages of the outbox.
    pub feed_buffer_events: usize,
    /// See [`feed_buffer_events`](Self::feed_buffer_events).
    pub feed_buffer_bytes: usize,
    /// How often whoever follows the feed is told that nothing is missing (10 s).
    pub bookmark_interval: Duration,
    /// How long events stay in the outbox (8 days). The newest one stays for ever.
    pub outbox_retention: Duration,
    /// How long answers are remembered under [`Keep::Week`](crate::Keep::Week) (7 days).
    pub request_retention: Duration,
    /// How often expired rows are removed (60 s), and how many at most in one transaction (500).
    pub housekeeping_interval: Duration,
    /// See [`housekeeping_interval`](Self::housekeeping_interval).
    pub housekeeping_rows: u32,
}

/// The two databases, parsed.
#[derive(Clone)]
pub(crate) enum Target {
    Sqlite { path: PathBuf },
    Postgres { options: Box<PgConnectOptions> },
}

impl Config {
    /// Parses `sqlite:PATH` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE` (also `?host=/socket/directory`).
    ///
    /// # Errors
    /// [`Error::Config`] says what is wrong and never repeats a password.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let target = if let Some(path) = url.strip_prefix("sqlite:") {
            Target::sqlite(path.strip_prefix("//").unwrap_or(path))?
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Target::postgres(url)?
        } else {
            return Err(Error::Config {
                reason: "a database is `sqlite:PATH` or `postgres://HOST/DATABASE`",
                source: None,
            });
        };
        let batch_units = match target {
            Target::Sqlite { .. } => 256,
            Target::Postgres { .. } => 60,
        };
        Ok(Self { target, limits: Limits { batch_units, ..Limits::default() } })
    }
}

impl FromStr for Config {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self, Error> {
        Self::parse(url)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("target", &self.target).field("limits", &self.limits).finish()
    }
}

impl Default for Limits {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            readers: 4,
            acquire_timeout: Duration::from_millis(250),
            probe_interval: Duration::from_millis(500),
            statement_timeout: Duration::from_secs(5),
            busy_timeout: Duration::from_secs(2),
            write_queue: 2_048,
            batch_units: 60,
            batch_keys: 256,
            batch_work: Duration::from_millis(2),
            poll_interval: Duration::from_millis(100),
            feed_buffer_events: 4_096,
            feed_buffer_bytes: 8 * 1024 * 1024,
            bookmark_interval: Duration::from_secs(10),
            outbox_retention: 8 * DAY,
            request_retention: 7 * DAY,
            housekeeping_interval: Duration::from_secs(60),
            housekeeping_rows: 500,
        }
    }
}

impl Target {
    fn sqlite(path: &str) -> Result<Self, Error> {
        match path {
            "" => Err(Error::Config { reason: "`sqlite:` needs the path of a file", source: None }),
            // Every connection would have a database of its own, and nothing would be durable.
            ":memory:" => Err(Error::Config { reason: "the embedded database is a file, not memory", source: None }),
            path if path.contains('?') => {
                Err(Error::Config { reason: "`sqlite:PATH` takes no parameters", source: None })
            }
            path => Ok(Self::Sqlite { path: PathBuf::from(path) }),
        }
    }

    fn postgres(url: &str) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(url).map_err(|error| Error::Config {
            reason: "parse the address of PostgreSQL",
            source: Some(source(error)),
        })?;
        if options.get_database().is_none_or(str::is_empty) {
            return Err(Error::Config { reason: "the address of PostgreSQL names no database", source: None });
        }
        Ok(Self::Postgres { options: Box::new(options) })
    }

    /// OpenTelemetry's name for it (`db.system.name`).
    pub(crate) fn system(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres { .. } => "postgresql",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => write!(f, "sqlite:{}", path.display()),
            Self::Postgres { options } => {
                let database = options.get_database().unwrap_or_default();
                match options.get_socket() {
                    Some(socket) => write!(f, "postgres:{}/{database}", socket.display()),
                    None => write!(f, "postgres://{}:{}/{database}", options.get_host(), options.get_port()),
                }
            }
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Sessions whose commits are durable, and which the server ends when their process forgets them inside a transaction:
/// the locks that they hold stop every other writer.
pub(crate) fn postgres_options(options: &PgConnectOptions, limits: &Limits) -> PgConnectOptions {
    let statement_timeout = limits.statement_timeout.as_millis().to_string();
    options
        .clone()
        .options([
            ("synchronous_commit", "on"),
            ("idle_in_transaction_session_timeout", "2000"),
            ("default_transaction_isolation", "read committed"),
            ("statement_timeout", statement_timeout.as_str()),
        ])
        .disable_statement_logging()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_printed() {
        let config = Config::parse("postgres://souk:hunter2@db.example:5433/souk_catalog").unwrap();
        let printed = format!("{config:?}");
        assert!(printed.contains("postgres://db.example:5433/souk_catalog"), "{printed}");
        assert!(!printed.contains("hunter2"), "{printed}");
    }

    #[test]
    fn an_address_that_cannot_work_is_refused_when_it_is_parsed() {
        for url in ["", "mysql://h/d", "sqlite:", "sqlite::memory:", "sqlite:a?mode=ro", "postgres://host"] {
            assert!(matches!(Config::parse(url), Err(Error::Config { .. })), "{url:?} was accepted");
        }
    }
}

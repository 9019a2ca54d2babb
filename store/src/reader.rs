//! A database of a service that runs elsewhere, or not at all, looked into by somebody else.
//!
//! Nothing is migrated, written or kept waiting: SQLite's file is opened for reading, PostgreSQL's session can do nothing but
//! read, and the right to SELECT is enough for it. A statement sees one state of the database; two may see two.

use std::time::Duration;

use sqlx::ConnectOptions as _;

use crate::config::{Config, Limits, Target, postgres_options};
use crate::error::{Error, because, source, statement_error};
use crate::raw::{Access, DriverError, Embedded, Place, Raw, timed};
use crate::row::Row;
use crate::statement::Statement;
use crate::value::Value;

/// How long the database may take to accept the connection.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long one statement may take: it may read whole tables.
const STATEMENT_MAX: Duration = Duration::from_secs(600);
/// Above every key: they are of printable ASCII.
const LAST: &str = "\u{7f}";

/// One connection that reads.
pub struct Reader {
    target: Target,
    /// Out of its place while a statement runs: what was given up in the middle of something is of no more use.
    raw: Option<Raw>,
}

/// The rows of a table by its key, in the key's order: from one on, and at most so many.
#[derive(Clone, Debug)]
pub struct Range {
    from: String,
    through: String,
    most: u32,
}

impl Range {
    /// Those after this key; after the empty one: from the first.
    #[must_use]
    pub fn after(key: &str, most: u32) -> Self {
        // The least text above it: PostgreSQL's has no NUL.
        let from = if key.is_empty() { String::new() } else { format!("{key}\u{1}") };
        Self { from, through: LAST.to_owned(), most }
    }

    /// That of this key alone.
    #[must_use]
    pub fn only(key: &str, most: u32) -> Self {
        Self { from: key.to_owned(), through: key.to_owned(), most }
    }

    /// The same, but not beyond this key.
    #[must_use]
    pub fn through(self, key: &str) -> Self {
        Self { through: key.to_owned(), ..self }
    }

    /// How many rows at most.
    #[must_use]
    pub fn most(&self) -> u32 {
        self.most
    }

    /// For `key >= $1 AND key <= $2 ORDER BY key LIMIT $3`.
    #[must_use]
    pub fn values(&self) -> [Value; 3] {
        [self.from.as_str().into(), self.through.as_str().into(), self.most.into()]
    }
}

impl Reader {
    /// Connects. Nothing is waited for: a database that is away is an error.
    ///
    /// # Errors
    /// [`Error::Open`] says why.
    pub async fn open(config: Config) -> Result<Self, Error> {
        let Config { target, .. } = config;
        match timed(CONNECT_MAX, connect(&target)).await {
            Ok(raw) => Ok(Self { target, raw: Some(raw) }),
            Err(error) => Err(Error::Open { target: target.to_string(), source: source(error) }),
        }
    }

    /// All rows of the answer. Bound it with a `LIMIT`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn fetch_all(
        &mut self,
        statement: &Statement,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<Row>, Error> {
        let values: Vec<Value> = values.into_iter().collect();
        let Some(mut raw) = self.raw.take() else {
            return Err(Error::Unavailable { attempted: statement.name, source: because("the connection was lost") });
        };
        let rows = raw.fetch_all(statement, values, STATEMENT_MAX).await;
        let rows = rows.map_err(|error| statement_error(statement.name, error))?;
        self.raw = Some(raw);
        Ok(rows.into_iter().map(|raw| Row { statement: statement.name, raw }).collect())
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("target", &self.target).finish_non_exhaustive()
    }
}

async fn connect(target: &Target) -> Result<Raw, DriverError> {
    match target {
        Target::Sqlite { path } => {
            let opened = Embedded::open(path, Access::Look, Place::Elsewhere, &Limits::default()).await?;
            Ok(Raw::Sqlite(opened))
        }
        Target::Postgres { options } => {
            let limits = Limits { statement_timeout: STATEMENT_MAX, ..Limits::default() };
            let options = postgres_options(options, &limits).options([("default_transaction_read_only", "on")]);
            Ok(Raw::Postgres(options.connect().await?))
        }
    }
}

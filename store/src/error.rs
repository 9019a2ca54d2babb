//! What can go wrong, sorted by what a caller can do about it.
//!
//! An error is cloned for every unit of a batch that failed as a whole, hence the shared sources.

use std::sync::Arc;

use crate::raw::{Class, DriverError};

/// A cause, shared by every call that it failed.
pub type Source = Arc<dyn std::error::Error + Send + Sync + 'static>;

/// Why the store did not do what it was asked.
///
/// Display says what was attempted; the cause is the source. Services map it to a gRPC code in one exhaustive match:
/// `Unavailable`, `InDoubt` and `Closed` to UNAVAILABLE, `Overloaded` to RESOURCE_EXHAUSTED or UNAVAILABLE, `Conflict` to
/// ALREADY_EXISTS or ABORTED, `RequestReused` to FAILED_PRECONDITION, the rest to INTERNAL.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The database is away. Nothing was changed; the same call works once it is back, which the store notices by itself.
    #[error("{attempted}: the database is away")]
    Unavailable {
        /// The statement, read or unit.
        attempted: &'static str,
        /// The last connect error.
        #[source]
        source: Source,
    },
    /// The connection was lost while the commit was under way, so nobody knows whether it happened. A retry with the same
    /// request id finds out.
    #[error("{attempted}: the connection was lost during the commit")]
    InDoubt {
        /// The unit.
        attempted: &'static str,
        /// How it was lost.
        #[source]
        source: Source,
    },
    /// A bounded queue or pool is full, or another writer held a lock for too long. Nothing was changed.
    #[error("{attempted}: {limit} reached")]
    Overloaded {
        /// The statement, read or unit.
        attempted: &'static str,
        /// The limit's name, from [`Limits`](crate::Limits) where it has one.
        limit: &'static str,
    },
    /// A row with this unique key exists already.
    #[error("{attempted}: a unique key is taken")]
    Conflict {
        /// The statement.
        attempted: &'static str,
        /// What the database said, which names the key.
        #[source]
        source: Source,
    },
    /// Another constraint of the schema (check, foreign key, not null) refused a row.
    #[error("{attempted}: a constraint refused the row")]
    Violation {
        /// The statement.
        attempted: &'static str,
        /// What the database said, which names the constraint.
        #[source]
        source: Source,
    },
    /// The request id was used before with other content.
    #[error("{rpc}: the request id was used before with other content")]
    RequestReused {
        /// The RPC that it was used for.
        rpc: &'static str,
    },
    /// What is stored cannot be what was written: a damaged file, a missing column, a value of another type.
    #[error("{attempted}: {what} is corrupt")]
    Corrupt {
        /// The statement.
        attempted: &'static str,
        /// The column or the thing.
        what: &'static str,
        /// How it shows.
        #[source]
        source: Source,
    },
    /// The configuration makes no sense; nothing was opened.
    #[error("database address: {reason}")]
    Config {
        /// What is wrong with it.
        reason: &'static str,
        /// More about it.
        #[source]
        source: Option<Source>,
    },
    /// The database cannot be used as it is: not a database, no permission, no such database. Waiting does not help.
    #[error("open {target}")]
    Open {
        /// The address, without its password.
        target: String,
        /// What the database said.
        #[source]
        source: Source,
    },
    /// A migration failed, or one that was applied has changed since.
    #[error("migrate {target}")]
    Migration {
        /// The address, without its password.
        target: String,
        /// What the database said, and the migration's number.
        #[source]
        source: Source,
    },
    /// The store was closed: the service is shutting down.
    #[error("{attempted}: the store is closed")]
    Closed {
        /// The read or unit.
        attempted: &'static str,
    },
    /// A mistake in this code or in a statement.
    #[error("{attempted}: internal error")]
    Internal {
        /// The statement, read or unit.
        attempted: &'static str,
        /// What happened.
        #[source]
        source: Source,
    },
}

impl Error {
    /// True if a statement or a unit of this caller's own was given up because it took too long.
    pub(crate) fn is_too_slow(&self) -> bool {
        let Self::Unavailable { source, .. } = self else { return false };
        source.is::<TooSlow>() || source.downcast_ref().is_some_and(DriverError::is_timeout)
    }

    /// The error with its causes in one line, for a log.
    #[must_use]
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// An error with its causes in one line, for a log.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Shares a cause.
pub(crate) fn source(error: impl std::error::Error + Send + Sync + 'static) -> Source {
    Arc::new(error)
}

/// A cause that is only a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Because(pub(crate) String);

/// The time for a unit is over.
#[derive(Debug, thiserror::Error)]
#[error("the unit took longer than {} ms", .0.as_millis())]
pub(crate) struct TooSlow(pub(crate) std::time::Duration);

pub(crate) fn because(sentence: impl Into<String>) -> Source {
    source(Because(sentence.into()))
}

/// Makes an error of a statement that failed on a connection that still works.
pub(crate) fn statement_error(attempted: &'static str, error: DriverError) -> Error {
    let class = error.class();
    let cause = source(error);
    match class {
        Class::Lost => Error::Unavailable { attempted, source: cause },
        Class::Contended => Error::Overloaded { attempted, limit: "reruns after a deadlock" },
        Class::Busy | Class::Full => Error::Unavailable { attempted, source: cause },
        Class::Unique => Error::Conflict { attempted, source: cause },
        Class::Constraint => Error::Violation { attempted, source: cause },
        Class::Corrupt => Error::Corrupt { attempted, what: "the database", source: cause },
        Class::Mistake => Error::Internal { attempted, source: cause },
    }
}

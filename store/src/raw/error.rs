//! What the drivers say, and what that means for the connection and the transaction it happened on.

use std::time::Duration;

use sqlx::postgres::PgDatabaseError;

/// PostgreSQL's code for a statement that was cancelled, which here its `statement_timeout` does.
const QUERY_CANCELED: &str = "57014";

/// What a driver says, or what is said in its place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DriverError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// Somebody gave up a statement half way, and its connection with it.
    #[error("the connection was lost")]
    Lost,
}

/// What an error means for the connection and the transaction it happened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The connection is of no use any more.
    Lost,
    /// The transaction as a whole was in another's way (deadlock, serialization): run it again.
    Contended,
    /// Another process holds SQLite's write lock, the server has no room for a connection.
    Busy,
    /// The disk or the memory is full. SQLite may have undone the whole transaction.
    Full,
    Unique,
    Constraint,
    Corrupt,
    /// The statement is wrong.
    Mistake,
}

impl DriverError {
    /// True if a limit of time ended it: ours, or PostgreSQL's own, which is as long and frees the locks of a statement that
    /// nobody waits for any more. Either may be first.
    pub(crate) fn is_timeout(&self) -> bool {
        match self {
            Self::TimedOut(_) => true,
            Self::Postgres(_) => self.code().as_deref() == Some(QUERY_CANCELED),
            Self::Sqlite(_) | Self::Lost => false,
        }
    }

    /// The database's own code for it, if it was the database that refused.
    pub(crate) fn code(&self) -> Option<String> {
        match self {
            Self::Sqlite(error) => error.sqlite_error().map(|error| error.extended_code.to_string()),
            Self::Postgres(error) => Some(error.as_database_error()?.code()?.into_owned()),
            Self::TimedOut(_) | Self::Lost => None,
        }
    }

    /// Sorts it.
    pub(crate) fn class(&self) -> Class {
        match self {
            Self::Sqlite(error) => match error.sqlite_error() {
                Some(error) => classify_sqlite(error.extended_code),
                None => Class::Mistake,
            },
            Self::Postgres(error) => classify_sqlx(error),
            Self::TimedOut(_) | Self::Lost => Class::Lost,
        }
    }
}

/// As [`DriverError::class`].
pub(crate) fn classify_sqlx(error: &sqlx::Error) -> Class {
    match error {
        sqlx::Error::Database(database) => match database.try_downcast_ref::<PgDatabaseError>() {
            Some(postgres) => classify_sqlstate(postgres.code()),
            None => Class::Mistake,
        },
        // A protocol error means that the two ends no longer agree about where they are.
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Class::Lost,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => Class::Corrupt,
        // What the embedded database said to sqlx's migrator.
        sqlx::Error::AnyDriverError(error) => error.downcast_ref().map_or(Class::Mistake, DriverError::class),
        _ => Class::Mistake,
    }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn classify_sqlstate(code: &str) -> Class {
    match code {
        "40P01" | "40001" => Class::Contended,
        "23505" => Class::Unique,
        "XX001" | "XX002" => Class::Corrupt,
        // Shut down, crashed, starting up; ended for idling in a transaction; a replica that was a primary until now.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25006" => Class::Lost,
        // A statement took too long, or waited too long for a lock.
        QUERY_CANCELED | "55P03" => Class::Busy,
        "53100" | "53200" => Class::Full,
        _ => match code.get(..2) {
            Some("08") => Class::Lost,
            Some("23") => Class::Constraint,
            Some("53") => Class::Busy,
            _ => Class::Mistake,
        },
    }
}

/// <https://www.sqlite.org/rescode.html>; the low byte is the primary code.
fn classify_sqlite(code: i32) -> Class {
    const CONSTRAINT_PRIMARYKEY: i32 = 1555;
    const CONSTRAINT_UNIQUE: i32 = 2067;
    const CONSTRAINT_ROWID: i32 = 2579;
    match code {
        CONSTRAINT_PRIMARYKEY | CONSTRAINT_UNIQUE | CONSTRAINT_ROWID => Class::Unique,
        _ => match code & 0xff {
            // BUSY, LOCKED.
            5 | 6 => Class::Busy,
            // NOMEM, FULL.
            7 | 13 => Class::Full,
            // READONLY, IOERR, CANTOPEN: the file was moved away, or the disk is failing.
            8 | 10 | 14 => Class::Lost,
            // CORRUPT, NOTADB.
            11 | 26 => Class::Corrupt,
            19 => Class::Constraint,
            _ => Class::Mistake,
        },
    }
}

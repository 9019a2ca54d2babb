//! The embedded database: a file, and SQLite in this process.
//!
//! A statement runs on the thread that asks for it and takes microseconds, where a thread of its own for each connection costs
//! two switches a statement, many times that. So whoever asks often has a thread that may wait: the writer one of its own,
//! reads one of the blocking pool. Who asks seldom, on a thread that must not wait, is taken [`Elsewhere`](Place::Elsewhere).

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags};
use tokio::time::Instant;

use crate::config::Limits;
use crate::raw::error::DriverError;
use crate::row::{Cell, SqliteRow};
use crate::statement::Statement;
use crate::value::Value;

/// How many prepared statements a connection keeps: more than a service has.
const STATEMENTS: usize = 128;

/// Instructions of SQLite's machine between two looks at the clock: well below a millisecond.
const LOOK_EVERY: i32 = 4_000;

/// Where statements run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the thread that asks, which may wait.
    Here,
    /// On a thread of the blocking pool.
    Elsewhere,
}

/// What a connection to the file may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reads, of a file that the same store also writes.
    Read,
    /// Reads only, without so much as choosing the journal's mode: the file is somebody else's.
    Look,
    Write,
    /// Writes, and makes the file.
    Create,
}

/// A connection to the file. While a statement runs elsewhere, `open` is out of its place: a future that is dropped takes it along.
#[derive(Debug)]
pub(crate) struct Embedded {
    /// The lock is never taken: it makes what one thread has at a time shareable.
    open: Option<Box<Mutex<Open>>>,
    place: Place,
}

#[derive(Debug)]
pub(super) struct Open {
    pub(super) connection: Connection,
    deadline: Arc<Deadline>,
}

impl Embedded {
    /// Opens the file: durable at every commit (WAL with `synchronous=FULL`), and shared between processes.
    pub(crate) async fn open(path: &Path, access: Access, place: Place, limits: &Limits) -> Result<Self, DriverError> {
        let (path, busy) = (path.to_owned(), limits.busy_timeout);
        let open = match place {
            Place::Here => open(&path, access, busy),
            Place::Elsewhere => elsewhere(move || open(&path, access, busy)).await?,
        };
        Ok(Self { open: Some(Box::new(Mutex::new(open?))), place })
    }

    pub(crate) async fn execute(
        &mut self,
        statement: &Statement,
        values: Vec<Value>,
        limit: Duration,
    ) -> Result<u64, DriverError> {
        let sql = statement.sql.sqlite;
        self.run(limit, move |open| open.execute(sql, &values)).await
    }

    pub(crate) async fn fetch_all(
        &mut self,
        statement: &Statement,
        values: Vec<Value>,
        limit: Duration,
    ) -> Result<Vec<SqliteRow>, DriverError> {
        let sql = statement.sql.sqlite;
        self.run(limit, move |open| open.fetch_all(sql, &values)).await
    }

    pub(crate) async fn script(&mut self, sql: &str, limit: Duration) -> Result<(), DriverError> {
        match self.place {
            Place::Here => self.here(limit, |open| open.connection.execute_batch(sql)),
            Place::Elsewhere => {
                let sql = sql.to_owned();
                self.run(limit, move |open| open.connection.execute_batch(&sql)).await
            }
        }
    }

    /// Closes the file, and waits for it where that may be waited for.
    pub(crate) async fn close(mut self) {
        if let Some(open) = self.open.take() {
            match self.place {
                Place::Here => drop(open),
                Place::Elsewhere => drop(elsewhere(move || drop(open)).await),
            }
        }
    }

    pub(super) async fn run<T: Send + 'static>(
        &mut self,
        limit: Duration,
        work: impl FnOnce(&mut Open) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DriverError> {
        match self.place {
            Place::Here => self.here(limit, work),
            Place::Elsewhere => {
                let mut open = self.open.take().ok_or(DriverError::Lost)?;
                let (open, answer) = elsewhere(move || {
                    let answer = exclusive(&mut open).within(limit, work);
                    (open, answer)
                })
                .await?;
                self.open = Some(open);
                answer
            }
        }
    }

    fn here<T>(
        &mut self,
        limit: Duration,
        work: impl FnOnce(&mut Open) -> rusqlite::Result<T>,
    ) -> Result<T, DriverError> {
        exclusive(self.open.as_mut().ok_or(DriverError::Lost)?).within(limit, work)
    }
}

fn exclusive(open: &mut Mutex<Open>) -> &mut Open {
    open.get_mut().unwrap_or_else(PoisonError::into_inner)
}

impl Open {
    /// Interrupts what takes longer.
    fn within<T>(
        &mut self,
        limit: Duration,
        work: impl FnOnce(&mut Self) -> rusqlite::Result<T>,
    ) -> Result<T, DriverError> {
        self.deadline.set(limit);
        work(self).map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::OperationInterrupted) => DriverError::TimedOut(limit),
            _ => error.into(),
        })
    }

    fn execute(&mut self, sql: &'static str, values: &[Value]) -> rusqlite::Result<u64> {
        let mut prepared = self.connection.prepare_cached(sql)?;
        bind(&mut prepared, values)?;
        let mut rows = prepared.raw_query();
        while rows.next()?.is_some() {}
        Ok(self.connection.changes())
    }

    fn fetch_all(&mut self, sql: &'static str, values: &[Value]) -> rusqlite::Result<Vec<SqliteRow>> {
        let mut prepared = self.connection.prepare_cached(sql)?;
        bind(&mut prepared, values)?;
        let columns: Arc<[Box<str>]> = prepared.column_names().into_iter().map(Box::from).collect();
        let (mut rows, mut answer) = (prepared.raw_query(), Vec::new());
        while let Some(row) = rows.next()? {
            let cells = (0..columns.len()).map(|column| row.get_ref(column).map(Cell::from));
            answer.push(SqliteRow { columns: Arc::clone(&columns), cells: cells.collect::<Result<_, _>>()? });
        }
        Ok(answer)
    }
}

/// When a statement that runs now is to be interrupted.
#[derive(Debug)]
struct Deadline {
    base: Instant,
    /// Nanoseconds after the base.
    ends: AtomicU64,
}

impl Deadline {
    fn new() -> Self {
        Self { base: Instant::now(), ends: AtomicU64::new(u64::MAX) }
    }

    fn set(&self, limit: Duration) {
        let ends = self.base.elapsed().saturating_add(limit).as_nanos();
        self.ends.store(u64::try_from(ends).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.base.elapsed().as_nanos() > u128::from(self.ends.load(Ordering::Relaxed))
    }
}

fn open(path: &Path, access: Access, busy: Duration) -> Result<Open, DriverError> {
    // An empty file in the place of one that was removed would pass for the database.
    let flags = match access {
        Access::Look => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Access::Read | Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Access::Create => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    };
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(busy)?;
    connection.execute_batch(match access {
        Access::Look => "PRAGMA query_only = ON",
        Access::Read => "PRAGMA journal_mode = WAL; PRAGMA query_only = ON",
        Access::Write | Access::Create => {
            // Rows come in no order of their keys: a larger cache finds their pages again, and a longer log writes a page
            // that has changed many times back once. Kibibytes, and pages of four.
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA cache_size = -8192; PRAGMA wal_autocheckpoint = 4000"
        }
    })?;
    if access == Access::Write {
        // What undoes a statement that fails halfway; a file of its own costs more than the statement. Not where a migration
        // sorts whole tables.
        connection.execute_batch("PRAGMA temp_store = MEMORY")?;
    }
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let deadline = Arc::new(Deadline::new());
    let looked_at = Arc::clone(&deadline);
    connection.progress_handler(LOOK_EVERY, Some(move || looked_at.is_over()))?;
    Ok(Open { connection, deadline })
}

/// `$3` is the third value, wherever it is first read.
fn bind(prepared: &mut rusqlite::CachedStatement<'_>, values: &[Value]) -> rusqlite::Result<()> {
    for index in 1..=prepared.parameter_count() {
        let number = prepared.parameter_name(index).and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok());
        let value = number.and_then(|number| values.get(number.checked_sub(1)?));
        let value = value.ok_or(rusqlite::Error::InvalidParameterCount(values.len(), index))?;
        prepared.raw_bind_parameter(index, value)?;
    }
    Ok(())
}

async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, DriverError> {
    tokio::task::spawn_blocking(work).await.map_err(|_ended| DriverError::Lost)
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Integer(value) => value.map_or(ValueRef::Null, ValueRef::Integer),
            Self::Float(value) => value.map_or(ValueRef::Null, ValueRef::Real),
            Self::Text(value) => value.as_deref().map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes())),
            Self::Bytes(value) => value.as_deref().map_or(ValueRef::Null, ValueRef::Blob),
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

//! A connection that reads.
//!
//! While a statement runs, the driver's connection is out of its place: a future that is dropped takes it along, so that
//! nobody ever gets a connection that is in the middle of something.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument as _;

use crate::database::{Connected, Database, Role};
use crate::error::{Error, because, source, statement_error};
use crate::raw::Class;
use crate::row::{RawRow, Row};
use crate::span;
use crate::statement::Statement;
use crate::together::Lookup;
use crate::value::Value;

/// Lent by [`Store::read`](crate::Store::read). It cannot write, and each statement sees what was committed before it.
pub struct Connection {
    database: Arc<Database>,
    connected: Option<Connected>,
    /// True until its first statement if it was idle before: the server may have closed it meanwhile.
    reused: bool,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    pub(crate) async fn acquire(
        database: Arc<Database>,
        permit: OwnedSemaphorePermit,
        attempted: &'static str,
    ) -> Result<Self, Error> {
        let (connected, reused) = match database.take_idle() {
            Some(connected) => (connected, true),
            None => (database.connect(Role::Reader, attempted).await?, false),
        };
        Ok(Self { database, connected: Some(connected), reused, _permit: permit })
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
        let span = span::statement(self.database.target.system(), statement.name);
        let rows = self.run(statement, values, &span).instrument(span.clone()).await?;
        Ok(rows.into_iter().map(|raw| Row { statement: statement.name, raw }).collect())
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn fetch_optional(
        &mut self,
        statement: &Statement,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Option<Row>, Error> {
        Ok(self.fetch_all(statement, values).await?.into_iter().next())
    }

    /// The first row of an answer that always has one.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Internal`] if there is none.
    pub async fn fetch_one(
        &mut self,
        statement: &Statement,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Row, Error> {
        let row = self.fetch_optional(statement, values).await?;
        row.ok_or_else(|| Error::Internal { attempted: statement.name, source: because("the answer has no row") })
    }

    /// What a lookup finds.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn look_up(&mut self, lookup: &Lookup) -> Result<Vec<Row>, Error> {
        self.fetch_all(&lookup.statement, [lookup.list().into()]).await
    }

    async fn run(
        &mut self,
        statement: &Statement,
        values: Vec<Value>,
        span: &tracing::Span,
    ) -> Result<Vec<RawRow>, Error> {
        loop {
            let Some(mut connected) = self.connected.take() else {
                return Err(Error::Unavailable {
                    attempted: statement.name,
                    source: because("the connection was lost"),
                });
            };
            self.database.sends();
            let limit = self.database.limits.statement_timeout;
            let error = match connected.raw.fetch_all(statement, values.clone(), limit).await {
                Ok(rows) => {
                    self.connected = Some(connected);
                    self.reused = false;
                    return Ok(rows);
                }
                Err(error) => error,
            };
            span::failed(span, &error);
            if error.class() != Class::Lost {
                self.connected = Some(connected);
                return Err(statement_error(statement.name, error));
            }
            self.database.connection_lost();
            // A read can be sent again; one that got no answer in time would only wait once more.
            if !self.reused || error.is_timeout() {
                return Err(Error::Unavailable { attempted: statement.name, source: source(error) });
            }
            self.reused = false;
            self.connected = Some(self.database.connect(Role::Reader, statement.name).await?);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(connected) = self.connected.take() {
            self.database.give_back(connected);
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("database", &self.database).finish_non_exhaustive()
    }
}

//! What a unit writes with.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::Instrument as _;

use crate::Source;
use crate::database::Database;
use crate::error::{Error, because, source, statement_error};
use crate::event::{NEXT_REVISION, NEXT_REVISIONS, NewEvent, OutboxRow, REVISE, Revised};
use crate::raw::{Class, DriverError, Raw};
use crate::request::{Keep, REMEMBER, Remembered, Request};
use crate::row::{RawRow, Row};
use crate::span;
use crate::statement::Statement;
use crate::together::{Known, Missed, Put};
use crate::value::Value;

/// The part of a transaction that belongs to one [`Unit`](crate::Unit).
///
/// A statement that fails ends the unit: return the error. (PostgreSQL refuses everything after it, so SQLite does too.) Where
/// a taken key is an answer and not a mistake, write `ON CONFLICT DO NOTHING` and look at the count.
pub struct Transaction {
    pub(crate) database: Arc<Database>,
    /// Absent while a statement runs, and for good once the connection is lost.
    pub(crate) raw: Option<Raw>,
    pub(crate) events: Vec<OutboxRow>,
    /// The database's clock when the batch had its locks.
    pub(crate) now_us: i64,
    /// What was found for the unit that runs now.
    pub(crate) known: Vec<Known>,
    /// What the unit that runs now is to write when the batch ends.
    pub(crate) own: Vec<Put>,
    /// What those before it are to write.
    pub(crate) puts: Vec<Put>,
    /// Whether a statement was sent that may have written, since the unit that runs now began.
    pub(crate) wrote: bool,
    pub(crate) fault: Option<Fault>,
}

/// Why the unit that runs now cannot be released.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A statement failed: this unit is undone, the others are not touched.
    Statement,
    /// Another transaction was in the way: run again, without company.
    Contended(Error),
    /// There is no room for it. SQLite may have undone the others too, who run again without it.
    Full(Error),
    /// The connection is gone, and the transaction with it.
    Lost(Source),
    /// As `Lost`, because a statement of this unit got no answer in time.
    Slow(Source),
}

impl Transaction {
    pub(crate) fn new(database: Arc<Database>, raw: Raw) -> Self {
        Self {
            database,
            raw: Some(raw),
            events: Vec::new(),
            now_us: 0,
            known: Vec::new(),
            own: Vec::new(),
            puts: Vec::new(),
            wrote: false,
            fault: None,
        }
    }

    /// The database's clock, in microseconds since 1970, when this unit's keys were locked already: what is over for one
    /// unit is over for the next that locks the same, in any replica.
    #[must_use]
    pub fn now_us(&self) -> i64 {
        self.now_us
    }

    /// Runs a statement and returns how many rows it touched.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn execute(
        &mut self,
        statement: &Statement,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<u64, Error> {
        self.write_own().await?;
        self.send(statement, values.into_iter().collect()).await
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
        self.write_own().await?;
        let values: Vec<Value> = values.into_iter().collect();
        let (mut raw, span) = self.take(statement)?;
        let answer = raw.fetch_all(statement, values, self.limit()).instrument(span.clone()).await;
        let rows: Vec<RawRow> = self.settle(statement, raw, &span, answer)?;
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

    pub(crate) async fn send(&mut self, statement: &Statement, values: Vec<Value>) -> Result<u64, Error> {
        let (mut raw, span) = self.take(statement)?;
        let answer = raw.execute(statement, values, self.limit()).instrument(span.clone()).await;
        self.settle(statement, raw, &span, answer)
    }

    /// Gives an event out, in the commit of this unit, and returns the key's new revision.
    ///
    /// Positions follow the order of commits, and within a commit the order of calls.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn emit(&mut self, event: NewEvent) -> Result<u64, Error> {
        let row = self.fetch_one(&NEXT_REVISION, [event.key.as_str().into()]).await?;
        self.give_out(event, row.get("revision")?);
        row.get("revision")
    }

    /// As [`emit`](Self::emit), of a thing that counts its own changes, of which others are told some or all: the revision is
    /// the thing's, above that of any event of it before.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Internal`] of this unit where the key's events are that far already.
    pub fn emit_at(&mut self, event: NewEvent, revision: u64) -> Result<(), Error> {
        let revision = i64::try_from(revision).unwrap_or(i64::MAX);
        self.put(&REVISE, &Revised { key: &event.key, revision })?;
        self.give_out(event, revision);
        Ok(())
    }

    /// As [`emit`](Self::emit) of one after the other, in one statement. Each event is of another key; the revisions are in
    /// the order of the events.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Internal`] if a key is there twice.
    pub async fn emit_all(&mut self, events: Vec<NewEvent>) -> Result<Vec<u64>, Error> {
        let keys: Vec<&str> = events.iter().map(|event| event.key.as_str()).collect();
        let keys = serde_json::Value::from(keys).to_string();
        let mut revisions = HashMap::with_capacity(events.len());
        for row in self.fetch_all(&NEXT_REVISIONS, [keys.into()]).await? {
            let (key, revision): (String, u64) = (row.get("key")?, row.get("revision")?);
            revisions.insert(key, revision);
        }
        let mut given = Vec::with_capacity(events.len());
        for event in events {
            let Some(revision) = revisions.remove(&event.key) else {
                return Err(Error::Internal { attempted: "emit", source: because("a key is there twice") });
            };
            given.push(revision);
            self.give_out(event, i64::try_from(revision).unwrap_or(i64::MAX));
        }
        Ok(given)
    }

    fn give_out(&mut self, event: NewEvent, revision: i64) {
        let NewEvent { r#type, subject, key, payload, traceparent } = event;
        let time_us = now_us();
        self.events.push(OutboxRow { r#type, subject, key, revision, time_us, traceparent, payload, begin: 0 });
    }

    /// The answer that this request got before, if it did. Ask first of all, before any etag is compared: the state that
    /// the first try left behind would refuse the second.
    ///
    /// # Errors
    /// [`Error::RequestReused`] if the id was used with other content.
    pub async fn remembered(&mut self, request: &Request) -> Result<Option<Vec<u8>>, Error> {
        let found = self.look_up(&request.lookup()).await?;
        request.answer(found)
    }

    /// Remembers the answer to this request, in the commit of its effect. A unit that then fails remembers nothing.
    ///
    /// A try of the same request that ran in another replica meanwhile makes this unit run again, and find that one's answer.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn remember(&mut self, request: &Request, answer: &[u8]) -> Result<(), Error> {
        let expire_us = match request.keep {
            Keep::Week => Some(self.now_us.saturating_add(micros(self.database.limits.request_retention))),
            Keep::Forever => None,
        };
        let row = Remembered::new(request, answer, expire_us);
        let error = Error::Overloaded { attempted: request.rpc, limit: "tries of one request at the same time" };
        self.own.push(Put::new(REMEMBER, &row, Missed::Again(error))?);
        Ok(())
    }

    fn limit(&self) -> std::time::Duration {
        self.database.limits.statement_timeout
    }

    fn take(&mut self, statement: &Statement) -> Result<(Raw, tracing::Span), Error> {
        let attempted = statement.name;
        match &self.fault {
            None => {}
            Some(Fault::Lost(source) | Fault::Slow(source)) => {
                return Err(Error::Unavailable { attempted, source: Arc::clone(source) });
            }
            Some(Fault::Contended(error) | Fault::Full(error)) => return Err(error.clone()),
            Some(Fault::Statement) => {
                return Err(Error::Internal {
                    attempted,
                    source: because("the unit went on after a failed statement"),
                });
            }
        }
        match self.raw.take() {
            Some(raw) => {
                self.database.sends();
                self.wrote |= !statement.reads();
                Ok((raw, span::statement(self.database.target.system(), attempted)))
            }
            None => Err(Error::Internal { attempted, source: because("the unit dropped a statement while it ran") }),
        }
    }

    fn settle<T>(
        &mut self,
        statement: &Statement,
        raw: Raw,
        span: &tracing::Span,
        answer: Result<T, DriverError>,
    ) -> Result<T, Error> {
        let error = match answer {
            Ok(answer) => {
                self.raw = Some(raw);
                return Ok(answer);
            }
            Err(error) => error,
        };
        span::failed(span, &error);
        let attempted = statement.name;
        if error.is_timeout() {
            let source = source(error);
            self.fault = Some(Fault::Slow(Arc::clone(&source)));
            return Err(Error::Unavailable { attempted, source });
        }
        match error.class() {
            Class::Lost => {
                let source = source(error);
                self.fault = Some(Fault::Lost(Arc::clone(&source)));
                Err(Error::Unavailable { attempted, source })
            }
            Class::Contended => {
                self.raw = Some(raw);
                let error = statement_error(attempted, error);
                self.fault = Some(Fault::Contended(error.clone()));
                Err(error)
            }
            Class::Full => {
                self.raw = Some(raw);
                let error = statement_error(attempted, error);
                self.fault = Some(Fault::Full(error.clone()));
                Err(error)
            }
            Class::Busy | Class::Unique | Class::Constraint | Class::Corrupt | Class::Mistake => {
                self.raw = Some(raw);
                self.fault = Some(Fault::Statement);
                Err(statement_error(attempted, error))
            }
        }
    }
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction").field("events", &self.events.len()).field("fault", &self.fault).finish()
    }
}

/// Microseconds since 1970, by this machine's clock.
pub(crate) fn now_us() -> i64 {
    micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

pub(crate) fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

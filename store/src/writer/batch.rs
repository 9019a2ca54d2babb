//! One transaction with several units in it.
//!
//! The order of its steps carries the promises: locks on all keys before anything else and ascending, so that two replicas'
//! batches cannot wait for each other; the outbox's lock last, so that positions are drawn in the order of commits; the
//! answers after the commit, so that a refusal never rests on what was not committed.
//!
//! Savepoints, which undo one unit and leave the others, are an exchange a unit. Most units succeed, and most that refuse
//! have only read, so a batch runs without them until a unit fails that has written; then all of it runs again with them.
//!
//! What units look up and put is asked and written for all of them at once: see [`together`](crate::together).

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout};
use tracing::{Instrument as _, Span};

use crate::config::Target;
use crate::database::Database;
use crate::error::{Error, Source, TooSlow, because, source, statement_error};
use crate::event::{self, INSERT_EVENTS, LOCK_OUTBOX};
use crate::raw::{Class, DriverError, Raw};
use crate::row::Row;
use crate::together::{Known, Question, questions};
use crate::transaction::{self, Transaction};

use super::Job;

/// A transaction that is about to begin, or one that has ended.
pub(super) struct Batch {
    database: Arc<Database>,
    tx: Transaction,
    /// Whether each unit has a savepoint of its own.
    guarded: bool,
    /// Whether there is but one.
    alone: bool,
    /// Time for units; more of them wait for the next batch.
    work: Duration,
    /// What beginning and committing took, once it is committed.
    overhead: Duration,
}

/// What became of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It succeeded.
    Done,
    /// It failed and has written nothing.
    Refused,
    /// It failed, and what it has written is to be undone.
    Failed,
}

/// What went wrong for the batch as a whole. Nothing was committed, but perhaps in `InDoubt`.
pub(super) enum Fault {
    /// It could not even begin: another process kept the database or a key locked.
    Refused(Error),
    /// Rolled back, and the connection still works.
    Undone { error: Error, contended: bool },
    /// The connection is gone, before the commit was sent. A unit that took too long is named.
    Lost { source: Source, culprit: Option<usize> },
    /// The connection is gone while the commit was under way.
    InDoubt(Source),
}

impl Batch {
    pub(super) fn new(database: Arc<Database>, raw: Raw, guarded: bool, work: Duration) -> Self {
        Self {
            tx: Transaction::new(Arc::clone(&database), raw),
            database,
            guarded,
            alone: false,
            work,
            overhead: Duration::ZERO,
        }
    }

    /// Whether its units had savepoints in the end.
    pub(super) fn was_guarded(&self) -> bool {
        self.guarded
    }

    /// What was not work in a batch that was committed.
    pub(super) fn overhead(&self) -> Duration {
        self.overhead
    }

    /// The connection, if it is of further use.
    pub(super) fn into_raw(self) -> Option<Raw> {
        self.tx.raw
    }

    /// Runs units from the front until all ran or time is up, commits, and returns how many ran.
    pub(super) async fn run(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<usize, Fault> {
        // A unit without company needs no savepoint: what undoes it undoes the transaction.
        self.alone = jobs.len() == 1;
        self.guarded &= !self.alone;
        let began = Instant::now();
        let begin = self.begin(jobs);
        self.start(begin).await?;
        let apart = share_a_key(jobs);
        // What is done for all shows under the first.
        let span = jobs.first().map_or_else(Span::none, |job| job.span().clone());
        let asking = jobs.iter().zip(&apart).enumerate().filter(|(_, (_, apart))| !**apart);
        // But for those that may find what an earlier one is about to write.
        let asked = questions(asking.map(|(unit, (job, _))| (unit, job.lookups())));
        let mut known = self.look_up(asked, jobs.len()).instrument(span.clone()).await?;
        let begun = Instant::now();
        let (mut ran, mut succeeded) = (0, 0);
        while ran < jobs.len() && (ran == 0 || begun.elapsed() < self.work) {
            if apart[ran] {
                self.write_puts().instrument(span.clone()).await?;
            }
            self.tx.wrote = false;
            self.tx.known = std::mem::take(&mut known[ran]);
            let outcome = self.unit(ran, &mut jobs[ran]).await?;
            ran += 1;
            succeeded += u64::from(outcome == Outcome::Done);
            match outcome {
                Outcome::Done if self.guarded => {
                    self.write_puts().instrument(span.clone()).await?;
                    self.script("RELEASE SAVEPOINT unit; SAVEPOINT unit").await?;
                }
                Outcome::Failed if self.guarded => self.script("ROLLBACK TO SAVEPOINT unit").await?,
                // Nothing of it is left, or the transaction goes with it.
                Outcome::Done | Outcome::Refused => {}
                Outcome::Failed if jobs.len() == 1 => {}
                Outcome::Failed => {
                    self.script("ROLLBACK").await?;
                    self.tx.events.clear();
                    self.tx.puts.clear();
                    self.guarded = true;
                    return Box::pin(self.run(jobs)).await;
                }
            }
        }
        if succeeded == 0 {
            self.script("ROLLBACK").await?;
            return Ok(ran);
        }
        self.write_puts().instrument(span).await?;
        let worked = begun.elapsed();
        let head = self.insert_events().await?;
        self.database.committing.store(true, Ordering::Release);
        let committed = self.commit().await;
        if committed.is_ok() {
            self.database.advance(head);
        }
        self.database.committing.store(false, Ordering::Release);
        committed?;
        self.overhead = began.elapsed().saturating_sub(worked);
        self.database.commits.fetch_add(1, Ordering::Relaxed);
        self.database.units.fetch_add(succeeded, Ordering::Relaxed);
        for job in &jobs[..ran] {
            job.span().record("db.operation.batch.size", succeeded);
        }
        Ok(ran)
    }

    /// Begins, takes every key's lock in ascending order (PostgreSQL), and opens the first savepoint, in one exchange.
    fn begin(&self, jobs: &[Box<dyn Job>]) -> String {
        let mut script = match self.database.target {
            Target::Sqlite { .. } => "BEGIN IMMEDIATE".to_owned(),
            Target::Postgres { .. } => begin_locked(jobs),
        };
        if self.guarded {
            script.push_str("; SAVEPOINT unit");
        }
        script
    }

    async fn start(&mut self, script: String) -> Result<(), Fault> {
        let limit = self.limit();
        match self.raw()?.script_then_clock(&script, limit).await {
            Ok(now_us) => {
                self.tx.now_us = now_us;
                Ok(())
            }
            Err(error) if error.class() == Class::Busy => {
                self.rollback().await?;
                Err(Fault::Refused(Error::Overloaded { attempted: "BEGIN", limit: "wait for another writer" }))
            }
            Err(error) => Err(self.failed("BEGIN", error).await),
        }
    }

    /// Asks what units will look up, and gives each of so many what is found for it.
    async fn look_up(&mut self, asked: Vec<Question>, units: usize) -> Result<Vec<Vec<Known>>, Fault> {
        let mut known: Vec<Vec<Known>> = (0..units).map(|_| Vec::new()).collect();
        for question in asked {
            let rows = self.tx.fetch_all(&question.statement, [question.list().into()]).await;
            match rows.and_then(|rows| question.answers(rows)) {
                Ok(answers) => answers.for_each(|(unit, found)| known[unit].push(found)),
                Err(error) => return Err(self.failed_together(error).await),
            }
        }
        Ok(known)
    }

    /// Writes what the units so far have put.
    async fn write_puts(&mut self) -> Result<(), Fault> {
        match self.tx.write_puts().await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed_together(error).await),
        }
    }

    /// Undoes the transaction after a statement failed that was for several units: whose fault it was shows when each runs
    /// alone.
    async fn failed_together(&mut self, error: Error) -> Fault {
        let (error, contended) = match self.tx.fault.take() {
            Some(transaction::Fault::Lost(source)) => return Fault::Lost { source, culprit: None },
            Some(transaction::Fault::Slow(source)) => {
                return Fault::Lost { source, culprit: self.alone.then_some(0) };
            }
            Some(transaction::Fault::Contended(error)) => (error, true),
            Some(transaction::Fault::Full(error)) => (error, false),
            Some(transaction::Fault::Statement) | None => (error, false),
        };
        match self.rollback().await {
            Ok(()) => Fault::Undone { error, contended },
            Err(fault) => fault,
        }
    }

    /// Runs one unit.
    async fn unit(&mut self, index: usize, job: &mut Box<dyn Job>) -> Result<Outcome, Fault> {
        let (limit, events) = (self.limit(), self.tx.events.len());
        let Ok(succeeded) = timeout(limit, job.run(&mut self.tx)).await else {
            let source = source(TooSlow(limit));
            return Err(Fault::Lost { source, culprit: Some(index) });
        };
        let own = std::mem::take(&mut self.tx.own);
        match self.tx.fault.take() {
            Some(transaction::Fault::Lost(source)) => Err(Fault::Lost { source, culprit: None }),
            Some(transaction::Fault::Slow(source)) => Err(Fault::Lost { source, culprit: Some(index) }),
            Some(transaction::Fault::Contended(error)) => {
                self.rollback().await?;
                Err(Fault::Undone { error, contended: true })
            }
            Some(transaction::Fault::Full(error)) => {
                self.rollback().await?;
                Err(Fault::Undone { error, contended: false })
            }
            Some(transaction::Fault::Statement) => {
                self.tx.events.truncate(events);
                // PostgreSQL takes nothing more in this transaction, whatever it was that failed.
                Ok(Outcome::Failed)
            }
            None if succeeded => {
                self.tx.puts.extend(own);
                Ok(Outcome::Done)
            }
            None => {
                self.tx.events.truncate(events);
                Ok(if self.tx.wrote { Outcome::Failed } else { Outcome::Refused })
            }
        }
    }

    /// Draws the positions, after the lock that the commit releases, and returns the highest.
    async fn insert_events(&mut self) -> Result<u64, Fault> {
        if self.tx.events.is_empty() {
            return Ok(0);
        }
        let events = std::mem::take(&mut self.tx.events);
        if self.guarded {
            self.script("RELEASE SAVEPOINT unit").await?;
        }
        if matches!(self.database.target, Target::Postgres { .. }) {
            self.script(LOCK_OUTBOX).await?;
        }
        let values = event::outbox(events).map_err(|error| {
            Fault::Refused(Error::Internal { attempted: INSERT_EVENTS.name, source: source(error) })
        })?;
        let limit = self.limit();
        let rows = match self.raw()?.fetch_all(&INSERT_EVENTS, values.into(), limit).await {
            Ok(rows) => rows,
            Err(error) => return Err(self.failed(INSERT_EVENTS.name, error).await),
        };
        let mut head = 0;
        for raw in rows {
            let row = Row { statement: INSERT_EVENTS.name, raw };
            head = head.max(row.get("position").map_err(Fault::Refused)?);
        }
        Ok(head)
    }

    /// From the moment it is sent until it is answered, nobody knows.
    async fn commit(&mut self) -> Result<(), Fault> {
        let limit = self.limit();
        let Err(error) = self.raw()?.script("COMMIT", limit).await else { return Ok(()) };
        match error.class() {
            // A constraint that is checked at the end, a serialization failure, a full disk: said so, and rolled back.
            Class::Unique | Class::Constraint | Class::Contended | Class::Full => {
                Err(self.failed("COMMIT", error).await)
            }
            Class::Lost | Class::Busy | Class::Corrupt | Class::Mistake => {
                self.tx.raw = None;
                Err(Fault::InDoubt(source(error)))
            }
        }
    }

    async fn script(&mut self, sql: &'static str) -> Result<(), Fault> {
        let limit = self.limit();
        match self.raw()?.script(sql, limit).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed(sql, error).await),
        }
    }

    /// Undoes the transaction after one of the batch's own statements failed.
    async fn failed(&mut self, attempted: &'static str, error: DriverError) -> Fault {
        let class = error.class();
        if class == Class::Lost {
            self.tx.raw = None;
            return Fault::Lost { source: source(error), culprit: None };
        }
        let error = statement_error(attempted, error);
        match self.rollback().await {
            Ok(()) => Fault::Undone { error, contended: class == Class::Contended },
            Err(fault) => fault,
        }
    }

    async fn rollback(&mut self) -> Result<(), Fault> {
        let limit = self.limit();
        match self.raw()?.script("ROLLBACK", limit).await {
            Ok(()) => Ok(()),
            // SQLite has rolled back by itself, or never began.
            Err(error) if error.class() == Class::Mistake => Ok(()),
            Err(error) => {
                self.tx.raw = None;
                Err(Fault::Lost { source: source(error), culprit: None })
            }
        }
    }

    /// The connection, for one more exchange.
    fn raw(&mut self) -> Result<&mut Raw, Fault> {
        self.database.sends();
        let lost = || Fault::Lost { source: because("the connection was lost"), culprit: None };
        self.tx.raw.as_mut().ok_or_else(lost)
    }

    fn limit(&self) -> Duration {
        self.database.limits.statement_timeout
    }
}

/// Which units have a key in common with one before them.
fn share_a_key(jobs: &[Box<dyn Job>]) -> Vec<bool> {
    let mut seen = HashSet::new();
    let mut shared = Vec::with_capacity(jobs.len());
    for job in jobs {
        // Every key is noted, also after the first that is known.
        shared.push(job.keys().iter().filter(|key| !seen.insert(key.as_str())).count() > 0);
    }
    shared
}

/// The array is locked from left to right, as the scan of a function's rows goes.
fn begin_locked(jobs: &[Box<dyn Job>]) -> String {
    let mut locks: Vec<i64> = jobs.iter().flat_map(|job| job.keys()).map(|key| lock_of(key)).collect();
    if locks.is_empty() {
        return "BEGIN".to_owned();
    }
    locks.sort_unstable();
    locks.dedup();
    let list: Vec<String> = locks.iter().map(i64::to_string).collect();
    format!("BEGIN; SELECT pg_advisory_xact_lock(k) FROM unnest('{{{}}}'::bigint[]) AS k", list.join(","))
}

/// The same in every version of this program: replicas of two versions lock the same keys. Keys that collide only wait.
fn lock_of(key: &str) -> i64 {
    let digest = Sha256::digest(key.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}

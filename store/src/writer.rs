//! The writer: one task that groups commits without ever waiting for company.
//!
//! A batch is what queued while the last one committed. Its units share a transaction, each under a savepoint of its own, and
//! are answered once it is committed. What goes wrong for all of them is tried again once on another connection when the
//! commit was never sent, and one by one when another transaction was in the way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::database::{Connected, Database, Role};
use crate::error::{Error, Source};
use crate::keeper::ended;

mod batch;
mod job;

pub(crate) use job::{Job, Pending};

use batch::Batch;

/// How often a unit runs that others keep getting in the way of.
const RUNS_MAX: usize = 4;

/// How many times [`batch_work`](crate::Limits::batch_work) a batch may take where commits are slow.
const BATCH_STRETCH: u32 = 4;

/// How many batches have savepoints after one that needed them: units that fail after they have written come in rows.
const GUARDED_BATCHES: u32 = 32;

/// What becomes of units whose batch was not committed.
enum Failed {
    /// Trying again is no use.
    All(Error),
    /// Each one runs without company; the error is for one that was alone already.
    Alone { error: Error, contended: bool },
}

/// See the module.
pub(crate) struct Writer {
    database: Arc<Database>,
    queue: mpsc::Receiver<Box<dyn Job>>,
    stopped: watch::Receiver<bool>,
    /// What the last batch had no time or no room for; first in the next.
    carried: VecDeque<Box<dyn Job>>,
    connected: Option<Connected>,
    /// Batches that are still to have savepoints.
    guarded: u32,
    /// What beginning and committing took the last time.
    overhead: Duration,
    /// Whether the last batch failed, other than by its units' own refusals.
    failing: bool,
}

impl Writer {
    pub(crate) fn new(
        database: Arc<Database>,
        queue: mpsc::Receiver<Box<dyn Job>>,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        Self {
            database,
            queue,
            stopped,
            carried: VecDeque::new(),
            connected: None,
            guarded: 0,
            overhead: Duration::ZERO,
            failing: false,
        }
    }

    /// Runs until the store is dropped, or closed and its queue empty.
    pub(crate) async fn run(mut self) {
        while let Some(jobs) = self.next_batch().await {
            self.commit(jobs).await;
        }
    }

    async fn next_batch(&mut self) -> Option<VecDeque<Box<dyn Job>>> {
        let first = match self.carried.pop_front() {
            Some(first) => first,
            None => tokio::select! {
                biased;
                first = self.queue.recv() => first?,
                () = ended(&mut self.stopped) => {
                    self.queue.close();
                    self.queue.recv().await?
                }
            },
        };
        let mut keys = first.keys().len();
        let mut jobs = VecDeque::from([first]);
        while jobs.len() < self.database.limits.batch_units {
            let Some(job) = self.carried.pop_front().or_else(|| self.queue.try_recv().ok()) else { break };
            keys += job.keys().len();
            if keys > self.database.limits.batch_keys {
                self.carried.push_front(job);
                break;
            }
            jobs.push_back(job);
        }
        Some(jobs)
    }

    /// Commits a batch and answers what ran; the rest is carried over.
    async fn commit(&mut self, mut jobs: VecDeque<Box<dyn Job>>) {
        match self.attempt(&mut jobs, true).await {
            Ok(ran) => self.succeed(jobs.drain(..ran)),
            Err(Failed::All(error)) => self.fail(jobs.drain(..), &error),
            Err(Failed::Alone { .. }) => {
                while let Some(job) = jobs.pop_front() {
                    self.commit_alone(job).await;
                }
            }
        }
        while let Some(job) = jobs.pop_back() {
            self.carried.push_front(job);
        }
    }

    /// One unit without company, again while others get in its way.
    async fn commit_alone(&mut self, job: Box<dyn Job>) {
        let mut jobs = VecDeque::from([job]);
        let mut runs = 1;
        loop {
            match self.attempt(&mut jobs, true).await {
                Ok(ran) => return self.succeed(jobs.drain(..ran)),
                Err(Failed::Alone { contended: true, .. }) if runs < RUNS_MAX => runs += 1,
                Err(Failed::All(error) | Failed::Alone { error, .. }) => return self.fail(jobs.drain(..), &error),
            }
        }
    }

    /// Returns how many units ran, from the front. A connection that broke before the commit was sent is replaced once.
    async fn attempt(&mut self, jobs: &mut VecDeque<Box<dyn Job>>, retry: bool) -> Result<usize, Failed> {
        let attempted = jobs.front().map_or("batch", |job| job.name());
        self.database.in_place().map_err(|source| Failed::All(Error::Unavailable { attempted, source }))?;
        let connected = match self.connected.take() {
            Some(connected) if self.database.is_current(connected.generation) => connected,
            _ => self.database.connect(Role::Writer, attempted).await.map_err(Failed::All)?,
        };
        let generation = connected.generation;
        let told = self.guarded > 0;
        let mut batch = Batch::new(Arc::clone(&self.database), connected.raw, told, self.work());
        let outcome = batch.run(jobs.make_contiguous()).await;
        self.guarded = if batch.was_guarded() && !told { GUARDED_BATCHES } else { self.guarded.saturating_sub(1) };
        match outcome {
            Ok(ran) => {
                self.overhead = batch.overhead();
                self.keep(batch, generation);
                Ok(ran)
            }
            Err(batch::Fault::Refused(error)) => {
                // Whether a transaction is still open is not worth finding out.
                drop(batch);
                Err(Failed::All(error))
            }
            Err(batch::Fault::Undone { error, contended }) => {
                self.keep(batch, generation);
                Err(Failed::Alone { error, contended })
            }
            Err(batch::Fault::InDoubt(source)) => {
                self.database.connection_lost();
                Err(Failed::All(Error::InDoubt { attempted, source }))
            }
            Err(batch::Fault::Lost { source, culprit }) => {
                // Closed before the next try, which would wait for the locks that it may still have.
                drop(batch);
                self.database.connection_lost();
                self.after_loss(jobs, source, culprit, retry).await
            }
        }
    }

    /// The transaction went with its connection, so everything in it can run again: nothing of it was committed.
    async fn after_loss(
        &mut self,
        jobs: &mut VecDeque<Box<dyn Job>>,
        source: Source,
        culprit: Option<usize>,
        retry: bool,
    ) -> Result<usize, Failed> {
        // A unit that took too long would only do so again, and everybody behind it wait twice.
        if let Some(slow) = culprit.and_then(|index| jobs.remove(index)) {
            let error = Error::Unavailable { attempted: slow.name(), source: Arc::clone(&source) };
            answer([slow], Some(&error));
        }
        if jobs.is_empty() {
            return Ok(0);
        }
        if !retry {
            let attempted = jobs.front().map_or("batch", |job| job.name());
            return Err(Failed::All(Error::Unavailable { attempted, source }));
        }
        Box::pin(self.attempt(jobs, false)).await
    }

    fn succeed(&mut self, jobs: impl IntoIterator<Item = Box<dyn Job>>) {
        if std::mem::take(&mut self.failing) {
            tracing::info!(database = %self.database.target, "writes succeed again");
        }
        answer(jobs, None);
    }

    /// Says the first failure of a row of them. That the database is away has been said already.
    fn fail(&mut self, jobs: impl IntoIterator<Item = Box<dyn Job>>, error: &Error) {
        let available = self.database.health.borrow().is_available();
        if available && !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(database = %self.database.target, error = %error.chain(), "writes fail");
        }
        answer(jobs, Some(error));
    }

    /// Where commits are slow, a batch may work as long as committing takes: else most of the time would go into commits.
    fn work(&self) -> Duration {
        let limit = self.database.limits.batch_work;
        self.overhead.clamp(limit, limit * BATCH_STRETCH)
    }

    fn keep(&mut self, batch: Batch, generation: u64) {
        self.connected = batch.into_raw().map(|raw| Connected { raw, generation });
    }
}

fn answer(jobs: impl IntoIterator<Item = Box<dyn Job>>, error: Option<&Error>) {
    for job in jobs {
        job.answer(error);
    }
}

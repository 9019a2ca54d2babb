//! The store, as a service holds it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::Instrument as _;

use crate::config::{Config, Target};
use crate::connection::Connection;
use crate::database::Database;
use crate::error::{Error, because, source};
use crate::feed::Shared;
use crate::health::Health;
use crate::keeper::Keeper;
use crate::migration::Migration;
use crate::unit::Unit;
use crate::writer::{Job, Pending, Writer};
use crate::{feed, housekeeping, span};

/// What the store has done since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Transactions committed.
    pub commits: u64,
    /// Units in them. Units for each commit are how well commits are shared.
    pub units: u64,
    /// Statements sent, reads included; a script counts as one, since it is one exchange.
    pub statements: u64,
    /// Units that wait now.
    pub queued: usize,
}

/// A service's own database. Cheap to clone; the last clone that is dropped ends the background tasks.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Arc<Database>,
    queue: mpsc::Sender<Box<dyn Job>>,
    background: Handle,
    /// True once the store is closed; the tasks also end when this is dropped.
    stop: watch::Sender<bool>,
    /// Open until the writer has answered its last unit.
    writer_done: watch::Receiver<()>,
    feed: Arc<Shared>,
}

impl Store {
    /// Opens the database and brings its schema up to date: the store's own tables, then `migrations`.
    ///
    /// If PostgreSQL is away now, the store opens all the same and connects and migrates once it is there; until then
    /// calls are refused and [`health`](Self::health) says why. A service that crashes at start because its database starts
    /// a little later helps nobody.
    ///
    /// # Errors
    /// [`Error::Open`] or [`Error::Migration`] for what waiting does not mend: a file that is no database, a password or a
    /// database that does not exist, a migration that fails or has changed since it was applied.
    pub async fn open(config: Config, migrations: &'static [Migration], background: Handle) -> Result<Self, Error> {
        let database = Database::new(config);
        let (stop, stopped) = watch::channel(false);
        let (queue, jobs) = mpsc::channel(database.limits.write_queue);
        let keeper = Keeper::new(Arc::clone(&database), migrations, stopped.clone());
        let keeper = background.spawn(keeper.start()).await.map_err(|error| panicked("open", &error))??;
        background.spawn(keeper.run());

        let (done, writer_done) = watch::channel(());
        let writer = Writer::new(Arc::clone(&database), jobs, stopped);
        start_writer(writer, &database.target, &background, done)?;
        let feed = Arc::new(Shared::new(&database.limits));
        let inner = Inner { database, queue, background, stop, writer_done, feed };
        let store = Self { inner: Arc::new(inner) };
        housekeeping::spawn(&store);
        feed::spawn(&store);
        Ok(store)
    }

    /// Lends a connection that reads, on the background runtime (SQLite: on a thread of its blocking pool). A caller that
    /// gives up does not stop it.
    ///
    /// # Errors
    /// What `run` returns; [`Error::Unavailable`] at once while the database is away; [`Error::Overloaded`] when no
    /// connection was free within [`acquire_timeout`](crate::Limits::acquire_timeout).
    pub async fn read<T, E, F, Fut>(&self, name: &'static str, run: F) -> Result<T, E>
    where
        F: FnOnce(Connection) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let database = Arc::clone(&self.inner.database);
        database.admit(name)?;
        let permit = database.permit(name).await?;
        let may_wait = matches!(database.target, Target::Sqlite { .. });
        let work = async move {
            let connection = Connection::acquire(database, permit, name).await?;
            run(connection).await
        };
        let work = work.instrument(span::read(name));
        let background = self.inner.background.clone();
        let done = if may_wait {
            self.inner.background.spawn_blocking(move || background.block_on(work)).await
        } else {
            background.spawn(work).await
        };
        done.unwrap_or_else(|error| Err(panicked(name, &error).into()))
    }

    /// Runs a unit. When this returns `Ok`, the unit is durable and its events are visible at [`position`](Self::position).
    /// A caller that gives up does not stop it.
    ///
    /// # Errors
    /// What the unit returns; [`Error::Unavailable`] at once while the database is away; [`Error::Overloaded`] at once when
    /// [`write_queue`](crate::Limits::write_queue) units wait; [`Error::InDoubt`] if the connection broke during the commit.
    pub async fn write<U: Unit>(&self, unit: U) -> Result<U::Output, U::Error> {
        self.inner.database.admit(U::NAME)?;
        if *self.inner.stop.borrow() {
            return Err(Error::Closed { attempted: U::NAME }.into());
        }
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Pending::new(unit, reply, span::unit(U::NAME)));
        match self.inner.queue.try_send(job) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                return Err(Error::Overloaded { attempted: U::NAME, limit: "write_queue" }.into());
            }
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(Error::Closed { attempted: U::NAME }.into()),
        }
        answer.await.unwrap_or_else(|_dropped| Err(Error::Closed { attempted: U::NAME }.into()))
    }

    /// The feed's head: the newest committed position. Own commits show before `write` returns, those of other processes
    /// within [`poll_interval`](crate::Limits::poll_interval).
    #[must_use]
    pub fn position(&self) -> watch::Receiver<u64> {
        self.inner.database.head.subscribe()
    }

    /// How old the newest event of another process was when this one found it, by the clocks of both; for a metric. It
    /// changes with every such event.
    #[must_use]
    pub fn followed(&self) -> watch::Receiver<Duration> {
        self.inner.database.followed.subscribe()
    }

    /// Whether the database answers, for readiness. An idle store notices too: it looks every
    /// [`poll_interval`](crate::Limits::poll_interval).
    #[must_use]
    pub fn health(&self) -> watch::Receiver<Health> {
        self.inner.database.health.subscribe()
    }

    /// What the writer has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let Inner { database, queue, .. } = &*self.inner;
        Stats {
            commits: database.commits.load(Ordering::Relaxed),
            units: database.units.load(Ordering::Relaxed),
            statements: database.statements.load(Ordering::Relaxed),
            queued: queue.max_capacity().saturating_sub(queue.capacity()),
        }
    }

    /// Refuses new calls, waits for the units that are queued, and ends the background tasks.
    pub async fn close(&self) {
        self.inner.stop.send_replace(true);
        // The writer holds the other end and never sends: this ends when it is dropped.
        while self.inner.writer_done.clone().changed().await.is_ok() {}
        self.inner.database.close();
    }

    pub(crate) fn feed(&self) -> &Arc<Shared> {
        &self.inner.feed
    }

    pub(crate) fn background(&self) -> &Handle {
        &self.inner.background
    }

    pub(crate) fn stopped(&self) -> watch::Receiver<bool> {
        self.inner.stop.subscribe()
    }

    pub(crate) fn downgrade(&self) -> Weak {
        Weak(Arc::downgrade(&self.inner))
    }

    pub(crate) fn limits(&self) -> &crate::Limits {
        &self.inner.database.limits
    }
}

/// A store that does not keep itself open.
#[derive(Clone, Debug)]
pub(crate) struct Weak(std::sync::Weak<Inner>);

impl Weak {
    pub(crate) fn upgrade(&self) -> Option<Store> {
        self.0.upgrade().map(|inner| Store { inner })
    }
}

/// PostgreSQL's writer waits for its server beside others; SQLite's works, and waits for the disk, on a thread of its own.
fn start_writer(writer: Writer, target: &Target, background: &Handle, done: watch::Sender<()>) -> Result<(), Error> {
    let work = async move {
        writer.run().await;
        drop(done);
    };
    match target {
        Target::Postgres { .. } => drop(background.spawn(work)),
        Target::Sqlite { .. } => {
            let runtime = background.clone();
            let thread = std::thread::Builder::new().name("sqlite-writer".to_owned());
            let started = thread.spawn(move || runtime.block_on(work));
            started.map_err(|error| Error::Open { target: target.to_string(), source: source(error) })?;
        }
    }
    Ok(())
}

fn panicked(attempted: &'static str, error: &tokio::task::JoinError) -> Error {
    if error.is_panic() {
        Error::Internal { attempted, source: because("it panicked") }
    } else {
        Error::Closed { attempted }
    }
}

//! The one thing every task of a store shares: how to connect, whether connecting is worth a try, and idle readers.
//!
//! The breaker is the health itself. Whoever fails to connect sets it to away; from then on everybody is refused at once, and
//! only the keeper tries, until it gets through. A connection that breaks empties the pool (the others stood on the same
//! server) but opens no breaker: a server that was restarted takes the next connection.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::config::{Config, Limits, Target, postgres_options};
use crate::error::{Error, because, source};
use crate::file::Identity;
use crate::health::Health;
use crate::raw::{Access, Class, DriverError, Embedded, Place, Raw, timed};

/// What a connection may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// On a thread that may wait.
    Reader,
    /// As a reader, beside others on their thread.
    Poller,
    /// On a thread that may wait.
    Writer,
    /// A step of a migration may take as long as it takes.
    Migrator,
}

/// See the module.
pub(crate) struct Database {
    pub(crate) target: Target,
    pub(crate) limits: Limits,
    pub(crate) health: watch::Sender<Health>,
    /// The newest committed position, as far as this process knows.
    pub(crate) head: watch::Sender<u64>,
    /// How old the newest event of another process was when the poll found it.
    pub(crate) followed: watch::Sender<Duration>,
    /// While an own commit may be visible already and is not in `head` yet.
    pub(crate) committing: AtomicBool,
    pub(crate) commits: AtomicU64,
    pub(crate) units: AtomicU64,
    /// Statements and scripts sent: exchanges with the database, except those of connecting and migrating.
    pub(crate) statements: AtomicU64,
    /// Counts the connection errors: a connection from before the last one is not trusted.
    generation: AtomicU64,
    idle: Mutex<Vec<Idle>>,
    permits: Arc<Semaphore>,
    /// The embedded database's file, once it is open.
    file: OnceLock<Identity>,
}

struct Idle {
    raw: Raw,
    generation: u64,
}

/// A connection and the generation it is from.
pub(crate) struct Connected {
    pub(crate) raw: Raw,
    pub(crate) generation: u64,
}

impl Database {
    /// Counts a statement, or a script of several, that is sent.
    pub(crate) fn sends(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn new(config: Config) -> Arc<Self> {
        Arc::new(Self {
            permits: Arc::new(Semaphore::new(config.limits.readers)),
            target: config.target,
            limits: config.limits,
            health: watch::Sender::new(Health::Starting),
            head: watch::Sender::new(0),
            followed: watch::Sender::new(Duration::ZERO),
            committing: AtomicBool::new(false),
            commits: AtomicU64::new(0),
            statements: AtomicU64::new(0),
            units: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            idle: Mutex::new(Vec::new()),
            file: OnceLock::new(),
        })
    }

    /// Refuses at once while the database is away.
    pub(crate) fn admit(&self, attempted: &'static str) -> Result<(), Error> {
        let source = match &*self.health.borrow() {
            Health::Available => return Ok(()),
            Health::Starting => because("it has not been reached yet"),
            Health::Away(source) | Health::Unusable(source) => Arc::clone(source),
        };
        Err(Error::Unavailable { attempted, source })
    }

    /// Waits for the right to hold a reader.
    pub(crate) async fn permit(&self, attempted: &'static str) -> Result<OwnedSemaphorePermit, Error> {
        let acquired = tokio::time::timeout(self.limits.acquire_timeout, Arc::clone(&self.permits).acquire_owned());
        match acquired.await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_closed)) => Err(Error::Closed { attempted }),
            Err(_elapsed) => Err(Error::Overloaded { attempted, limit: "readers" }),
        }
    }

    /// Takes an idle reader of the current generation.
    pub(crate) fn take_idle(&self) -> Option<Connected> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let Idle { raw, generation } = idle.pop()?;
        if self.is_current(generation) {
            return Some(Connected { raw, generation });
        }
        idle.clear();
        None
    }

    /// Puts a reader back that is between two statements.
    pub(crate) fn give_back(&self, Connected { raw, generation }: Connected) {
        if self.is_current(generation) && !self.permits.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(Idle { raw, generation });
        }
    }

    /// Connects on behalf of a call: refused at once while the breaker is open, which a failure opens.
    pub(crate) async fn connect(&self, role: Role, attempted: &'static str) -> Result<Connected, Error> {
        self.admit(attempted)?;
        self.dial(role).await.map_err(|error| {
            let class = error.class();
            let source = source(error);
            match class {
                // The server has no room for one more connection; those it has still work.
                Class::Busy | Class::Full => Error::Overloaded { attempted, limit: "connections of the server" },
                Class::Lost
                | Class::Mistake
                | Class::Corrupt
                | Class::Contended
                | Class::Unique
                | Class::Constraint => {
                    self.away(&source);
                    Error::Unavailable { attempted, source }
                }
            }
        })
    }

    /// Connects, whatever the breaker says.
    pub(crate) async fn dial(&self, role: Role) -> Result<Connected, DriverError> {
        let generation = self.generation.load(Ordering::Acquire);
        let raw = timed(self.limits.acquire_timeout, self.establish(role)).await?;
        Ok(Connected { raw, generation })
    }

    /// A connection broke, and with it the trust in all others.
    pub(crate) fn connection_lost(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn is_current(&self, generation: u64) -> bool {
        self.generation.load(Ordering::Acquire) == generation
    }

    /// Opens the breaker.
    pub(crate) fn away(&self, reason: &crate::Source) {
        let was = self.health.send_replace(Health::Away(Arc::clone(reason)));
        if was.is_available() {
            self.connection_lost();
            tracing::warn!(database = %self.target, error = %reason, "database away");
        }
    }

    /// Closes the breaker.
    pub(crate) fn available(&self) {
        let was = self.health.send_replace(Health::Available);
        if !was.is_available() {
            tracing::info!(database = %self.target, "database available");
        }
    }

    /// Moves the head forward, never back.
    pub(crate) fn advance(&self, position: u64) {
        self.head.send_if_modified(|head| {
            let moved = position > *head;
            *head = position.max(*head);
            moved
        });
    }

    /// The file there is now is the database from now on.
    pub(crate) fn remember_file(&self) -> std::io::Result<()> {
        if let Target::Sqlite { path } = &self.target {
            let identity = Identity::of(path)?;
            self.file.get_or_init(|| identity);
        }
        Ok(())
    }

    /// Fails if the embedded database's file was removed or replaced.
    pub(crate) fn in_place(&self) -> Result<(), crate::Source> {
        match (&self.target, self.file.get()) {
            (Target::Sqlite { path }, Some(identity)) => identity.check(path),
            _ => Ok(()),
        }
    }

    /// No more connections are given out.
    pub(crate) fn close(&self) {
        self.permits.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    async fn establish(&self, role: Role) -> Result<Raw, DriverError> {
        match &self.target {
            Target::Sqlite { path } => {
                let (access, place) = match role {
                    Role::Reader => (Access::Read, Place::Here),
                    Role::Poller => (Access::Read, Place::Elsewhere),
                    Role::Writer => (Access::Write, Place::Here),
                    Role::Migrator => (Access::Create, Place::Elsewhere),
                };
                Ok(Raw::Sqlite(Embedded::open(path, access, place, &self.limits).await?))
            }
            Target::Postgres { options } => {
                let options = match role {
                    Role::Reader | Role::Poller => {
                        postgres_options(options, &self.limits).options([("default_transaction_read_only", "on")])
                    }
                    // All it does is by keys. A plan that was made while a table was empty would read the table.
                    Role::Writer => postgres_options(options, &self.limits).options([
                        ("enable_seqscan", "off"),
                        ("enable_hashjoin", "off"),
                        ("enable_mergejoin", "off"),
                    ]),
                    Role::Migrator => (**options).clone().disable_statement_logging(),
                };
                Ok(Raw::Postgres(options.connect().await?))
            }
        }
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("target", &self.target).field("health", &*self.health.borrow()).finish()
    }
}

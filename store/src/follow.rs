//! Following another service's feed: connect, apply what comes, come back from where it was.
//!
//! [`Follow`] knows neither the transport nor where things are kept. It is given how to connect (a closure that opens the
//! stream from a cursor; it translates between the wire and [`Message`]) and a [`Sink`] that applies
//! events and keeps the cursor: [`Inbox`](crate::Inbox), which is this service's own database, or one with a place of its
//! own, such as an index whose commit carries the cursor.
//!
//! ```no_run
//! use store::feed::{State, WatchError};
//! use store::{Effect, Error, Event, Failure, Follow, Inbox, Interrupted, Statement, Store, Transaction, follow};
//!
//! const SET: Statement = Statement::new(
//!     "UPSERT name",
//!     "INSERT INTO name (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name",
//! );
//! const REMOVE: Statement = Statement::new("DELETE name", "DELETE FROM name WHERE id = $1");
//!
//! /// The names of the catalog's products, in this service's database.
//! struct Names;
//!
//! impl Effect for Names {
//!     async fn apply(&self, tx: &mut Transaction, event: &Event) -> Result<(), Failure> {
//!         match event.r#type.as_str() {
//!             "souk.catalog.v1.ProductChanged" => {
//!                 let name = std::str::from_utf8(&event.payload).map_err(Failure::permanent)?;
//!                 tx.execute(&SET, [event.key.as_str().into(), name.into()]).await?;
//!                 Ok(())
//!             }
//!             "souk.catalog.v1.ProductDeleted" => self.remove(tx, &event.key).await,
//!             _ => Ok(()),
//!         }
//!     }
//!
//!     async fn remove(&self, tx: &mut Transaction, key: &str) -> Result<(), Failure> {
//!         tx.execute(&REMOVE, [key.into()]).await?;
//!         Ok(())
//!     }
//! }
//!
//! // Over gRPC the closure calls the generated client, answers CURSOR_EXPIRED with `Interrupted::Expired` and any other
//! // status with `Interrupted::lost`. Within one process it may follow the other service's store itself:
//! # async fn snapshot(_: store::Connection, _after: String) -> Result<Vec<State>, Error> { Ok(Vec::new()) }
//! async fn follow_catalog(catalog: Store, own: Store, drain: impl Future<Output = ()> + Send) {
//!     let inbox = Inbox::new(own, "catalog", Names);
//!     let letters = inbox.dead_letters(); // for the operator: letters.list(…), letters.replay(…)
//!     let connect = move |cursor: String| {
//!         let catalog = catalog.clone();
//!         async move {
//!             let watch = catalog.watch(&cursor, snapshot).await.map_err(Interrupted::from)?;
//!             Ok(follow::stream(watch.into_stream(), |message| message, Interrupted::from))
//!         }
//!     };
//!     let (metrics, follow) = (follow::Metrics::default(), Follow::new("catalog", connect, inbox));
//!     metrics.observe(&follow);
//!     for (name, help, series) in metrics.series() {
//!         // mesh.metrics().register(name, help, series)
//!         # let _ = (name, help, series);
//!     }
//!     follow.run(drain).await; // as a task of the service's own
//!     # drop(letters);
//! }
//! ```

mod metrics;
mod reader;
mod sink;
mod status;

use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::Source;
use crate::error::{because, chain, source};
use crate::feed::{Message, WatchError};

pub use metrics::{Metrics, Series};
pub use sink::{Place, Sink, SinkError, Taken};
pub use status::{Role, Status};

use reader::{Batch, Reader};

/// How long a stop waits for the sink to let go.
const RELEASE_MAX: Duration = Duration::from_secs(2);

/// The limits of following a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// A stream that says nothing for this long is ended, and one that does not open (30 s).
    pub silence: Duration,
    /// The first pause before connecting again (100 ms); it doubles up to `backoff_max`, each cut by up to a half at random.
    pub backoff_min: Duration,
    /// See [`backoff_min`](Self::backoff_min) (5 s).
    pub backoff_max: Duration,
    /// How often a replica that does not work at the feed looks whether it has to (1 s).
    pub standby: Duration,
    /// Events that are applied at once (64), and the bytes after which no more are taken (1 MiB).
    pub batch_events: usize,
    /// See [`batch_events`](Self::batch_events).
    pub batch_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(30),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(5),
            standby: Duration::from_secs(1),
            batch_events: 64,
            batch_bytes: 1024 * 1024,
        }
    }
}

/// Why a stream did not open, or ended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Interrupted {
    /// The cursor is no place in the feed (any more), or is not even understood there: it begins again with a snapshot.
    #[error("the cursor has expired")]
    Expired,
    /// Anything else: it is connected again from the cursor.
    #[error("the stream was lost")]
    Lost(#[source] Source),
}

impl Interrupted {
    /// For whatever is not an expired cursor.
    pub fn lost(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Lost(source(error))
    }
}

impl From<WatchError> for Interrupted {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::Expired(_) | WatchError::NotACursor(_) => Self::Expired,
            WatchError::Store(error) => Self::lost(error),
        }
    }
}

/// Translates a stream of the wire's messages and errors.
pub fn stream<S, M, E>(
    wire: S,
    mut message: impl FnMut(M) -> Message + Send,
    mut interrupted: impl FnMut(E) -> Interrupted + Send,
) -> impl Stream<Item = Result<Message, Interrupted>> + Send
where
    S: Stream<Item = Result<M, E>> + Send,
    M: Send,
    E: Send,
{
    wire.map(move |item| item.map(&mut message).map_err(&mut interrupted))
}

/// The follower of one feed. See the module.
#[derive(Debug)]
pub struct Follow<C, S> {
    name: &'static str,
    connect: C,
    sink: S,
    options: Options,
    status: watch::Sender<Status>,
    /// The cursor that the sink keeps was refused.
    expired: bool,
    failing: bool,
}

/// Why following paused.
enum End {
    Drained,
    Standby,
    Interrupted(Interrupted),
    Sink(Source),
}

impl From<SinkError> for End {
    fn from(error: SinkError) -> Self {
        match error {
            SinkError::Standby => Self::Standby,
            SinkError::Failed(source) => Self::Sink(source),
        }
    }
}

impl<C, Fut, M, S> Follow<C, S>
where
    C: Fn(String) -> Fut + Send + Sync,
    Fut: Future<Output = Result<M, Interrupted>> + Send,
    M: Stream<Item = Result<Message, Interrupted>> + Send,
    S: Sink,
{
    /// Follows the feed of the service called `name`.
    pub fn new(name: &'static str, connect: C, sink: S) -> Self {
        Self {
            name,
            connect,
            sink,
            options: Options::default(),
            status: watch::Sender::new(Status::new(name)),
            expired: false,
            failing: false,
        }
    }

    /// With other limits.
    #[must_use]
    pub fn with_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// How it is going; for readiness and metrics.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Follows until `drain` resolves: then what is being applied is finished, nothing more is, and the sink lets go.
    pub async fn run(mut self, drain: impl Future<Output = ()> + Send) {
        let mut drain = pin!(drain);
        let mut failures = 0;
        loop {
            let connects = self.status.borrow().connects;
            let end = self.session(&mut drain).await;
            if self.status.borrow().connects > connects && !self.failing {
                failures = 0;
            }
            let pause = match end {
                End::Drained => break,
                End::Standby => {
                    self.status.send_modify(|status| status.role = Role::Standby);
                    self.options.standby
                }
                End::Interrupted(Interrupted::Expired) => {
                    tracing::info!(feed = self.name, "cursor expired: starting from a snapshot");
                    self.expired = true;
                    self.options.backoff_min
                }
                End::Interrupted(interrupted @ Interrupted::Lost(_)) => {
                    self.failed(&mut failures, &source(interrupted))
                }
                End::Sink(error) => self.failed(&mut failures, &error),
            };
            tokio::select! {
                () = &mut drain => break,
                () = sleep(jittered(pause)) => {}
            }
        }
        if timeout(RELEASE_MAX, self.sink.release()).await.is_err() {
            tracing::debug!(feed = self.name, "the sink did not let go in time");
        }
    }

    /// Says the first failure of a row, and how long to pause.
    fn failed(&mut self, failures: &mut u32, error: &Source) -> Duration {
        self.status.send_modify(|status| status.role = Role::Disconnected);
        if !std::mem::replace(&mut self.failing, true) {
            let error = chain(&**error);
            tracing::warn!(feed = self.name, error, "feed interrupted: connecting again");
        }
        *failures = failures.saturating_add(1);
        let doubled = self.options.backoff_min.saturating_mul(1_u32 << (*failures - 1).min(16));
        doubled.min(self.options.backoff_max)
    }

    /// One stream, from where the sink is until something ends it.
    async fn session<D: Future<Output = ()>>(&mut self, drain: &mut Pin<&mut D>) -> End {
        let place = match self.sink.resume().await {
            Ok(Some(place)) => place,
            Ok(None) => return End::Standby,
            Err(error) => return error.into(),
        };
        self.status.send_modify(|status| status.position = place.position);
        let cursor = if self.expired { String::new() } else { place.cursor };
        let opened = timeout(self.options.silence, (self.connect)(cursor));
        let opened = tokio::select! {
            biased;
            () = &mut *drain => return End::Drained,
            opened = opened => opened,
        };
        let stream = match opened {
            Ok(Ok(stream)) => stream,
            Ok(Err(interrupted)) => return End::Interrupted(interrupted),
            Err(_elapsed) => return End::Interrupted(silent(self.options.silence)),
        };
        self.status.send_modify(|status| (status.role, status.connects) = (Role::Following, status.connects + 1));
        let stream = pin!(stream);
        let mut reader = Reader::new(stream, &self.options);
        let mut keep = interval(Duration::from_secs(1).min(self.options.standby));
        keep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut snapshot = None;
        loop {
            let batch = tokio::select! {
                biased;
                () = &mut *drain => return End::Drained,
                _ = keep.tick() => {
                    if let Err(error) = self.sink.keep().await {
                        return error.into();
                    }
                    continue;
                }
                batch = reader.next() => batch,
            };
            let applied = match batch {
                Ok(batch) => self.apply(batch, &mut snapshot).await,
                Err(interrupted) => return End::Interrupted(interrupted),
            };
            if let Err(error) = applied {
                return error.into();
            }
            if std::mem::take(&mut self.failing) {
                tracing::info!(feed = self.name, "feed followed again");
            }
            reader.listen();
        }
    }

    /// Hands a batch to the sink. `snapshot` is the position of the one that is under way.
    async fn apply(&mut self, batch: Batch, snapshot: &mut Option<u64>) -> Result<(), SinkError> {
        match batch {
            Batch::SnapshotStart { position } => {
                tracing::info!(feed = self.name, position, "snapshot begins");
                self.sink.begin_snapshot(position).await?;
                *snapshot = Some(position);
                self.expired = false;
                self.status.send_modify(|status| (status.role, status.position) = (Role::Snapshot, position));
            }
            Batch::Events { events, cursor } => {
                let position = events.iter().map(|event| event.position).max().unwrap_or_default();
                let taken = match snapshot {
                    Some(_) => self.sink.snapshot(&events).await?,
                    None => self.sink.changes(&events, &cursor).await?,
                };
                self.status.send_modify(|status| status.took(taken, position));
            }
            Batch::Bookmark { ends_snapshot: true, head, cursor } if snapshot.is_some() => {
                let position = snapshot.take().unwrap_or_default();
                let taken = self.sink.end_snapshot(&cursor, position).await?;
                tracing::info!(feed = self.name, position, removed = taken.applied, "snapshot applied");
                self.status.send_modify(|status| {
                    status.took(taken, position);
                    status.role = Role::Following;
                    status.bookmarked(head, Instant::now());
                });
            }
            Batch::Bookmark { head, .. } => {
                if snapshot.is_none() {
                    self.status.send_modify(|status| status.bookmarked(head, Instant::now()));
                }
            }
        }
        Ok(())
    }
}

fn silent(limit: Duration) -> Interrupted {
    Interrupted::Lost(because(format!("nothing was heard for {} s", limit.as_secs_f64())))
}

/// Between a half of it and all: followers that lost the same server do not come back together.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}

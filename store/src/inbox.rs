//! A followed feed's way into this service's own database: the effect, the cursor and the keys' revisions in one commit.
//!
//! One replica works at a time, under a lease by the database's clock; each new holder has a higher number, and a commit
//! under an old number is refused, so a holder that was frozen does no harm when it wakes up. A change applies only above
//! its key's revision, which outlives the key. What a snapshot says of a key replaces what is held of it, since the
//! revisions of another database, or of one that was restored, count something else; keys it does not name are removed.

mod beside;
mod consume;
mod dead_letter;
mod effect;
mod lease;
mod snapshot;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::{Error, source};
use crate::event::Event;
use crate::follow::{Place, Sink, SinkError, Taken};
use crate::open::Store;

pub use beside::Beside;
pub use dead_letter::{DEAD_LETTERS_PAGE_MAX, DeadLetter, LetterId, Replayed};
pub use effect::{Effect, Failure};

use consume::{Consume, Part, Refused};
use dead_letter::Bury;
use lease::{Acquire, Mark, Release, Renew};
use snapshot::{Begin, Sweep};

/// How long a holder may be silent before another replica takes over.
const LEASE: Duration = Duration::from_secs(10);
/// How often an event that fails for a reason that may pass is tried, and the pause before the second try; it doubles.
const ATTEMPTS_MAX: u32 = 5;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(50);

/// See the module. Handed to [`Follow`](crate::follow::Follow).
#[derive(Debug)]
pub struct Inbox<E> {
    core: Arc<Core<E>>,
    held: Option<Held>,
}

/// What every unit of an inbox needs.
#[derive(Debug)]
pub(crate) struct Core<E> {
    store: Store,
    source: &'static str,
    effect: E,
    /// Names this inbox among those of all replicas.
    holder: String,
    lease: Duration,
}

/// The lease, while it is ours.
#[derive(Clone, Copy, Debug)]
struct Held {
    number: i64,
    renewed: Instant,
    /// Of the snapshot that is under way.
    snapshot: i64,
}

/// What became of one event.
enum Outcome {
    Taken(bool),
    Buried,
}

impl<E: Effect> Inbox<E> {
    /// An inbox for the feed of `source` (the service's name, such as `catalog`), whose events `effect` applies in `store`.
    #[must_use]
    pub fn new(store: Store, source: &'static str, effect: E) -> Self {
        let holder = uuid::Uuid::new_v4().simple().to_string();
        Self { core: Arc::new(Core { store, source, effect, holder, lease: LEASE }), held: None }
    }

    /// Another time than 10 s after which a silent holder loses the feed to another replica. Before it is followed.
    #[must_use]
    pub fn with_lease(self, lease: Duration) -> Self {
        let Core { store, source, effect, holder, .. } = match Arc::try_unwrap(self.core) {
            Ok(core) => core,
            Err(core) => return Self { core, held: self.held },
        };
        Self { core: Arc::new(Core { store, source, effect, holder, lease }), held: self.held }
    }

    /// What applies dead letters again, kept beside the follower for an operator's RPC.
    #[must_use]
    pub fn dead_letters(&self) -> DeadLetters<E> {
        DeadLetters { core: Arc::clone(&self.core) }
    }

    fn held(&self) -> Result<Held, SinkError> {
        self.held.ok_or(SinkError::Standby)
    }

    /// Answers for a unit that was fenced, or lets its error through.
    fn settle<T>(&mut self, outcome: Result<T, Refused>) -> Result<T, SinkError> {
        match outcome {
            Ok(done) => {
                if let Some(held) = &mut self.held {
                    held.renewed = Instant::now();
                }
                Ok(done)
            }
            Err(Refused::Fenced) => {
                self.held = None;
                Err(SinkError::Standby)
            }
            Err(Refused::Failed(failure)) => Err(SinkError::Failed(source(failure))),
        }
    }

    /// Applies events, together if that works, else each alone so that what fails is found. `cursor` moves with the last.
    async fn consume(&mut self, part: Part, events: &[Arc<Event>], cursor: Option<&str>) -> Result<Taken, SinkError> {
        let number = self.held()?.number;
        let core = Arc::clone(&self.core);
        let together = Consume::new(Arc::clone(&core), number, part, events.to_vec(), cursor.map(str::to_owned));
        match core.store.write(together).await {
            Err(Refused::Failed(failure)) if failure.is_of_the_event() => {}
            outcome => return self.settle(outcome).map(|applied| Taken { applied, dead: 0 }),
        }
        let mut taken = Taken::default();
        for event in events {
            match self.consume_alone(part, event).await? {
                Outcome::Taken(applied) => taken.applied += u64::from(applied),
                Outcome::Buried => taken.dead += 1,
            }
        }
        if let Some(cursor) = cursor {
            let position = events.iter().map(|event| event.position).max();
            let mark = Mark { core: Arc::clone(&core), number, cursor: cursor.to_owned(), position };
            let marked = core.store.write(mark).await;
            self.settle(marked)?;
        }
        Ok(taken)
    }

    /// Tries one event until it is applied, or is found to be one that never will be.
    async fn consume_alone(&mut self, part: Part, event: &Arc<Event>) -> Result<Outcome, SinkError> {
        let (number, core) = (self.held()?.number, Arc::clone(&self.core));
        let (mut attempts, mut pause) = (1, ATTEMPT_PAUSE);
        let failure = loop {
            let alone = Consume::new(Arc::clone(&core), number, part, vec![Arc::clone(event)], None);
            match core.store.write(alone).await {
                Err(Refused::Failed(failure)) if failure.is_of_the_event() => {
                    if failure.is_permanent() || attempts == ATTEMPTS_MAX {
                        break failure;
                    }
                }
                outcome => return self.settle(outcome).map(|applied| Outcome::Taken(applied > 0)),
            }
            attempts += 1;
            sleep(pause).await;
            pause *= 2;
        };
        let reason = failure.chain();
        tracing::warn!(source = core.source, event = %event.id(), position = event.position, reason, "event not applied");
        let bury = Bury { core: Arc::clone(&core), number, part, event: Arc::clone(event), reason, attempts };
        let buried = core.store.write(bury).await;
        self.settle(buried).map(|()| Outcome::Buried)
    }
}

/// Lists the events that could not be applied and applies them again. See [`Inbox::dead_letters`].
#[derive(Debug)]
pub struct DeadLetters<E> {
    core: Arc<Core<E>>,
}

impl<E> Clone for DeadLetters<E> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core) }
    }
}

impl<E: Effect> Sink for Inbox<E> {
    async fn resume(&mut self) -> Result<Option<Place>, SinkError> {
        let core = Arc::clone(&self.core);
        let acquired = core.store.write(Acquire { core: Arc::clone(&core) }).await;
        let Some(acquired) = acquired.map_err(|error| SinkError::Failed(source(error)))? else {
            self.held = None;
            return Ok(None);
        };
        let lease::Acquired { number, cursor, position, snapshot } = acquired;
        if self.held.is_none() {
            tracing::info!(source = core.source, lease = number, "this replica follows the feed");
        }
        self.held = Some(Held { number, renewed: Instant::now(), snapshot });
        Ok(Some(Place { cursor, position }))
    }

    async fn begin_snapshot(&mut self, position: u64) -> Result<(), SinkError> {
        let (number, core) = (self.held()?.number, Arc::clone(&self.core));
        let begun = core.store.write(Begin { core: Arc::clone(&core), number, position }).await;
        let snapshot = self.settle(begun)?;
        if let Some(held) = &mut self.held {
            held.snapshot = snapshot;
        }
        Ok(())
    }

    async fn snapshot(&mut self, events: &[Arc<Event>]) -> Result<Taken, SinkError> {
        let part = Part::Snapshot(self.held()?.snapshot);
        self.consume(part, events, None).await
    }

    async fn end_snapshot(&mut self, cursor: &str, position: u64) -> Result<Taken, SinkError> {
        let (Held { number, snapshot, .. }, core) = (self.held()?, Arc::clone(&self.core));
        let (mut after, mut removed) = (String::new(), 0);
        loop {
            let sweep = Sweep { core: Arc::clone(&core), number, snapshot, after };
            let swept = core.store.write(sweep).await;
            let Some((last, count)) = self.settle(swept)? else { break };
            (after, removed) = (last, removed + count);
        }
        let mark = Mark { core: Arc::clone(&core), number, cursor: cursor.to_owned(), position: Some(position) };
        let marked = core.store.write(mark).await;
        self.settle(marked)?;
        Ok(Taken { applied: removed, dead: 0 })
    }

    async fn changes(&mut self, events: &[Arc<Event>], cursor: &str) -> Result<Taken, SinkError> {
        self.consume(Part::Changes, events, Some(cursor)).await
    }

    async fn keep(&mut self) -> Result<(), SinkError> {
        let (Held { number, renewed, .. }, core) = (self.held()?, Arc::clone(&self.core));
        if renewed.elapsed() < core.lease / 3 {
            return Ok(());
        }
        match core.store.write(Renew { core: Arc::clone(&core), number }).await {
            // Nothing is applied while the database is away, and the lease is compared when it is back.
            Err(Refused::Failed(Failure::Store(Error::Unavailable { .. } | Error::Overloaded { .. }))) => Ok(()),
            renewed => self.settle(renewed),
        }
    }

    async fn release(&mut self) {
        let Some(Held { number, .. }) = self.held.take() else { return };
        let core = Arc::clone(&self.core);
        if let Err(error) = core.store.write(Release { core: Arc::clone(&core), number }).await {
            tracing::debug!(source = core.source, error = %error.chain(), "the lease will run out by itself");
        }
    }
}

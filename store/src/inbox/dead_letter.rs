//! Events that could not be applied: kept whole, listed, and applied again when the reason is mended.

use std::sync::Arc;

use super::consume::{Held, Part, Refused};
use super::effect::{Effect, Failure};
use super::{Core, DeadLetters};
use crate::error::{Error, because, source};
use crate::event::Event;
use crate::open::Store;
use crate::row::Row;
use crate::statement::Statement;
use crate::transaction::{Transaction, now_us};
use crate::unit::Unit;

/// The most dead letters of one list.
pub const DEAD_LETTERS_PAGE_MAX: u32 = 500;
/// The most dead letters of one feed. With more it is not the events that are wrong: the feed waits for a person.
const DEAD_LETTERS_MAX: i64 = 10_000;
/// How much of a key names its letter.
const KEY_CHARS_MAX: usize = 128;

const BURY: Statement = Statement::new(
    "UPSERT store_dead_letter",
    "INSERT INTO store_dead_letter (source, position, key, event, reason, attempts, time_us) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (source, position, key) DO UPDATE SET event = excluded.event, \
     reason = excluded.reason, attempts = store_dead_letter.attempts + excluded.attempts, time_us = excluded.time_us",
);

const COUNT: Statement = Statement::new(
    "SELECT store_dead_letter count",
    "SELECT COUNT(*) AS letters FROM store_dead_letter WHERE source = $1",
);

const LIST: Statement = Statement::new(
    "SELECT store_dead_letter",
    "SELECT position, key, event, reason, attempts, time_us FROM store_dead_letter \
     WHERE source = $1 AND (position, key) > ($2, $3) ORDER BY position, key LIMIT $4",
);

const ONE: Statement = Statement::new(
    "SELECT store_dead_letter one",
    "SELECT event FROM store_dead_letter WHERE source = $1 AND position = $2 AND key = $3",
);

const FAILED_AGAIN: Statement = Statement::new(
    "UPDATE store_dead_letter",
    "UPDATE store_dead_letter SET reason = $4, attempts = attempts + 1 WHERE source = $1 AND position = $2 AND key = $3",
);

const REMOVE: Statement = Statement::new(
    "DELETE store_dead_letter",
    "DELETE FROM store_dead_letter WHERE source = $1 AND position = $2 AND key = $3",
);

/// Names a dead letter within its feed. Ordered as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LetterId {
    /// The event's position.
    pub position: u64,
    /// The event's key.
    pub key: String,
}

/// An event that could not be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its name.
    pub id: LetterId,
    /// The event, whole.
    pub event: Event,
    /// Why it could not be applied the last time, with all causes.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was put here, in microseconds since 1970.
    pub time_us: i64,
}

/// What became of a dead letter that was replayed. It is removed in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It was applied.
    Applied,
    /// A newer revision of its key had been applied meanwhile, so nothing was left to do.
    Superseded,
    /// There is no such letter: somebody else was faster.
    Gone,
}

impl Store {
    /// How many events of this feed could not be applied.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn count_dead_letters(&self, source: &'static str) -> Result<u64, Error> {
        let read = move |mut connection: crate::Connection| async move {
            connection.fetch_one(&COUNT, [source.into()]).await?.get("letters")
        };
        self.read("CountDeadLetters", read).await
    }

    /// Events of this feed that could not be applied, oldest first, after this one (the default: from the first); at most
    /// `limit`, and at most [`DEAD_LETTERS_PAGE_MAX`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_dead_letters(
        &self,
        source: &'static str,
        after: LetterId,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, Error> {
        let read = move |mut connection: crate::Connection| async move {
            let position = i64::try_from(after.position).unwrap_or(i64::MAX);
            let values = [source.into(), position.into(), after.key.into(), limit.min(DEAD_LETTERS_PAGE_MAX).into()];
            connection.fetch_all(&LIST, values).await?.iter().map(letter).collect()
        };
        self.read("ListDeadLetters", read).await
    }
}

impl<E: Effect> DeadLetters<E> {
    /// As [`Store::list_dead_letters`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list(&self, after: LetterId, limit: u32) -> Result<Vec<DeadLetter>, Error> {
        self.core.store.list_dead_letters(self.core.source, after, limit).await
    }

    /// Applies a dead letter now, in whichever replica, unless its key has gone on without it.
    ///
    /// # Errors
    /// Why it could not be applied this time; it stays where it is, with the new reason.
    pub async fn replay(&self, id: LetterId) -> Result<Replayed, Failure> {
        let failure = match self.core.store.write(Replay { core: Arc::clone(&self.core), id: id.clone() }).await {
            Ok(replayed) => return Ok(replayed),
            Err(failure) => failure,
        };
        if failure.is_of_the_event() {
            let again = FailedAgain { core: Arc::clone(&self.core), id, reason: failure.chain() };
            self.core.store.write(again).await?;
        }
        Err(failure)
    }
}

fn letter(row: &Row) -> Result<DeadLetter, Error> {
    Ok(DeadLetter {
        id: LetterId { position: row.get("position")?, key: row.get("key")? },
        event: event(row)?,
        reason: row.get("reason")?,
        attempts: row.get("attempts")?,
        time_us: row.get("time_us")?,
    })
}

fn event(row: &Row) -> Result<Event, Error> {
    let bytes: Vec<u8> = row.get("event")?;
    Event::decode(&bytes).map_err(|error| Error::Corrupt { attempted: LIST.name, what: "event", source: source(error) })
}

/// Puts an event among the dead letters, and names its key where it came in a snapshot: what is held of it stays.
pub(super) struct Bury<E> {
    pub(super) core: Arc<Core<E>>,
    pub(super) number: i64,
    pub(super) part: Part,
    pub(super) event: Arc<Event>,
    pub(super) reason: String,
    pub(super) attempts: u32,
}

impl<E: Effect> Unit for Bury<E> {
    const NAME: &'static str = "BuryEvent";
    type Output = ();
    type Error = Refused;

    fn keys(&self) -> Vec<String> {
        vec![self.core.key()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<(), Refused> {
        let Self { core, number, part, event, reason, attempts } = self;
        core.fence(tx, *number).await?;
        let letters: i64 = tx.fetch_one(&COUNT, [core.source.into()]).await?.get("letters")?;
        if letters >= DEAD_LETTERS_MAX {
            let source = because(format!("{letters} events could not be applied: replay or remove them"));
            return Err(Error::Unavailable { attempted: Self::NAME, source }.into());
        }
        let position = i64::try_from(event.position).unwrap_or(i64::MAX);
        // What is wrong with it may be its key.
        let key: String = event.key.chars().filter(|character| *character != '\0').take(KEY_CHARS_MAX).collect();
        let (source, key, bytes) = (core.source.into(), key.into(), event.encode().into());
        let (reason, attempts) = (reason.as_str().into(), (*attempts).into());
        tx.execute(&BURY, [source, position.into(), key, bytes, reason, attempts, now_us().into()]).await?;
        if let (Part::Snapshot(snapshot), Ok(())) = (part, event.check()) {
            let mut held = core.held(tx, [event.key.as_str()].into_iter()).await?;
            let held = held.remove(&event.key).unwrap_or_else(|| Held::nothing(&event.key));
            core.hold(tx, [&Held { snapshot: *snapshot, ..held }].into_iter()).await?;
        }
        Ok(())
    }
}

struct Replay<E> {
    core: Arc<Core<E>>,
    id: LetterId,
}

impl LetterId {
    fn values(&self, source: &'static str) -> [crate::Value; 3] {
        [source.into(), i64::try_from(self.position).unwrap_or(i64::MAX).into(), self.key.as_str().into()]
    }
}

impl<E: Effect> Unit for Replay<E> {
    const NAME: &'static str = "ReplayEvent";
    type Output = Replayed;
    type Error = Failure;

    fn keys(&self) -> Vec<String> {
        vec![self.core.key()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Replayed, Failure> {
        let Self { core, id } = self;
        let Some(row) = tx.fetch_optional(&ONE, id.values(core.source)).await? else { return Ok(Replayed::Gone) };
        let event = event(&row)?;
        event.check().map_err(Failure::permanent)?;
        let mut held = core.held(tx, [event.key.as_str()].into_iter()).await?;
        let mut held = held.remove(&event.key).unwrap_or_else(|| Held::nothing(&event.key));
        let replayed = if event.revision > held.revision {
            core.effect.apply(tx, &event).await?;
            (held.revision, held.present) = (event.revision, 1);
            core.hold(tx, [&held].into_iter()).await?;
            Replayed::Applied
        } else {
            Replayed::Superseded
        };
        tx.execute(&REMOVE, id.values(core.source)).await?;
        Ok(replayed)
    }
}

struct FailedAgain<E> {
    core: Arc<Core<E>>,
    id: LetterId,
    reason: String,
}

impl<E: Effect> Unit for FailedAgain<E> {
    const NAME: &'static str = "FailedAgain";
    type Output = ();
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![self.core.key()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<(), Error> {
        let [source, position, key] = self.id.values(self.core.source);
        tx.execute(&FAILED_AGAIN, [source, position, key, self.reason.as_str().into()]).await?;
        Ok(())
    }
}

//! The index: written by one task, read by everybody.
//!
//! Feeds hand over their changes; the keeper commits them a few times a second and publishes a [`View`] each time. Readers
//! take the newest view and never wait. Whatever is wrong with the disk ends in the same way: the index is built anew from
//! its feeds, and the last view answers until that is done (docs/decisions/0021).

mod behind;
mod change;
mod claim;
mod document;
mod facts;
mod keeper;
mod merged;
mod schema;
mod suggestions;
mod view;
mod volume;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

pub(crate) use change::{Change, Feed, What};
pub(crate) use facts::{Fact, Facts};
pub(crate) use keeper::{Measures, keep};
pub(crate) use suggestions::{Suggestion, Suggestions};
#[cfg(test)]
pub(crate) use tests::Shelf;
pub(crate) use view::{Address, Segment, View};

use change::Pending;
use volume::Payload;

/// The most changes that wait for a commit, and the memory they may take. A feed waits where there are more.
const PENDING_MAX: usize = 10_000;
const PENDING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A feed that was not heard from for this long makes answers stale.
const HEARD_WITHIN: Duration = Duration::from_secs(30);

/// The index. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    view: RwLock<Option<Arc<View>>>,
    suggestions: RwLock<Arc<Suggestions>>,
    status: watch::Sender<Status>,
    /// There is something to commit.
    work: Notify,
    /// There is room for more.
    room: Notify,
    /// A query failed as it does on damaged files.
    suspect: AtomicBool,
}

/// Where the index stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    /// There is a view that may answer.
    pub(crate) ready: bool,
    /// This process writes the index, so its feeds are to be followed.
    pub(crate) writing: bool,
    /// Counts the times that it was begun anew. Feeds of an older one have to start again.
    pub(crate) epoch: u64,
    /// Counts the views, for whoever follows them.
    pub(crate) views: u64,
}

#[derive(Debug, Default)]
struct State {
    pending: Pending,
    feeds: [Following; 2],
    complete: bool,
    /// A feed has moved on, with nothing to index.
    moved: bool,
}

/// How far a feed was followed.
#[derive(Debug, Default)]
struct Following {
    cursor: Option<Cursor>,
    /// The keys that a snapshot has named so far.
    snapshot: Option<HashSet<String>>,
    /// The snapshot is over, and what it did not name waits to be removed.
    ended: bool,
    caught_up: bool,
    heard_us: Option<i64>,
}

/// A place in a feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// What to ask for to go on from there.
    pub(crate) text: String,
    /// The position of the last event before it, to tell how much is missing.
    pub(crate) position: u64,
}

/// What is said beside every answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Freshness {
    pub(crate) stale: bool,
    /// In microseconds since 1970. `None`: not all feeds were ever heard from.
    pub(crate) heard_us: Option<i64>,
}

/// The index was begun anew: the feed has to start again from what [`Index::cursor`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the index was begun anew")]
pub(crate) struct Restarted;

impl Index {
    /// The newest view. `None`: there is no index yet.
    pub(crate) fn view(&self) -> Option<Arc<View>> {
        self.shared.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What can be suggested.
    pub(crate) fn suggestions(&self) -> Arc<Suggestions> {
        Arc::clone(&self.shared.suggestions.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Follows where the index stands.
    pub(crate) fn status(&self) -> watch::Receiver<Status> {
        self.shared.status.subscribe()
    }

    /// How current the answers are.
    pub(crate) fn freshness(&self, now_us: i64) -> Freshness {
        let state = self.state();
        let heard_us = state.heard_us();
        let within = i64::try_from(HEARD_WITHIN.as_micros()).unwrap_or(i64::MAX);
        let silent = heard_us.is_none_or(|heard| now_us.saturating_sub(heard) > within);
        let building = !state.complete || state.feeds.iter().any(|feed| feed.snapshot.is_some());
        Freshness { stale: silent || building, heard_us }
    }

    /// Says that a query failed in a way that only damage explains: the files are looked at.
    pub(crate) fn suspect(&self) {
        self.shared.suspect.store(true, Ordering::Relaxed);
        self.shared.work.notify_one();
    }

    /// From where a feed goes on, in this epoch; `None`: with a snapshot.
    pub(crate) fn cursor(&self, feed: Feed) -> (u64, Option<Cursor>) {
        let state = self.state();
        (self.epoch(), state.feeds[feed.index()].cursor.clone())
    }

    /// A snapshot of all keys begins: what is indexed and not named by its end goes.
    pub(crate) fn begin_snapshot(&self, epoch: u64, feed: Feed) -> Result<(), Restarted> {
        let mut state = self.state_of(epoch)?;
        let following = &mut state.feeds[feed.index()];
        (following.snapshot, following.ended, following.cursor) = (Some(HashSet::new()), false, None);
        Ok(())
    }

    /// Takes changes and where the feed goes on after them. Waits while too much is waiting already.
    pub(crate) async fn apply(
        &self,
        epoch: u64,
        feed: Feed,
        changes: Vec<Change>,
        cursor: Option<Cursor>,
        now_us: i64,
    ) -> Result<(), Restarted> {
        loop {
            let room = self.shared.room.notified();
            let full = {
                let state = self.state_of(epoch)?;
                state.pending.deltas.len() >= PENDING_MAX || state.pending.bytes >= PENDING_BYTES_MAX
            };
            if !full {
                break;
            }
            room.await;
        }
        let mut state = self.state_of(epoch)?;
        let State { pending, feeds, moved, .. } = &mut *state;
        let following = &mut feeds[feed.index()];
        following.heard_us = Some(now_us);
        for change in changes {
            let absolute = match &mut following.snapshot {
                // The first time that a snapshot names a key, it is right whatever was known before.
                Some(named) => named.insert(change.id.clone()),
                None => false,
            };
            pending.add(change, absolute);
        }
        if let Some(cursor) = cursor.filter(|_| following.snapshot.is_none() || following.ended) {
            (following.cursor, *moved) = (Some(cursor), true);
        }
        drop(state);
        self.shared.work.notify_one();
        Ok(())
    }

    /// The snapshot is over: what it did not name goes with the next commit, and the feed goes on from the cursor.
    pub(crate) fn end_snapshot(&self, epoch: u64, feed: Feed, cursor: Cursor, now_us: i64) -> Result<(), Restarted> {
        let mut state = self.state_of(epoch)?;
        let following = &mut state.feeds[feed.index()];
        (following.ended, following.caught_up) = (following.snapshot.is_some(), true);
        (following.cursor, following.heard_us) = (Some(cursor), Some(now_us));
        drop(state);
        self.shared.work.notify_one();
        Ok(())
    }

    /// The feed was heard from, with nothing new.
    pub(crate) fn heard(&self, feed: Feed, now_us: i64) {
        self.state().feeds[feed.index()].heard_us = Some(now_us);
    }

    /// Whether a feed of this epoch may go on.
    pub(crate) fn check(&self, epoch: u64) -> Result<(), Restarted> {
        self.state_of(epoch).map(drop)
    }

    fn epoch(&self) -> u64 {
        self.shared.status.borrow().epoch
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, if it is still that of this epoch and this process the one who writes.
    fn state_of(&self, epoch: u64) -> Result<std::sync::MutexGuard<'_, State>, Restarted> {
        let state = self.state();
        let status = *self.shared.status.borrow();
        if status.epoch == epoch && status.writing { Ok(state) } else { Err(Restarted) }
    }
}

impl State {
    /// Takes what waits, with what is to be committed along with it.
    fn take(&mut self) -> (Pending, Payload) {
        let mut pending = std::mem::take(&mut self.pending);
        self.moved = false;
        for (following, named) in self.feeds.iter_mut().zip(&mut pending.named) {
            if following.ended {
                (*named, following.ended) = (following.snapshot.take(), false);
            }
        }
        self.complete |= self.feeds.iter().all(|feed| feed.caught_up);
        let payload = Payload {
            version: schema::VERSION,
            complete: self.complete,
            cursors: self.feeds.each_ref().map(|feed| feed.cursor.clone()),
            heard_us: self.heard_us(),
        };
        (pending, payload)
    }

    /// The last time that all feeds were heard from.
    fn heard_us(&self) -> Option<i64> {
        let heard: Option<Vec<_>> = self.feeds.iter().map(|feed| feed.heard_us).collect();
        heard.and_then(|heard| heard.into_iter().min())
    }

    /// Goes on from what was committed.
    fn restore(&mut self, payload: &Payload) {
        *self = Self { complete: payload.complete, ..Self::default() };
        for (following, cursor) in self.feeds.iter_mut().zip(&payload.cursors) {
            following.cursor.clone_from(cursor);
            // There is none within a snapshot.
            following.caught_up = cursor.is_some();
            following.heard_us = payload.heard_us;
        }
    }
}

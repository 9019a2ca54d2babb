//! This service's own changes inside its process, from now on: for what is kept in memory and has to follow them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::buffer::{Shared, Watcher};
use super::{WatchError, pages};
use crate::error::Error;
use crate::event::Event;
use crate::health::Health;
use crate::keeper::ended;
use crate::open::{Store, Weak};

/// Reads the feed from the buffer or, behind it, from the outbox. It does not keep the store open.
#[derive(Debug)]
pub(super) struct Reading {
    store: Weak,
    pub(super) stopped: watch::Receiver<bool>,
    shared: Arc<Shared>,
    /// Moves when there is more to read.
    pub(super) tail: watch::Receiver<u64>,
    _watcher: Watcher,
}

impl Reading {
    pub(super) fn new(store: &Store) -> Self {
        let shared = Arc::clone(store.feed());
        Self {
            store: store.downgrade(),
            stopped: store.stopped(),
            tail: shared.tail(),
            _watcher: Watcher::new(&shared),
            shared,
        }
    }

    /// Some events after this position; none if there are none yet, which `tail` will say.
    pub(super) async fn after(&mut self, position: u64) -> Result<Vec<Arc<Event>>, WatchError> {
        self.tail.borrow_and_update();
        if let Some(events) = self.shared.take(position) {
            return Ok(events);
        }
        self.shared.count_page();
        self.store()?.read("FeedPage", move |connection| pages::page(connection, position)).await
    }

    pub(super) fn store(&self) -> Result<Store, Error> {
        self.store.upgrade().ok_or(Error::Closed { attempted: "WatchFeed" })
    }
}

/// What [`Changes::next`] has to tell.
#[derive(Clone, Debug)]
pub enum News {
    /// These changes, in the feed's order.
    Events(Vec<Arc<Event>>),
    /// What changed up to this position is not known: the first of all, and after an outage that lasted longer than the
    /// feed keeps events.
    Skipped {
        /// Changes from here on will be told.
        position: u64,
    },
}

/// The changes of this service, by whichever replica. Made by [`Store::changes`].
#[derive(Debug)]
pub struct Changes {
    reading: Reading,
    head: watch::Receiver<u64>,
    health: watch::Receiver<Health>,
    retry: Duration,
    /// Of the last change that was told.
    position: Option<u64>,
}

impl Store {
    /// Follows this service's own changes from now on, without a snapshot and without a place to come back to.
    ///
    /// Another replica's are told within [`poll_interval`](crate::Limits::poll_interval) and a little, own ones sooner. It
    /// goes on by itself after an outage.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes {
            reading: Reading::new(self),
            head: self.position(),
            health: self.health(),
            retry: self.limits().poll_interval,
            position: None,
        }
    }
}

impl Changes {
    /// What comes next; `None` when the store is closed. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<News> {
        loop {
            let Some(position) = self.position else {
                tokio::select! {
                    () = ended(&mut self.reading.stopped) => return None,
                    seen = self.health.wait_for(Health::is_available) => drop(seen.ok()?),
                }
                let position = *self.head.borrow();
                self.position = Some(position);
                return Some(News::Skipped { position });
            };
            match self.reading.after(position).await {
                Ok(events) => {
                    if let Some(last) = events.last() {
                        self.position = Some(last.position);
                        return Some(News::Events(events));
                    }
                }
                Err(WatchError::Expired(_) | WatchError::NotACursor(_)) => {
                    self.position = None;
                    continue;
                }
                Err(WatchError::Store(Error::Closed { .. })) => return None,
                Err(WatchError::Store(_)) => {
                    sleep(self.retry).await;
                    continue;
                }
            }
            tokio::select! {
                () = ended(&mut self.reading.stopped) => return None,
                _ = self.reading.tail.changed() => {}
            }
        }
    }
}

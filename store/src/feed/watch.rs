//! One follower of this service's feed: a snapshot if it has no cursor, then every change, and bookmarks between them.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::changes::Reading;
use super::{FeedStats, Kind, Message, State, WatchError, pages};
use crate::connection::Connection;
use crate::cursor::Cursor;
use crate::error::Error;
use crate::event::Event;
use crate::health::Health;
use crate::keeper::ended;
use crate::open::Store;
use crate::transaction::now_us;

/// The messages of a feed, in order, without end. Made by [`Store::watch`]; it does not keep the store open.
#[derive(Debug)]
pub struct Watch<F> {
    reading: Reading,
    head: watch::Receiver<u64>,
    health: watch::Receiver<Health>,
    snapshot: F,
    stage: Stage,
    /// Of the last event that was taken.
    cursor: Cursor,
    taken: VecDeque<Message>,
    bookmarks: Interval,
}

#[derive(Debug)]
enum Stage {
    /// Nothing of the snapshot was sent yet.
    Opening,
    /// The snapshot goes on after this key.
    Snapshot {
        after: String,
    },
    /// Below what was the head when it came; there it gets the bookmark that says so.
    Behind {
        head: u64,
    },
    Following,
}

impl Store {
    /// Follows this service's feed, from a cursor or, where it is empty, from a snapshot.
    ///
    /// `snapshot` reads what exists: the keys after the one it is given (`""` the first time) in ascending order, a bounded
    /// number of them, with each key's revision of the same moment; none are left when it returns none. Its pages need not
    /// be of one moment, because every change since its beginning is sent after it.
    ///
    /// # Errors
    /// [`WatchError::NotACursor`] or [`WatchError::Expired`] for a cursor that is no place in this feed.
    pub async fn watch<F, Fut>(&self, cursor: &str, snapshot: F) -> Result<Watch<F>, WatchError>
    where
        F: Fn(Connection, String) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<State>, Error>> + Send + 'static,
    {
        let asked = match cursor {
            "" => None,
            text => Some(Cursor::decode(text)?),
        };
        let reading = Reading::new(self);
        let place = self.read("WatchFeed", move |connection| pages::place(connection, asked)).await?;
        let every = self.limits().bookmark_interval;
        let mut bookmarks = interval_at(Instant::now() + every, every);
        bookmarks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Watch {
            reading,
            head: self.position(),
            health: self.health(),
            snapshot,
            stage: if asked.is_none() { Stage::Opening } else { Stage::Behind { head: place.head } },
            cursor: place.cursor,
            taken: VecDeque::new(),
            bookmarks,
        })
    }

    /// How this service's feed is used.
    #[must_use]
    pub fn feed_stats(&self) -> FeedStats {
        self.feed().stats()
    }
}

impl<F, Fut> Watch<F>
where
    F: Fn(Connection, String) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Vec<State>, Error>> + Send + 'static,
{
    /// The next message. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`WatchError::Expired`] if retention overtook a follower that is days behind; the database; [`Error::Closed`] when
    /// the store is.
    pub async fn next(&mut self) -> Result<Message, WatchError> {
        loop {
            if let Some(message) = self.taken.pop_front() {
                return Ok(message);
            }
            match &self.stage {
                Stage::Opening => {
                    self.stage = Stage::Snapshot { after: String::new() };
                    let kind = Kind::SnapshotStart { position: self.cursor.position };
                    return Ok(Message { kind, cursor: String::new() });
                }
                Stage::Snapshot { after } => {
                    let after = after.clone();
                    self.read_on(after).await?;
                }
                Stage::Behind { head } if self.cursor.position >= *head => {
                    self.stage = Stage::Following;
                    return Ok(self.bookmark(false));
                }
                Stage::Behind { .. } | Stage::Following => {
                    self.take().await?;
                    if self.taken.is_empty() {
                        self.wait().await?;
                    }
                }
            }
        }
    }

    /// The messages as a stream, which ends after an error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Message, WatchError>> + Send + use<F, Fut> {
        unfold(Some(self), |watch| async move {
            let mut watch = watch?;
            match watch.next().await {
                Ok(message) => Some((Ok(message), Some(watch))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    /// Takes the next page of the snapshot, or ends it.
    async fn read_on(&mut self, after: String) -> Result<(), WatchError> {
        let snapshot = self.snapshot.clone();
        let states = self.reading.store()?.read("Snapshot", move |connection| snapshot(connection, after)).await?;
        let Some(last) = states.last() else {
            let bookmark = self.bookmark(true);
            let head = *self.head.borrow();
            // What changed meanwhile comes now, and then the bookmark that it has caught up.
            self.stage = if head > self.cursor.position { Stage::Behind { head } } else { Stage::Following };
            self.taken.push_back(bookmark);
            return Ok(());
        };
        self.stage = Stage::Snapshot { after: last.key.clone() };
        let position = self.cursor.position;
        self.taken.extend(states.into_iter().map(|state| message_of(state, position)));
        Ok(())
    }

    /// Takes the events that come next, if there are any, and the bookmark that is due after them.
    async fn take(&mut self) -> Result<(), WatchError> {
        let events = self.reading.after(self.cursor.position).await?;
        let feed = self.cursor.feed;
        for event in events {
            self.cursor = Cursor { feed, position: event.position, stamp: event.time_us };
            self.taken.push_back(Message { kind: Kind::Event(event), cursor: self.cursor.encode() });
        }
        // Changes that never pause must not keep it from coming.
        if poll_fn(|cx| Poll::Ready(self.bookmarks.poll_tick(cx).is_ready())).await {
            self.bookmark_if_known();
        }
        Ok(())
    }

    /// Waits until there is more to take, or a bookmark is due.
    async fn wait(&mut self) -> Result<(), WatchError> {
        tokio::select! {
            _ = self.reading.tail.changed() => {}
            _ = self.bookmarks.tick() => self.bookmark_if_known(),
            () = ended(&mut self.reading.stopped) => return Err(Error::Closed { attempted: "WatchFeed" }.into()),
        }
        Ok(())
    }

    /// A service that does not see its database does not know whether anything is missing.
    fn bookmark_if_known(&mut self) {
        let available = self.health.borrow().is_available();
        if available {
            let bookmark = self.bookmark(false);
            self.taken.push_back(bookmark);
        }
    }

    fn bookmark(&self, ends_snapshot: bool) -> Message {
        let position = self.cursor.position.max(*self.head.borrow());
        Message { kind: Kind::Bookmark { ends_snapshot, position, time_us: now_us() }, cursor: self.cursor.encode() }
    }
}

fn message_of(state: State, position: u64) -> Message {
    let State { r#type, subject, key, revision, time_us, payload } = state;
    let event =
        Event { r#type: r#type.to_owned(), subject, key, revision, position, time_us, traceparent: None, payload };
    Message { kind: Kind::Event(Arc::new(event)), cursor: String::new() }
}

//! The newest events in memory, and the one task that reads them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::sleep;

use super::{FeedStats, WatchError, pages};
use crate::event::Event;
use crate::keeper::ended;
use crate::{Error, Limits, Store};

/// What one follower takes at once.
const TAKE_EVENTS: usize = 64;
const TAKE_BYTES: usize = 256 * 1024;

/// How often the outbox is read in a poll interval at most, however fast it grows.
const READS_A_POLL: u32 = 5;

/// What the task and the followers of a feed share.
#[derive(Debug)]
pub(crate) struct Shared {
    buffer: Mutex<Buffer>,
    /// The newest position in the buffer; moves after the buffer has.
    tail: watch::Sender<u64>,
    watchers: AtomicUsize,
    pages: AtomicU64,
}

/// All events with a position above `after`, up to the last one in it.
#[derive(Debug)]
struct Buffer {
    after: u64,
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    events_max: usize,
    bytes_max: usize,
}

impl Buffer {
    fn push(&mut self, event: Arc<Event>) {
        self.bytes += event.size();
        self.events.push_back(event);
        while self.events.len() > self.events_max || self.bytes > self.bytes_max {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.size();
            self.after = oldest.position;
        }
    }

    fn end(&self) -> u64 {
        self.events.back().map_or(self.after, |event| event.position)
    }

    fn take(&self, after: u64) -> Option<Vec<Arc<Event>>> {
        if after < self.after {
            return None;
        }
        let first = self.events.partition_point(|event| event.position <= after);
        let mut bytes = 0;
        let fits = |event: &&Arc<Event>| {
            let before = bytes;
            bytes += event.size();
            before < TAKE_BYTES
        };
        Some(self.events.range(first..).take(TAKE_EVENTS).take_while(fits).cloned().collect())
    }
}

impl Shared {
    pub(crate) fn new(limits: &Limits) -> Self {
        let buffer = Buffer {
            after: 0,
            events: VecDeque::new(),
            bytes: 0,
            events_max: limits.feed_buffer_events,
            bytes_max: limits.feed_buffer_bytes,
        };
        Self {
            buffer: Mutex::new(buffer),
            tail: watch::Sender::new(0),
            watchers: AtomicUsize::new(0),
            pages: AtomicU64::new(0),
        }
    }

    /// Some events after this position, none if there are none yet. `None`: they are no longer here, read a page.
    pub(super) fn take(&self, after: u64) -> Option<Vec<Arc<Event>>> {
        self.lock().take(after)
    }

    /// Moves when there is more to take.
    pub(super) fn tail(&self) -> watch::Receiver<u64> {
        self.tail.subscribe()
    }

    pub(super) fn count_page(&self) {
        self.pages.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> FeedStats {
        let buffer = self.lock();
        FeedStats {
            watchers: self.watchers.load(Ordering::Relaxed),
            pages: self.pages.load(Ordering::Relaxed),
            buffered: buffer.events.len(),
            buffered_bytes: buffer.bytes,
        }
    }

    fn extend(&self, events: Vec<Arc<Event>>) {
        let Some(last) = events.last().map(|event| event.position) else { return };
        let mut buffer = self.lock();
        events.into_iter().for_each(|event| buffer.push(event));
        drop(buffer);
        self.tail.send_replace(last);
    }

    /// Nobody follows: nothing is kept, and whoever comes reads what is below the head from the outbox.
    fn skip_to(&self, head: u64) {
        let mut buffer = self.lock();
        buffer.events.clear();
        buffer.bytes = 0;
        buffer.after = head;
        drop(buffer);
        self.tail.send_replace(head);
    }

    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts as a follower until it is dropped.
#[derive(Debug)]
pub(super) struct Watcher(Arc<Shared>);

impl Watcher {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        shared.watchers.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(shared))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Starts the task. It ends with the store.
pub(crate) fn spawn(store: &Store) {
    let (weak, mut stopped, mut head) = (store.downgrade(), store.stopped(), store.position());
    let (shared, poll_interval) = (Arc::clone(store.feed()), store.limits().poll_interval);
    store.background().spawn(async move {
        shared.skip_to(*head.borrow_and_update());
        loop {
            tokio::select! {
                () = ended(&mut stopped) => return,
                moved = head.changed() => if moved.is_err() { return },
            }
            loop {
                let Some(store) = weak.upgrade() else { return };
                let newest = *head.borrow_and_update();
                let pause =
                    if catch_up(&store, &shared, newest).await { poll_interval / READS_A_POLL } else { poll_interval };
                drop(store);
                tokio::select! {
                    () = ended(&mut stopped) => return,
                    () = sleep(pause) => {}
                }
                if pause < poll_interval {
                    break;
                }
            }
        }
    });
}

/// Reads up to the head; false if the database did not let it.
async fn catch_up(store: &Store, shared: &Shared, head: u64) -> bool {
    if shared.watchers.load(Ordering::Acquire) == 0 {
        shared.skip_to(head);
        return true;
    }
    loop {
        let end = shared.lock().end();
        if end >= head {
            return true;
        }
        match store.read("FollowOutbox", move |connection| pages::page(connection, end)).await {
            Ok(events) if events.is_empty() => return true,
            Ok(events) => shared.extend(events),
            // Retention has overtaken it, after an outage of days.
            Err(WatchError::Expired(_) | WatchError::NotACursor(_)) => shared.skip_to(head),
            Err(WatchError::Store(Error::Unavailable { .. } | Error::Overloaded { .. } | Error::Closed { .. })) => {
                return false;
            }
            Err(WatchError::Store(error)) => {
                tracing::warn!(error = %error.chain(), "reading the outbox failed");
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(position: u64, bytes: usize) -> Arc<Event> {
        Arc::new(Event {
            r#type: "t".into(),
            subject: "s".into(),
            key: "k".into(),
            revision: position,
            position,
            time_us: 1,
            traceparent: None,
            payload: vec![0; bytes].into(),
        })
    }

    fn positions(events: Option<Vec<Arc<Event>>>) -> Option<Vec<u64>> {
        events.map(|events| events.iter().map(|event| event.position).collect())
    }

    #[test]
    fn the_buffer_keeps_the_newest_and_says_what_it_no_longer_has() {
        let limits = Limits { feed_buffer_events: 3, feed_buffer_bytes: 1 << 20, ..Limits::default() };
        let shared = Shared::new(&limits);
        shared.skip_to(10);
        assert_eq!(positions(shared.take(9)), None);
        assert_eq!(positions(shared.take(10)), Some(vec![]));
        shared.extend([12, 13, 17, 18].map(|position| event(position, 1)).into());
        // 12 was dropped: whoever has only 11 would miss it.
        assert_eq!(positions(shared.take(11)), None);
        assert_eq!(positions(shared.take(12)), Some(vec![13, 17, 18]));
        assert_eq!(positions(shared.take(15)), Some(vec![17, 18]));
        assert_eq!(positions(shared.take(20)), Some(vec![]));
    }

    #[test]
    fn the_buffer_stays_within_its_bytes_and_a_follower_takes_a_part_at_once() {
        let limits = Limits { feed_buffer_events: 1_000, feed_buffer_bytes: 10_000, ..Limits::default() };
        let shared = Shared::new(&limits);
        shared.extend((1..=100).map(|position| event(position, 1_000)).collect());
        assert!(shared.stats().buffered_bytes <= 10_000 && shared.stats().buffered >= 5, "{:?}", shared.stats());
        let shared = Shared::new(&Limits::default());
        shared.extend((1..=100).map(|position| event(position, 60_000)).collect());
        assert_eq!(positions(shared.take(0)), Some(vec![1, 2, 3, 4, 5]));
    }
}

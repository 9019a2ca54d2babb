//! A service's own feed: everything that its units emitted, for whoever asks.
//!
//! One task a process reads the outbox and keeps the newest events in memory; who follows the feed is given them from there.
//! Who is slow falls behind what is kept and reads pages of the outbox instead, at its own pace: it costs the writer nothing,
//! and memory no more than one page.

mod buffer;
mod changes;
mod pages;
mod watch;

use std::sync::Arc;

use bytes::Bytes;

use crate::cursor::NotACursor;
use crate::error::Error;
use crate::event::Event;

pub(crate) use buffer::{Shared, spawn};
pub use changes::{Changes, News};
pub use watch::Watch;

/// One message of a feed, as it is served and as it is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it says.
    pub kind: Kind,
    /// What to ask for to go on after this message. Empty within a snapshot, which can only be taken as a whole.
    pub cursor: String,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A change, or within a snapshot the state of its key.
    Event(Arc<Event>),
    /// A snapshot follows. Until the bookmark that ends it, events say what exists, each key once, in no order.
    SnapshotStart {
        /// The feed's head when it began: changes up to there are in it, later ones may be.
        position: u64,
    },
    /// Everything before was sent.
    Bookmark {
        /// True for the one that ends a snapshot: keys that it did not name are gone.
        ends_snapshot: bool,
        /// The feed's head.
        position: u64,
        /// When it was sent, in microseconds since 1970, by the sender's clock.
        time_us: i64,
    },
}

/// What exists, as a snapshot says it of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// As the event of its last change: see [`NewEvent`](crate::NewEvent).
    pub r#type: &'static str,
    /// As the event of its last change.
    pub subject: String,
    /// The key; pages come in its ascending order.
    pub key: String,
    /// From `store_revision`, read in the same statement as the state.
    pub revision: u64,
    /// When it last changed, in microseconds since 1970.
    pub time_us: i64,
    /// As the event of its last change.
    pub payload: Bytes,
}

/// Why a feed cannot be followed, or not any further.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WatchError {
    /// The text is no cursor at all.
    #[error("{0}")]
    NotACursor(#[from] NotACursor),
    /// The cursor is no place in this feed: the consumer starts again with a snapshot.
    #[error("the cursor has expired: {0}")]
    Expired(&'static str),
    /// The database. The consumer comes again.
    #[error("follow the feed")]
    Store(#[from] Error),
}

/// How the feed is used, for metrics and tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedStats {
    /// Who follows it now.
    pub watchers: usize,
    /// Pages that were read because somebody was behind what is in memory.
    pub pages: u64,
    /// Events in memory.
    pub buffered: usize,
    /// Their bytes.
    pub buffered_bytes: usize,
}

//! Where a feed's events go, and where its cursor is kept.

use std::sync::Arc;

use crate::Source;
use crate::event::Event;

/// How far a sink has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// What to ask for; empty: a snapshot.
    pub cursor: String,
    /// The position of the last event that was applied, as far as it is known; only for the lag.
    pub position: u64,
}

/// What became of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Applied; the others were known already.
    pub applied: u64,
    /// Could not be applied, and were put aside.
    pub dead: u64,
}

/// Why a sink does not go on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SinkError {
    /// Another replica works at this feed now.
    #[error("another replica follows this feed")]
    Standby,
    /// What was not kept is asked for again, from [`Sink::resume`] on, after a pause.
    #[error("apply the feed")]
    Failed(#[source] Source),
}

/// Applies a feed's events and keeps its cursor. [`Inbox`](crate::Inbox) is one; others keep the cursor with what they make.
///
/// Events come at least once and in the feed's order. A change is applied only above its key's revision, which a sink keeps
/// also for keys that are gone; what a snapshot says of a key replaces what is held. Whatever a method has not made durable
/// is asked for again after a crash, from the last cursor that [`resume`](Self::resume) gives.
pub trait Sink: Send {
    /// Makes ready to apply and says from where; before each connection. `None`: another replica works at it.
    fn resume(&mut self) -> impl Future<Output = Result<Option<Place>, SinkError>> + Send;

    /// A snapshot begins: from now on there is no cursor, until the snapshot has ended. It may begin anew before that.
    fn begin_snapshot(&mut self, position: u64) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// A part of the snapshot.
    fn snapshot(&mut self, events: &[Arc<Event>]) -> impl Future<Output = Result<Taken, SinkError>> + Send;

    /// The snapshot is complete: removes what it did not name, and keeps the cursor. Says how much it removed as `applied`.
    fn end_snapshot(&mut self, cursor: &str, position: u64) -> impl Future<Output = Result<Taken, SinkError>> + Send;

    /// Changes, and the cursor after the last of them.
    fn changes(&mut self, events: &[Arc<Event>], cursor: &str)
    -> impl Future<Output = Result<Taken, SinkError>> + Send;

    /// About once a second while connected, changes or none: to keep a lease, or to commit what was only gathered.
    fn keep(&mut self) -> impl Future<Output = Result<(), SinkError>> + Send {
        async { Ok(()) }
    }

    /// The last call: commits what was gathered, lets another replica take over at once. Has two seconds.
    fn release(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

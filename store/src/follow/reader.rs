//! Gathers what a stream has brought into batches, without waiting for company.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, Stream, StreamExt as _};
use tokio::time::{Instant, timeout_at};

use super::{Interrupted, Options, silent};
use crate::error::because;
use crate::event::Event;
use crate::feed::{Kind, Message};

/// What a sink is handed at once.
pub(super) enum Batch {
    SnapshotStart { position: u64 },
    Events { events: Vec<Arc<Event>>, cursor: String },
    Bookmark { ends_snapshot: bool, head: u64, cursor: String },
}

/// See the module.
pub(super) struct Reader<S> {
    stream: S,
    silence: Duration,
    events_max: usize,
    bytes_max: usize,
    /// When the stream is given up, unless it says something.
    until: Instant,
    /// What came behind the last batch.
    ahead: VecDeque<Result<Message, Interrupted>>,
}

impl<S: Stream<Item = Result<Message, Interrupted>> + Unpin> Reader<S> {
    pub(super) fn new(stream: S, options: &Options) -> Self {
        let Options { silence, batch_events, batch_bytes, .. } = *options;
        let until = Instant::now() + silence;
        Self { stream, silence, events_max: batch_events, bytes_max: batch_bytes, until, ahead: VecDeque::new() }
    }

    /// Listens anew: the time that applying took was no silence.
    pub(super) fn listen(&mut self) {
        self.until = Instant::now() + self.silence;
    }

    /// The next batch. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Batch, Interrupted> {
        let message = match self.ahead.pop_front() {
            Some(message) => message?,
            None => match timeout_at(self.until, self.stream.next()).await {
                Ok(Some(message)) => message?,
                Ok(None) => return Err(ended()),
                Err(_elapsed) => return Err(silent(self.silence)),
            },
        };
        let Message { kind, mut cursor } = message;
        let first = match kind {
            Kind::Event(event) => event,
            Kind::SnapshotStart { position } => return Ok(Batch::SnapshotStart { position }),
            Kind::Bookmark { ends_snapshot, position, .. } => {
                return Ok(Batch::Bookmark { ends_snapshot, head: position, cursor });
            }
        };
        let mut bytes = first.size();
        let mut events = vec![first];
        while events.len() < self.events_max && bytes < self.bytes_max {
            match self.stream.next().now_or_never() {
                Some(Some(Ok(Message { kind: Kind::Event(event), cursor: next }))) => {
                    bytes += event.size();
                    events.push(event);
                    cursor = next;
                }
                Some(Some(other)) => {
                    self.ahead.push_back(other);
                    break;
                }
                Some(None) => {
                    self.ahead.push_back(Err(ended()));
                    break;
                }
                None => break,
            }
        }
        Ok(Batch::Events { events, cursor })
    }
}

fn ended() -> Interrupted {
    Interrupted::Lost(because("the stream ended"))
}

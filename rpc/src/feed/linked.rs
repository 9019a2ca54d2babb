//! A feed's changes as the calls that made them see them: whoever applies them does so in a span that is linked to those calls.
//!
//! A trace of its own, since the call is answered long before, and a batch is many calls' at once.

use std::sync::Arc;

use store::Event;
use store::follow::{Place, Sink, SinkError, Taken};
use tracing::{Instrument as _, Span};

/// Links of one span: as many as OpenTelemetry keeps where nobody says otherwise.
const LINKS_MAX: usize = 128;

/// A sink whose work on changes is linked to the calls that made them.
#[derive(Debug)]
pub struct Linked<S> {
    feed: &'static str,
    sink: S,
}

impl<S: Sink> Linked<S> {
    /// Over the sink of the feed of the service called by `feed`.
    pub fn new(feed: &'static str, sink: S) -> Self {
        Self { feed, sink }
    }
}

impl<S: Sink> Sink for Linked<S> {
    async fn resume(&mut self) -> Result<Option<Place>, SinkError> {
        self.sink.resume().await
    }

    async fn begin_snapshot(&mut self, position: u64) -> Result<(), SinkError> {
        self.sink.begin_snapshot(position).await
    }

    async fn snapshot(&mut self, events: &[Arc<Event>]) -> Result<Taken, SinkError> {
        self.sink.snapshot(events).await
    }

    async fn end_snapshot(&mut self, cursor: &str, position: u64) -> Result<Taken, SinkError> {
        self.sink.end_snapshot(cursor, position).await
    }

    async fn changes(&mut self, events: &[Arc<Event>], cursor: &str) -> Result<Taken, SinkError> {
        let span =
            tracing::info_span!("process", otel.name = %format_args!("process {}", self.feed), otel.kind = "consumer");
        link(&span, events);
        self.sink.changes(events, cursor).instrument(span).await
    }

    async fn keep(&mut self) -> Result<(), SinkError> {
        self.sink.keep().await
    }

    async fn release(&mut self) {
        self.sink.release().await;
    }
}

/// Links to each call once, however many of the events it made.
fn link(span: &Span, events: &[Arc<Event>]) {
    if span.is_disabled() {
        return;
    }
    for traceparent in calls(events) {
        mesh::telemetry::link(span, traceparent);
    }
}

fn calls(events: &[Arc<Event>]) -> Vec<&str> {
    let mut calls = Vec::new();
    for traceparent in events.iter().filter_map(|event| event.traceparent.as_deref()) {
        if calls.len() == LINKS_MAX {
            break;
        }
        if !calls.contains(&traceparent) {
            calls.push(traceparent);
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_by(traceparent: Option<String>) -> Arc<Event> {
        let [r#type, subject, key] = ["T", "things/1", "1"].map(str::to_owned);
        let payload = bytes::Bytes::new();
        Arc::new(Event { r#type, subject, key, revision: 1, position: 1, time_us: 0, traceparent, payload })
    }

    #[test]
    fn a_call_that_made_many_changes_is_one_link_and_there_are_no_more_than_a_span_keeps() {
        let events = ["a", "b", "a"].map(|call| made_by(Some(call.to_owned())));
        assert_eq!(calls(&[&events[..], &[made_by(None)]].concat()), ["a", "b"]);
        let many: Vec<_> = (0..500).map(|call| made_by(Some(call.to_string()))).collect();
        assert_eq!(calls(&many).len(), LINKS_MAX);
    }
}

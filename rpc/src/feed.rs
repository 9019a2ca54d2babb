//! Feeds on the wire: `souk.event.v1` and the store's own terms, in both directions.
//!
//! Every Watch has a response of its own with the same three kinds in it, so a service says for its own which is which:
//!
//! ```no_run
//! use contracts::catalog::v1::catalog_service_client::CatalogServiceClient;
//! use contracts::catalog::v1::{WatchProductsRequest, WatchProductsResponse, watch_products_response::Kind};
//! use rpc::feed::{self, Linked, Wire};
//! use store::feed::Message;
//! use store::{Effect, Follow, Inbox, Interrupted, Store};
//!
//! fn received(response: WatchProductsResponse) -> Option<Message> {
//!     let wire = match response.kind? {
//!         Kind::Event(event) => Wire::Event(event),
//!         Kind::Bookmark(bookmark) => Wire::Bookmark(bookmark),
//!         Kind::SnapshotStart(start) => Wire::SnapshotStart(start),
//!     };
//!     Some(feed::received(wire, response.cursor))
//! }
//!
//! async fn follow(catalog: mesh::Channel, own: Store, effect: impl Effect, drain: mesh::Drain) {
//!     let catalog = CatalogServiceClient::new(catalog);
//!     let connect = move |cursor: String| {
//!         let mut catalog = catalog.clone();
//!         async move {
//!             let opened = catalog.watch_products(WatchProductsRequest { cursor }).await;
//!             let opened = opened.map_err(feed::interrupted)?;
//!             Ok::<_, Interrupted>(feed::stream(opened.into_inner(), received))
//!         }
//!     };
//!     let follow = Follow::new("catalog", connect, Linked::new("catalog", Inbox::new(own, "catalog", effect)));
//!     follow.run(async move { drain.reached(mesh::drain::Phase::Leaving).await }).await;
//! }
//! ```

mod linked;

use std::sync::Arc;

use contracts::event::v1 as pb;
use futures_util::{Stream, StreamExt as _};
use prost_types::{Any, Timestamp};
use store::feed::{Kind, Message};
use store::{Event, Interrupted, WatchError};
use tonic::{Code, Status};

use crate::{Domain, timestamp};

pub use linked::Linked;

/// What precedes a message's full name where `Any` says its type.
const TYPE_URL: &str = "type.googleapis.com/";

/// One message of a feed as the contracts have it; its cursor is beside it.
#[derive(Clone, Debug, PartialEq)]
pub enum Wire {
    /// A change, or within a snapshot a state.
    Event(pb::Event),
    /// Everything before was sent.
    Bookmark(pb::Bookmark),
    /// A snapshot follows.
    SnapshotStart(pb::SnapshotStart),
}

/// A message of the feed of the service called by `source`, such as `/souk/catalog`.
#[must_use]
pub fn sent(source: &str, kind: Kind) -> Wire {
    match kind {
        Kind::Event(event) => Wire::Event(envelope(source, &event)),
        Kind::SnapshotStart { position } => Wire::SnapshotStart(pb::SnapshotStart { position: signed(position) }),
        Kind::Bookmark { ends_snapshot, position, time_us } => {
            Wire::Bookmark(pb::Bookmark { ends_snapshot, position: signed(position), time: Some(timestamp(time_us)) })
        }
    }
}

/// What came, whatever it is: an event that makes no sense is found out where it is applied, and put aside there.
#[must_use]
pub fn received(wire: Wire, cursor: String) -> Message {
    let kind = match wire {
        Wire::Event(event) => Kind::Event(Arc::new(opened(event))),
        Wire::SnapshotStart(start) => Kind::SnapshotStart { position: unsigned(start.position) },
        Wire::Bookmark(bookmark) => Kind::Bookmark {
            ends_snapshot: bookmark.ends_snapshot,
            position: unsigned(bookmark.position),
            time_us: micros(bookmark.time),
        },
    };
    Message { kind, cursor }
}

/// A Watch's answers as a follower takes them. `received` gives nothing for a kind that it does not know.
pub fn stream<S, M>(
    answers: S,
    mut received: impl FnMut(M) -> Option<Message> + Send,
) -> impl Stream<Item = Result<Message, Interrupted>> + Send
where
    S: Stream<Item = Result<M, Status>> + Send,
    M: Send,
{
    answers.filter_map(move |answer| {
        let message = match answer {
            Ok(answer) => received(answer).map(Ok),
            Err(status) => Some(Err(interrupted(status))),
        };
        std::future::ready(message)
    })
}

/// Why a Watch did not open, or ended. A cursor that is not understood is as good as an expired one: it says nothing there.
#[must_use]
pub fn interrupted(status: Status) -> Interrupted {
    match status.code() {
        Code::OutOfRange | Code::InvalidArgument => Interrupted::Expired,
        _ => Interrupted::lost(status),
    }
}

/// The status with which a Watch is refused, or ends.
#[must_use]
pub fn refusal(domain: Domain, error: &WatchError) -> Status {
    match error {
        WatchError::NotACursor(_) => domain.invalid(&mesh::Violations::one("cursor", "is no cursor of this feed")),
        WatchError::Expired(_) => {
            let message = format!("{error}: start again without a cursor");
            domain.status(Code::OutOfRange, &message, "CURSOR_EXPIRED")
        }
        WatchError::Store(error) => domain.store(error),
    }
}

fn envelope(source: &str, event: &Event) -> pb::Event {
    pb::Event {
        id: event.id(),
        source: source.to_owned(),
        r#type: event.r#type.clone(),
        subject: event.subject.clone(),
        time: Some(timestamp(event.time_us)),
        key: event.key.clone(),
        revision: signed(event.revision),
        position: signed(event.position),
        traceparent: event.traceparent.clone().unwrap_or_default(),
        payload: Some(Any { type_url: format!("{TYPE_URL}{}", event.r#type), value: event.payload.to_vec() }),
    }
}

fn opened(event: pb::Event) -> Event {
    Event {
        r#type: event.r#type,
        subject: event.subject,
        key: event.key,
        revision: unsigned(event.revision),
        position: unsigned(event.position),
        time_us: micros(event.time),
        traceparent: Some(event.traceparent).filter(|traceparent| !traceparent.is_empty()),
        payload: event.payload.unwrap_or_default().value.into(),
    }
}

/// The databases count in the same.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// 0 is no revision and no position, which is what a negative number means.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn micros(time: Option<Timestamp>) -> i64 {
    let Timestamp { seconds, nanos } = time.unwrap_or_default();
    seconds.saturating_mul(1_000_000).saturating_add(i64::from(nanos) / 1_000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tonic_types::StatusExt as _;

    use super::*;

    proptest! {
        #[test]
        fn a_message_is_received_as_it_was_sent(
            texts: [String; 3],
            (revision, position) in (1..i64::MAX as u64, 0..i64::MAX as u64),
            time_us in -1_000_000_000_000_000..1_000_000_000_000_000_i64,
            traceparent in proptest::option::of("[0-9a-f-]{1,55}"),
            payload: Vec<u8>,
            ends_snapshot: bool,
        ) {
            let [r#type, subject, key] = texts;
            let payload = payload.into();
            let event = Event { r#type, subject, key, revision, position, time_us, traceparent, payload };
            for kind in [
                Kind::Event(Arc::new(event)),
                Kind::SnapshotStart { position },
                Kind::Bookmark { ends_snapshot, position, time_us },
            ] {
                let message = Message { kind: kind.clone(), cursor: "c".to_owned() };
                prop_assert_eq!(received(sent("/souk/catalog", kind), "c".to_owned()), message);
            }
        }

        #[test]
        fn whatever_comes_is_an_event(
            texts: [String; 6],
            numbers: (i64, i64),
            time: Option<(i64, i32)>,
            value: Option<Vec<u8>>,
        ) {
            let [id, source, r#type, subject, key, traceparent] = texts;
            let (revision, position) = numbers;
            let time = time.map(|(seconds, nanos)| Timestamp { seconds, nanos });
            let payload = value.map(|value| Any { type_url: String::new(), value });
            let event = pb::Event { id, source, r#type, subject, time, key, revision, position, traceparent, payload };
            let Kind::Event(event) = received(Wire::Event(event), String::new()).kind else { panic!("no event") };
            prop_assert_eq!(event.check().is_ok(), revision > 0 && event.check().is_ok());
        }
    }

    #[test]
    fn a_refused_cursor_says_whether_a_snapshot_helps() {
        const DOMAIN: Domain = Domain::new("souk.catalog.v1");
        let expired = refusal(DOMAIN, &WatchError::Expired("it is of another feed"));
        assert_eq!(expired.code(), Code::OutOfRange);
        assert_eq!(expired.get_error_details().error_info().unwrap().reason, "CURSOR_EXPIRED");
        let garbage = refusal(DOMAIN, &WatchError::NotACursor(store::NotACursor));
        assert_eq!(garbage.code(), Code::InvalidArgument);
        assert_eq!(garbage.get_error_details().bad_request().unwrap().field_violations[0].field, "cursor");
        assert!(matches!(interrupted(expired), Interrupted::Expired));
        assert!(matches!(interrupted(garbage), Interrupted::Expired));
        assert!(matches!(interrupted(Status::unavailable("drains")), Interrupted::Lost(_)));
    }
}

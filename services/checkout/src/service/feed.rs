//! The feed of orders in the contract's terms.

use contracts::checkout::v1 as pb;
use pb::watch_orders_response::Kind;
use rpc::feed::Wire;
use store::feed::Message;

/// Whose data it is, in every event.
const SOURCE: &str = "/souk/checkout";

pub(super) fn sent(message: Message) -> pb::WatchOrdersResponse {
    let kind = match rpc::feed::sent(SOURCE, message.kind) {
        Wire::Event(event) => Kind::Event(event),
        Wire::Bookmark(bookmark) => Kind::Bookmark(bookmark),
        Wire::SnapshotStart(start) => Kind::SnapshotStart(start),
    };
    pb::WatchOrdersResponse { kind: Some(kind), cursor: message.cursor }
}

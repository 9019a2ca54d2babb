//! The inventory's feed in the contract's terms.

use contracts::inventory::v1 as pb;
use pb::watch_stock_response::Kind;
use rpc::feed::Wire;
use store::feed::Message;

/// Whose data it is, in every event.
const SOURCE: &str = "/souk/inventory";

pub(super) fn sent(message: Message) -> pb::WatchStockResponse {
    let kind = match rpc::feed::sent(SOURCE, message.kind) {
        Wire::Event(event) => Kind::Event(event),
        Wire::Bookmark(bookmark) => Kind::Bookmark(bookmark),
        Wire::SnapshotStart(start) => Kind::SnapshotStart(start),
    };
    pb::WatchStockResponse { kind: Some(kind), cursor: message.cursor }
}

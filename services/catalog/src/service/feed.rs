//! The catalog's feed in the contract's terms.

use contracts::catalog::v1 as pb;
use pb::watch_products_response::Kind;
use rpc::feed::Wire;
use store::feed::Message;

/// Whose data it is, in every event.
const SOURCE: &str = "/souk/catalog";

pub(super) fn sent(message: Message) -> pb::WatchProductsResponse {
    let kind = match rpc::feed::sent(SOURCE, message.kind) {
        Wire::Event(event) => Kind::Event(event),
        Wire::Bookmark(bookmark) => Kind::Bookmark(bookmark),
        Wire::SnapshotStart(start) => Kind::SnapshotStart(start),
    };
    pb::WatchProductsResponse { kind: Some(kind), cursor: message.cursor }
}

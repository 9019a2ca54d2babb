//! WatchStock: a copy that is kept by it becomes the stock, from wherever it begins.

use std::collections::BTreeMap;

use contracts::inventory::v1 as pb;
use contracts::inventory::v1::stock_adjustment::Change::Delta;
use contracts::inventory::v1::watch_stock_response::Kind;
use prost::Message as _;
use tokio::task::JoinSet;
use tonic::{Code, Status, Streaming};

use crate::shop::{self, Client, Shop, fields, order_id, refusal};

crate::on_both_databases!(
    a_snapshot_says_what_exists_and_then_every_change_follows,
    a_watch_goes_on_after_its_cursor_with_what_was_missed,
    a_snapshot_of_many_pages_names_each_product_once,
    a_copy_becomes_the_stock_whichever_replica_it_follows,
    a_cursor_that_is_no_place_in_this_feed_is_refused,
);

/// What a consumer keeps.
#[derive(Debug, Default)]
struct Copy {
    stock: BTreeMap<String, pb::StockLevel>,
    cursor: String,
    /// Events that were applied, those of a snapshot not counted.
    changes: usize,
    in_snapshot: bool,
}

impl Copy {
    /// Applies a message as the contract says; gives the bookmark if it is one.
    fn apply(&mut self, message: pb::WatchStockResponse) -> Option<bool> {
        let pb::WatchStockResponse { kind, cursor } = message;
        let bookmark = match kind.unwrap() {
            Kind::SnapshotStart(_) => {
                self.in_snapshot = true;
                None
            }
            Kind::Bookmark(bookmark) => {
                self.in_snapshot &= !bookmark.ends_snapshot;
                Some(bookmark.ends_snapshot)
            }
            Kind::Event(event) => {
                self.event(event);
                None
            }
        };
        assert_eq!(cursor.is_empty(), self.in_snapshot, "only a snapshot has no cursors");
        self.cursor = cursor;
        bookmark
    }

    fn event(&mut self, event: contracts::event::v1::Event) {
        let payload = event.payload.unwrap();
        assert_eq!(event.r#type, "souk.inventory.v1.StockChanged");
        assert_eq!(payload.type_url, "type.googleapis.com/souk.inventory.v1.StockChanged");
        let level = pb::StockChanged::decode(&*payload.value).unwrap().stock.unwrap();
        assert_eq!((&event.key, event.revision), (&level.product_id, level.revision));
        assert_eq!(event.subject, format!("products/{}", event.key));
        assert_eq!((event.source.as_str(), event.id), ("/souk/inventory", format!("{}@{}", event.key, event.revision)));
        if self.stock.get(&event.key).is_none_or(|known| known.revision < event.revision) {
            self.stock.insert(event.key, level);
            self.changes += usize::from(!self.in_snapshot);
        }
    }

    /// On hand, reserved, sold.
    fn units(&self, id: &str) -> (i64, i64, i64) {
        let level = &self.stock[id];
        (level.on_hand, level.reserved, level.sold)
    }
}

async fn watch(client: &Client, cursor: &str) -> Result<Streaming<pb::WatchStockResponse>, Status> {
    let request = pb::WatchStockRequest { cursor: cursor.into() };
    Ok(client.clone().watch_stock(request).await?.into_inner())
}

/// A copy that has taken the snapshot, and what comes after it.
async fn snapshot(client: &Client) -> (Copy, Streaming<pb::WatchStockResponse>) {
    let (mut copy, mut messages) = (Copy::default(), watch(client, "").await.unwrap());
    while copy.apply(messages.message().await.unwrap().unwrap()) != Some(true) {}
    (copy, messages)
}

/// Reads on until so many changes were applied.
async fn changes(copy: &mut Copy, messages: &mut Streaming<pb::WatchStockResponse>, number: usize) {
    while copy.changes < number {
        copy.apply(messages.message().await.unwrap().unwrap());
    }
}

async fn a_snapshot_says_what_exists_and_then_every_change_follows(shop: Shop) {
    shop.receive(&[("mug", 5), ("jug", 0)]).await;
    let (mut copy, mut messages) = snapshot(&shop.client).await;
    assert_eq!(copy.stock["mug"], shop.stock("mug").await.unwrap());
    assert_eq!(copy.stock["jug"], shop.stock("jug").await.unwrap());
    assert_eq!((copy.stock.len(), copy.changes), (2, 0));
    let order = order_id();
    shop.reserve(&order, &[("mug", 2)]).await.unwrap();
    changes(&mut copy, &mut messages, 1).await;
    assert_eq!(copy.units("mug"), (3, 2, 0));
    shop.commit(&order).await.unwrap();
    shop.receive(&[("mat", 1)]).await;
    changes(&mut copy, &mut messages, 3).await;
    assert_eq!((copy.units("mug"), copy.units("mat")), ((3, 0, 2), (1, 0, 0)));
}

async fn a_watch_goes_on_after_its_cursor_with_what_was_missed(shop: Shop) {
    shop.receive(&[("mug", 5)]).await;
    let (mut copy, messages) = snapshot(&shop.client).await;
    drop(messages);
    for _ in 0..3 {
        shop.adjust(&[("mug", Delta(1))]).await.unwrap();
    }
    // Another replica of the same database serves the same feed.
    let other = shop.replica().await;
    for client in [&shop.client, &other] {
        let mut messages = watch(client, &copy.cursor.clone()).await.unwrap();
        let before = copy.changes;
        changes(&mut copy, &mut messages, before + 3).await;
        assert_eq!(copy.stock["mug"], shop.stock("mug").await.unwrap());
        for _ in 0..3 {
            shop.adjust(&[("mug", Delta(1))]).await.unwrap();
        }
    }
}

async fn a_snapshot_of_many_pages_names_each_product_once(shop: Shop) {
    let ids: Vec<String> = (0..1_200).map(|n| format!("p{n}")).collect();
    for ids in ids.chunks(400) {
        shop.receive(&ids.iter().map(|id| (&**id, 1)).collect::<Vec<_>>()).await;
    }
    let mut messages = watch(&shop.client, "").await.unwrap();
    let mut seen = Vec::new();
    loop {
        match messages.message().await.unwrap().unwrap().kind.unwrap() {
            Kind::Event(event) => seen.push(event.key),
            Kind::Bookmark(bookmark) if bookmark.ends_snapshot => break,
            Kind::Bookmark(_) | Kind::SnapshotStart(_) => {}
        }
    }
    let (number, distinct) = (seen.len(), seen.into_iter().collect::<std::collections::BTreeSet<_>>());
    assert_eq!((number, distinct.len()), (1_200, 1_200));
}

async fn a_copy_becomes_the_stock_whichever_replica_it_follows(shop: Shop) {
    let replicas = [shop.client.clone(), shop.replica().await];
    shop.receive(&[("a", 30), ("b", 30)]).await;
    let mut buyers = JoinSet::new();
    for buyer in 0..24 {
        let client = replicas[buyer % 2].clone();
        buyers.spawn(async move {
            let order = order_id();
            shop::reserve(&client, &order, &[("a", 1), ("b", 1)]).await.unwrap();
            shop::commit(&client, &order).await.unwrap();
        });
    }
    let mut copies = Vec::new();
    for replica in &replicas {
        // Taken while all that goes on.
        copies.push(snapshot(replica).await);
    }
    buyers.join_all().await;
    for (mut copy, mut messages) in copies {
        while copy.units("a") != (6, 0, 24) || copy.units("b") != (6, 0, 24) {
            copy.apply(messages.message().await.unwrap().unwrap());
        }
        assert_eq!(copy.stock["a"].revision, 1 + 2 * 24);
    }
}

async fn a_cursor_that_is_no_place_in_this_feed_is_refused(shop: Shop) {
    shop.receive(&[("mug", 5)]).await;
    let refused = async |cursor: &str| match watch(&shop.client, cursor).await {
        Err(status) => status,
        Ok(mut messages) => messages.message().await.unwrap_err(),
    };
    for cursor in ["x", "not a cursor", &"A".repeat(300)] {
        assert_eq!(fields(&refused(cursor).await), ["cursor"], "{cursor:?}");
    }
    let elsewhere = Shop::on_sqlite().await;
    elsewhere.receive(&[("mug", 5)]).await;
    let (copy, _messages) = snapshot(&elsewhere.client).await;
    assert_eq!(refusal(&refused(&copy.cursor).await), (Code::OutOfRange, "CURSOR_EXPIRED".into()));
}

//! Follows the feeds of the catalog and of inventory into the index.

use std::sync::Arc;
use std::time::Duration;

use contracts::catalog::v1::catalog_service_client::CatalogServiceClient;
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use contracts::{catalog::v1 as catalog, inventory::v1 as inventory};
use mesh::directory::UndeclaredTarget;
use mesh::drain::Phase;
use mesh::{Clients, Process};
use rpc::feed::{self as wire, Linked, Wire};
use store::feed::Message;
use store::follow::{Metrics, Options, Place, Role, Sink, SinkError, Taken};
use store::{Follow, follow};
use tokio::sync::watch;
use tokio::time::timeout;

use super::feed;
use crate::index::{Change, Cursor, Feed, Index, Restarted};

/// How long it is waited to be the one who writes before it is said that somebody else is.
const WRITING_WAIT: Duration = Duration::from_secs(1);
/// Events that are handed over at once, and their bytes.
const BATCH_EVENTS: usize = 500;
const BATCH_BYTES: usize = 2 * 1024 * 1024;

/// Follows both feeds until the process drains; in what is returned others may be shown beside them.
pub(crate) fn follow(index: &Index, clients: &Clients, process: &Process) -> Result<Metrics, UndeclaredTarget> {
    let products = CatalogServiceClient::new(clients.channel(crate::CATALOG)?);
    let levels = InventoryServiceClient::new(clients.channel(crate::INVENTORY)?);
    let products = move |cursor| {
        let mut catalog = products.clone();
        async move {
            let answers = catalog.watch_products(catalog::WatchProductsRequest { cursor }).await;
            Ok(wire::stream(answers.map_err(wire::interrupted)?.into_inner(), product))
        }
    };
    let levels = move |cursor| {
        let mut inventory = levels.clone();
        async move {
            let answers = inventory.watch_stock(inventory::WatchStockRequest { cursor }).await;
            Ok(wire::stream(answers.map_err(wire::interrupted)?.into_inner(), stock))
        }
    };
    let options = Options { batch_events: BATCH_EVENTS, batch_bytes: BATCH_BYTES, ..Options::default() };
    let products = Follow::new("catalog", products, Linked::new("catalog", Shelving::new(index, Feed::Products)));
    let levels = Follow::new("inventory", levels, Linked::new("inventory", Shelving::new(index, Feed::Stock)));
    let metrics = Metrics::default();
    metrics.observe(&products);
    metrics.observe(&levels);
    process.metrics().register_all("search", metrics.series());
    let background = process.background();
    background.spawn(listen(index.clone(), Feed::Products, products.status()));
    background.spawn(listen(index.clone(), Feed::Stock, levels.status()));
    let (drain, again) = (process.drain().clone(), options.clone());
    background.spawn(async move { products.with_options(options).run(drain.reached(Phase::Leaving)).await });
    let drain = process.drain().clone();
    background.spawn(async move { levels.with_options(again).run(drain.reached(Phase::Leaving)).await });
    Ok(metrics)
}

/// Notes each time that a feed says something, were it only that there is nothing new.
async fn listen(index: Index, feed: Feed, mut status: watch::Receiver<follow::Status>) {
    while status.changed().await.is_ok() {
        let role = status.borrow_and_update().role;
        if matches!(role, Role::Following | Role::Snapshot) {
            index.heard(feed, rpc::now_us());
        }
    }
}

/// Puts one feed's events into the index, whose commits carry the cursor.
struct Shelving {
    index: Index,
    feed: Feed,
    epoch: u64,
}

impl Shelving {
    fn new(index: &Index, feed: Feed) -> Self {
        Self { index: index.clone(), feed, epoch: 0 }
    }

    /// Hands events over; what cannot be indexed is said and passed over.
    async fn apply(
        &self,
        events: &[Arc<store::Event>],
        snapshot: bool,
        cursor: Option<Cursor>,
    ) -> Result<Taken, SinkError> {
        let (mut changes, mut dead): (Vec<Change>, u64) = (Vec::with_capacity(events.len()), 0);
        for event in events {
            let read = feed::Event {
                r#type: &event.r#type,
                key: &event.key,
                revision: event.revision,
                time_us: (!snapshot).then_some(event.time_us),
                payload: &event.payload,
            };
            match event.check().map_err(feed::EventError::Malformed).and_then(|()| feed::change(&read)) {
                Ok(change) => changes.extend(change),
                Err(error) => {
                    let error = store::chain(&error);
                    tracing::warn!(key = event.key, revision = event.revision, error, "event cannot be indexed");
                    dead += 1;
                }
            }
        }
        let applied = changes.len() as u64;
        let taken = self.index.apply(self.epoch, self.feed, changes, cursor, rpc::now_us()).await;
        taken.map_err(SinkError::from).map(|()| Taken { applied, dead })
    }
}

impl Sink for Shelving {
    async fn resume(&mut self) -> Result<Option<Place>, SinkError> {
        let mut status = self.index.status();
        if !matches!(timeout(WRITING_WAIT, status.wait_for(|status| status.writing)).await, Ok(Ok(_))) {
            return Ok(None);
        }
        let (epoch, cursor) = self.index.cursor(self.feed);
        self.epoch = epoch;
        let place = cursor.map(|cursor| Place { cursor: cursor.text, position: cursor.position });
        Ok(Some(place.unwrap_or_default()))
    }

    async fn begin_snapshot(&mut self, _position: u64) -> Result<(), SinkError> {
        Ok(self.index.begin_snapshot(self.epoch, self.feed)?)
    }

    async fn snapshot(&mut self, events: &[Arc<store::Event>]) -> Result<Taken, SinkError> {
        self.apply(events, true, None).await
    }

    async fn end_snapshot(&mut self, cursor: &str, position: u64) -> Result<Taken, SinkError> {
        let cursor = Cursor { text: cursor.to_owned(), position };
        self.index.end_snapshot(self.epoch, self.feed, cursor, rpc::now_us())?;
        Ok(Taken::default())
    }

    async fn changes(&mut self, events: &[Arc<store::Event>], cursor: &str) -> Result<Taken, SinkError> {
        let position = events.iter().map(|event| event.position).max().unwrap_or_default();
        self.apply(events, false, Some(Cursor { text: cursor.to_owned(), position })).await
    }

    async fn keep(&mut self) -> Result<(), SinkError> {
        Ok(self.index.check(self.epoch)?)
    }
}

impl From<Restarted> for SinkError {
    /// It goes on at once from what the index says then, which is a snapshot, or waits for the other process that writes.
    fn from(_restarted: Restarted) -> Self {
        Self::Standby
    }
}

fn product(response: catalog::WatchProductsResponse) -> Option<Message> {
    use catalog::watch_products_response::Kind;
    let wire = match response.kind? {
        Kind::Event(event) => Wire::Event(event),
        Kind::Bookmark(bookmark) => Wire::Bookmark(bookmark),
        Kind::SnapshotStart(start) => Wire::SnapshotStart(start),
    };
    Some(wire::received(wire, response.cursor))
}

fn stock(response: inventory::WatchStockResponse) -> Option<Message> {
    use inventory::watch_stock_response::Kind;
    let wire = match response.kind? {
        Kind::Event(event) => Wire::Event(event),
        Kind::Bookmark(bookmark) => Wire::Bookmark(bookmark),
        Kind::SnapshotStart(start) => Wire::SnapshotStart(start),
    };
    Some(wire::received(wire, response.cursor))
}

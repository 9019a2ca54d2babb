//! The catalog and inventory, as far as their feeds go: a script says what happens.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contracts::catalog::v1 as catalog;
use contracts::catalog::v1::catalog_service_server::CatalogService;
use contracts::event::v1 as wire;
use contracts::inventory::v1 as inventory;
use contracts::inventory::v1::inventory_service_server::InventoryService;
use prost::Message;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt as _};

/// How often a feed says that there is nothing new.
const BOOKMARKS: Duration = Duration::from_secs(5);

/// A message of a feed, before it is one of its contract, and its cursor.
type Said = (Kind, String);

enum Kind {
    Event(wire::Event),
    Bookmark(wire::Bookmark),
    Start(wire::SnapshotStart),
}

/// One feed. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Feed {
    log: Arc<Mutex<Log>>,
    changed: watch::Sender<usize>,
    /// Whether snapshots may end.
    open: watch::Sender<bool>,
}

#[derive(Default)]
struct Log {
    events: Vec<wire::Event>,
    revisions: BTreeMap<String, i64>,
    /// What cursors of this feed begin with.
    name: u64,
    snapshots: usize,
}

impl Default for Feed {
    fn default() -> Self {
        Self { log: Arc::default(), changed: watch::Sender::default(), open: watch::Sender::new(true) }
    }
}

impl Feed {
    /// Makes snapshots wait before their end, or lets them.
    pub(crate) fn set_open(&self, open: bool) {
        self.open.send_replace(open);
    }

    /// Forgets all cursors, as a feed does after a week, and its own past.
    pub(crate) fn expire(&self, without: &[&str]) {
        let mut log = self.log.lock().unwrap();
        log.name += 1;
        log.events.retain(|event| !without.contains(&event.key.as_str()));
    }

    /// How often somebody took a snapshot.
    pub(crate) fn snapshots(&self) -> usize {
        self.log.lock().unwrap().snapshots
    }

    fn push(&self, name: &str, key: &str, payload: impl FnOnce(i64) -> Vec<u8>) {
        let mut log = self.log.lock().unwrap();
        let revision = log.revisions.entry(key.to_owned()).or_default();
        *revision += 1;
        let revision = *revision;
        let event = wire::Event {
            id: format!("{key}:{revision}"),
            r#type: name.to_owned(),
            key: key.to_owned(),
            revision,
            position: i64::try_from(log.events.len()).unwrap() + 1,
            time: Some(rpc::timestamp(rpc::now_us())),
            payload: Some(prost_types::Any { type_url: String::new(), value: payload(revision) }),
            ..Default::default()
        };
        log.events.push(event);
        self.changed.send_replace(log.events.len());
    }

    /// What a snapshot says: the last of each key, unless that is its end.
    fn states(&self) -> (Vec<wire::Event>, usize, u64) {
        let mut log = self.log.lock().unwrap();
        log.snapshots += 1;
        let last: BTreeMap<_, _> = log.events.iter().map(|event| (&event.key, event)).collect();
        let states = last.into_values().filter(|event| !event.r#type.ends_with("Deleted")).cloned().collect();
        (states, log.events.len(), log.name)
    }

    #[allow(clippy::result_large_err, reason = "Status is what a tonic handler returns")]
    fn watch(&self, cursor: &str) -> Result<impl Stream<Item = Said> + Send + use<>, Status> {
        let name = self.log.lock().unwrap().name;
        let from = match cursor.split_once('/') {
            Some((of, position)) if of == name.to_string() => Some(position.parse::<usize>().unwrap()),
            Some(_) => {
                let details = ErrorDetails::with_error_info("CURSOR_EXPIRED", "souk.test", HashMap::new());
                return Err(Status::with_error_details(Code::OutOfRange, "expired", details));
            }
            None => None,
        };
        let (say, said) = mpsc::channel(64);
        let feed = self.clone();
        tokio::spawn(async move {
            // Whoever follows has gone.
            let _gone = feed.tell(&say, from).await;
        });
        Ok(ReceiverStream::new(said))
    }

    async fn tell(&self, say: &mpsc::Sender<Said>, from: Option<usize>) -> Result<(), mpsc::error::SendError<Said>> {
        let mut name = self.log.lock().unwrap().name;
        let mut at = match from {
            Some(at) => at,
            None => {
                let (states, head, of) = self.states();
                name = of;
                let position = i64::try_from(head).unwrap();
                say.send((Kind::Start(wire::SnapshotStart { position }), String::new())).await?;
                for state in states {
                    say.send((Kind::Event(state), String::new())).await?;
                }
                self.open.subscribe().wait_for(|open| *open).await.unwrap();
                say.send((Kind::Bookmark(bookmark(true, head)), format!("{name}/{head}"))).await?;
                head
            }
        };
        let mut changed = self.changed.subscribe();
        loop {
            let events = {
                let log = self.log.lock().unwrap();
                if log.name != name {
                    return Ok(());
                }
                log.events[at.min(log.events.len())..].to_vec()
            };
            for event in events {
                at += 1;
                say.send((Kind::Event(event), format!("{name}/{at}"))).await?;
            }
            if tokio::time::timeout(BOOKMARKS, changed.wait_for(|length| *length != at)).await.is_err() {
                say.send((Kind::Bookmark(bookmark(false, at)), format!("{name}/{at}"))).await?;
            }
        }
    }
}

fn bookmark(ends_snapshot: bool, head: usize) -> wire::Bookmark {
    let time = Some(rpc::timestamp(rpc::now_us()));
    wire::Bookmark { ends_snapshot, position: i64::try_from(head).unwrap(), time }
}

/// The catalog.
#[derive(Clone, Default)]
pub(crate) struct Catalog(pub(crate) Feed);

impl Catalog {
    /// Makes or changes a product.
    pub(crate) fn put(&self, product: catalog::Product) {
        let key = product.product_id.clone();
        self.0.push("souk.catalog.v1.ProductChanged", &key, |revision| {
            catalog::ProductChanged { product: Some(catalog::Product { revision, ..product }) }.encode_to_vec()
        });
    }

    pub(crate) fn delete(&self, id: &str) {
        let deleted = catalog::ProductDeleted { product_id: id.to_owned() };
        self.0.push("souk.catalog.v1.ProductDeleted", id, |_| deleted.encode_to_vec());
    }

    /// An event that nobody can read.
    pub(crate) fn garble(&self, id: &str) {
        self.0.push("souk.catalog.v1.ProductChanged", id, |_| b"\xff\xff".to_vec());
    }
}

/// Inventory.
#[derive(Clone, Default)]
pub(crate) struct Inventory(pub(crate) Feed);

impl Inventory {
    pub(crate) fn put(&self, id: &str, on_hand: i64) {
        self.0.push("souk.inventory.v1.StockChanged", id, |revision| {
            let product_id = id.to_owned();
            let stock =
                inventory::StockLevel { product_id, on_hand, received: on_hand, revision, ..Default::default() };
            inventory::StockChanged { stock: Some(stock) }.encode_to_vec()
        });
    }
}

type Answer<T> = Result<Response<T>, Status>;
type Stream_<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn unasked<T>() -> Answer<T> {
    Err(Status::unimplemented("search does not ask for this"))
}

#[tonic::async_trait]
impl CatalogService for Catalog {
    async fn get_product(&self, _: Request<catalog::GetProductRequest>) -> Answer<catalog::GetProductResponse> {
        unasked()
    }

    async fn batch_get_products(
        &self,
        _: Request<catalog::BatchGetProductsRequest>,
    ) -> Answer<catalog::BatchGetProductsResponse> {
        unasked()
    }

    async fn list_products(&self, _: Request<catalog::ListProductsRequest>) -> Answer<catalog::ListProductsResponse> {
        unasked()
    }

    async fn create_product(
        &self,
        _: Request<catalog::CreateProductRequest>,
    ) -> Answer<catalog::CreateProductResponse> {
        unasked()
    }

    async fn update_product(
        &self,
        _: Request<catalog::UpdateProductRequest>,
    ) -> Answer<catalog::UpdateProductResponse> {
        unasked()
    }

    async fn delete_product(
        &self,
        _: Request<catalog::DeleteProductRequest>,
    ) -> Answer<catalog::DeleteProductResponse> {
        unasked()
    }

    async fn import_products(
        &self,
        _: Request<Streaming<catalog::ImportProductsRequest>>,
    ) -> Answer<catalog::ImportProductsResponse> {
        unasked()
    }

    type WatchProductsStream = Stream_<catalog::WatchProductsResponse>;

    async fn watch_products(
        &self,
        request: Request<catalog::WatchProductsRequest>,
    ) -> Answer<Self::WatchProductsStream> {
        use catalog::watch_products_response::Kind as Wire;
        let said = self.0.watch(&request.get_ref().cursor)?.map(|(kind, cursor)| {
            let kind = Some(match kind {
                Kind::Event(event) => Wire::Event(event),
                Kind::Bookmark(bookmark) => Wire::Bookmark(bookmark),
                Kind::Start(start) => Wire::SnapshotStart(start),
            });
            Ok(catalog::WatchProductsResponse { kind, cursor })
        });
        Ok(Response::new(Box::pin(said)))
    }
}

#[tonic::async_trait]
impl InventoryService for Inventory {
    async fn get_stock(&self, _: Request<inventory::GetStockRequest>) -> Answer<inventory::GetStockResponse> {
        unasked()
    }

    async fn batch_get_stock(
        &self,
        _: Request<inventory::BatchGetStockRequest>,
    ) -> Answer<inventory::BatchGetStockResponse> {
        unasked()
    }

    async fn adjust_stock(&self, _: Request<inventory::AdjustStockRequest>) -> Answer<inventory::AdjustStockResponse> {
        unasked()
    }

    async fn reserve_stock(
        &self,
        _: Request<inventory::ReserveStockRequest>,
    ) -> Answer<inventory::ReserveStockResponse> {
        unasked()
    }

    async fn commit_reservation(
        &self,
        _: Request<inventory::CommitReservationRequest>,
    ) -> Answer<inventory::CommitReservationResponse> {
        unasked()
    }

    async fn release_reservation(
        &self,
        _: Request<inventory::ReleaseReservationRequest>,
    ) -> Answer<inventory::ReleaseReservationResponse> {
        unasked()
    }

    async fn return_stock(&self, _: Request<inventory::ReturnStockRequest>) -> Answer<inventory::ReturnStockResponse> {
        unasked()
    }

    type WatchStockStream = Stream_<inventory::WatchStockResponse>;

    async fn watch_stock(&self, request: Request<inventory::WatchStockRequest>) -> Answer<Self::WatchStockStream> {
        use inventory::watch_stock_response::Kind as Wire;
        let said = self.0.watch(&request.get_ref().cursor)?.map(|(kind, cursor)| {
            let kind = Some(match kind {
                Kind::Event(event) => Wire::Event(event),
                Kind::Bookmark(bookmark) => Wire::Bookmark(bookmark),
                Kind::Start(start) => Wire::SnapshotStart(start),
            });
            Ok(inventory::WatchStockResponse { kind, cursor })
        });
        Ok(Response::new(Box::pin(said)))
    }
}

//! Starts inventories, and says what tests say often.

use std::time::Duration;

use contracts::inventory::v1 as pb;
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use contracts::inventory::v1::stock_adjustment::Change;
use mesh::client::ClientConfig;
use mesh::{Channel, Clients, Directory, Process, Target};
use store::{Config, Error, Statement, Store, Transaction, Unit};
use tempfile::TempDir;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

pub(crate) type Client = InventoryServiceClient<Channel>;

const INVENTORY: Target = Target::new("inventory");

/// How often an inventory looks for what has expired by itself: never, as far as a test is concerned.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

/// An empty database and an inventory on it, which looks for nothing that has expired unless it is asked.
pub(crate) struct Shop {
    pub(crate) client: Client,
    pub(crate) channel: Channel,
    database_url: String,
    /// The test's own way into the database.
    store: Store,
    /// All inventories of a shop live in one process, as a laptop's do; its connections end with the test.
    process: Process,
    _folder: Option<TempDir>,
}

impl Shop {
    pub(crate) async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database_url = format!("sqlite:{}", folder.path().join("inventory.db").display());
        Self { _folder: Some(folder), ..Self::on(database_url).await }
    }

    pub(crate) async fn on_postgres() -> Self {
        Self::on(test_postgres::Server::shared().unwrap().create_database().await.unwrap()).await
    }

    /// On a database that is there.
    pub(crate) async fn on(database_url: String) -> Self {
        let options = mesh::process::Options { log: "off".into(), cores: 1, ..test_operator::options() };
        let process = Process::start("inventory", options, None).unwrap();
        let config = inventory::Config { expire_interval: NEVER, ..inventory::Config::new(&database_url) };
        let channel = channel(&process, config).await;
        let config = Config::parse(&database_url).unwrap();
        let store = Store::open(config, &[], process.background().clone()).await.unwrap();
        Self { client: Client::new(channel.clone()), channel, database_url, store, process, _folder: None }
    }

    /// One more inventory on this database.
    pub(crate) async fn replica(&self) -> Client {
        self.replica_that_sweeps(NEVER).await
    }

    /// One more inventory on this database, which looks this often for what has expired.
    pub(crate) async fn replica_that_sweeps(&self, every: Duration) -> Client {
        let config = inventory::Config { expire_interval: every, ..inventory::Config::new(&self.database_url) };
        Client::new(channel(&self.process, config).await)
    }

    pub(crate) async fn adjust(&self, lines: &[(&str, Change)]) -> Result<Vec<pb::StockLevel>, Status> {
        adjust(&self.client, lines, &request_id()).await
    }

    /// Says how many units of these products were received in all.
    pub(crate) async fn receive(&self, lines: &[(&str, i64)]) {
        let lines: Vec<_> = lines.iter().map(|(id, units)| (*id, Change::Received(*units))).collect();
        self.adjust(&lines).await.unwrap();
    }

    pub(crate) async fn stock(&self, id: &str) -> Result<pb::StockLevel, Status> {
        stock(&self.client, id).await
    }

    /// On hand, reserved, sold.
    pub(crate) async fn units(&self, id: &str) -> (i64, i64, i64) {
        units(&self.client, id).await
    }

    pub(crate) async fn reserve(&self, order: &str, lines: &[(&str, i32)]) -> Result<pb::Reservation, Status> {
        reserve(&self.client, order, lines).await
    }

    pub(crate) async fn commit(&self, order: &str) -> Result<pb::Reservation, Status> {
        commit(&self.client, order).await
    }

    pub(crate) async fn release(&self, order: &str) -> Result<pb::Reservation, Status> {
        release(&self.client, order).await
    }

    pub(crate) async fn give_back(&self, order: &str, lines: &[(&str, i32)]) -> Result<pb::Reservation, Status> {
        give_back(&self.client, order, lines, &request_id()).await
    }

    /// The time of an order's reservation is over, as if its hours had passed.
    pub(crate) async fn time_passes(&self, order: &str) {
        self.store.write(TimePasses(order.to_owned())).await.unwrap();
    }

    /// On hand, reserved, sold and received as the database has them now, whatever a replica remembers.
    pub(crate) async fn stored(&self, id: &str) -> Option<[i64; 4]> {
        let id = id.to_owned();
        let read = self.store.read("Stored", |mut connection| async move {
            let Some(row) = connection.fetch_optional(&STORED, [id.into()]).await? else { return Ok(None) };
            Ok::<_, Error>(Some([row.get("on_hand")?, row.get("reserved")?, row.get("sold")?, row.get("received")?]))
        });
        read.await.unwrap()
    }

    /// How many levels were answered from memory, by the one inventory of this shop.
    pub(crate) fn hits(&self) -> u64 {
        let metrics = self.process.metrics().encode();
        let hits = metrics.lines().find_map(|line| line.strip_prefix("inventory_cache_hits_total "));
        hits.unwrap().parse().unwrap()
    }

    /// The test's own way into the database.
    pub(crate) fn database(&self) -> &Store {
        &self.store
    }
}

const STORED: Statement =
    Statement::new("SELECT stock", "SELECT on_hand, reserved, sold, received FROM stock WHERE product_id = $1");

/// Nothing is known of 1970, so it is over. What is not active does not change.
struct TimePasses(String);

const OVER: Statement =
    Statement::new("UPDATE reservations", "UPDATE reservations SET expire_us = 1 WHERE order_id = $1 AND state = 1");

impl Unit for TimePasses {
    const NAME: &'static str = "TimePasses";
    type Output = ();
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![format!("order/{}", self.0)]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<(), Error> {
        tx.execute(&OVER, [self.0.as_str().into()]).await.map(drop)
    }
}

/// An inventory, and a caller's channel to it.
async fn channel(process: &Process, config: inventory::Config) -> Channel {
    let directory = Directory::default();
    directory.in_process(inventory::start(config, process).await.unwrap());
    let descriptors = [contracts::FILE_DESCRIPTOR_SET];
    // A machine that is busy with all tests at once is no reason to give up.
    let config = ClientConfig { default_timeout: Duration::from_secs(60), ..ClientConfig::default() };
    let clients = Clients::new(process, &directory, "tester", &[INVENTORY], &descriptors, config).unwrap();
    clients.channel(INVENTORY).unwrap().with_token(test_operator::bearer())
}

/// Waits until something is so, however busy the machine is.
pub(crate) async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let so = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), so).await.expect("it never came true");
}

pub(crate) async fn adjust(
    client: &Client,
    lines: &[(&str, Change)],
    request_id: &str,
) -> Result<Vec<pb::StockLevel>, Status> {
    let line = |(id, change): &(&str, Change)| pb::StockAdjustment { product_id: (*id).into(), change: Some(*change) };
    let request = pb::AdjustStockRequest { lines: lines.iter().map(line).collect(), request_id: request_id.to_owned() };
    Ok(client.clone().adjust_stock(request).await?.into_inner().stock)
}

pub(crate) async fn stock(client: &Client, id: &str) -> Result<pb::StockLevel, Status> {
    let request = pb::GetStockRequest { product_id: id.into() };
    Ok(client.clone().get_stock(request).await?.into_inner().stock.unwrap())
}

pub(crate) async fn units(client: &Client, id: &str) -> (i64, i64, i64) {
    let level = stock(client, id).await.unwrap();
    assert_eq!(level.on_hand + level.reserved + level.sold, level.received, "{level:?}");
    (level.on_hand, level.reserved, level.sold)
}

pub(crate) async fn reserve(client: &Client, order: &str, lines: &[(&str, i32)]) -> Result<pb::Reservation, Status> {
    let request = pb::ReserveStockRequest { order_id: order.into(), lines: self::lines(lines), ttl: None };
    client.clone().reserve_stock(request).await.map(|answer| answer.into_inner().reservation.unwrap())
}

pub(crate) async fn commit(client: &Client, order: &str) -> Result<pb::Reservation, Status> {
    let request = pb::CommitReservationRequest { order_id: order.into() };
    client.clone().commit_reservation(request).await.map(|answer| answer.into_inner().reservation.unwrap())
}

pub(crate) async fn release(client: &Client, order: &str) -> Result<pb::Reservation, Status> {
    let request = pb::ReleaseReservationRequest { order_id: order.into() };
    client.clone().release_reservation(request).await.map(|answer| answer.into_inner().reservation.unwrap())
}

pub(crate) async fn give_back(
    client: &Client,
    order: &str,
    lines: &[(&str, i32)],
    request_id: &str,
) -> Result<pb::Reservation, Status> {
    let request =
        pb::ReturnStockRequest { order_id: order.into(), lines: self::lines(lines), request_id: request_id.into() };
    client.clone().return_stock(request).await.map(Response::into_inner).map(|answer| answer.reservation.unwrap())
}

pub(crate) fn lines(lines: &[(&str, i32)]) -> Vec<pb::StockLine> {
    lines.iter().map(|(id, quantity)| pb::StockLine { product_id: (*id).into(), quantity: *quantity }).collect()
}

pub(crate) fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

pub(crate) fn order_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// Product, quantity and returned quantity of each line.
pub(crate) fn held(reservation: &pb::Reservation) -> Vec<(&str, i32, i32)> {
    reservation.lines.iter().map(|line| (&*line.product_id, line.quantity, line.returned_quantity)).collect()
}

/// The code and the reason of a refusal.
pub(crate) fn refusal(status: &Status) -> (Code, String) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "souk.inventory.v1");
    (status.code(), info.reason.clone())
}

/// The fields that a refusal names.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    assert_eq!(refusal(status), (Code::InvalidArgument, "INVALID_REQUEST".into()), "{status:?}");
    let details = status.get_error_details();
    let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect()
}

/// The subjects of what is in the way, all of which have the refusal's reason as their type.
pub(crate) fn subjects(status: &Status) -> Vec<String> {
    let (code, reason) = refusal(status);
    assert_eq!(code, Code::FailedPrecondition, "{status:?}");
    let details = status.get_error_details();
    let found = details.precondition_failure().map(|failure| failure.violations.clone()).unwrap_or_default();
    assert!(found.iter().all(|violation| violation.r#type == reason && !violation.description.is_empty()));
    found.into_iter().map(|violation| violation.subject).collect()
}

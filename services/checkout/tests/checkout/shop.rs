//! Starts checkouts beside the services that they call, and says what tests say often.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use checkout::{Config, Faults, Point};
use contracts::cart::v1 as carts;
use contracts::cart::v1::cart_service_client::CartServiceClient;
use contracts::catalog::v1 as goods;
use contracts::catalog::v1::catalog_service_client::CatalogServiceClient;
use contracts::checkout::v1::checkout_service_client::CheckoutServiceClient;
use contracts::google::r#type::Money;
use contracts::inventory::v1 as stock;
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use mesh::client::ClientConfig;
use mesh::{Channel, Clients, Directory, Inbound, Process, Target};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::bank::Bank;
use crate::relay::{self, Fates, Relay};

pub(crate) type Client = CheckoutServiceClient<Channel>;

const CHECKOUT: Target = Target::new("checkout");
const CART: Target = Target::new("cart");
const CATALOG: Target = Target::new("catalog");
const INVENTORY: Target = Target::new("inventory");
const PAYMENT: Target = Target::new("payment");
const ALL: &[Target] = &[CHECKOUT, CART, CATALOG, INVENTORY, PAYMENT];

/// Between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(5);

/// Lets the work on one order stop at one point.
#[derive(Clone, Debug, Default)]
pub(crate) struct Crash {
    at: Arc<Mutex<Option<Point>>>,
}

impl Crash {
    /// The next order that comes to this point goes no further here.
    pub(crate) fn at(&self, point: Point) {
        *self.at.lock().unwrap() = Some(point);
    }

    /// Whether it has happened.
    pub(crate) fn happened(&self) -> bool {
        self.at.lock().unwrap().is_none()
    }
}

impl Faults for Crash {
    fn reached(&self, point: Point) -> bool {
        assert!(Point::all().contains(&point), "{point:?} is not among all points");
        self.at.lock().unwrap().take_if(|at| *at == point).is_some()
    }
}

/// An empty database and a checkout on it, beside a catalog, an inventory and carts of its own.
pub(crate) struct Shop {
    pub(crate) client: Client,
    pub(crate) bank: Bank,
    /// What becomes of the calls to each of them.
    pub(crate) to_cart: Fates,
    pub(crate) to_inventory: Fates,
    pub(crate) to_payment: Fates,
    pub(crate) crash: Crash,
    pub(crate) process: Process,
    pub(crate) carts: CartServiceClient<Channel>,
    pub(crate) inventory: InventoryServiceClient<Channel>,
    catalog: CatalogServiceClient<Channel>,
    /// Where checkout finds the others.
    reach: Directory,
    database_url: String,
    _folder: TempDir,
}

impl Shop {
    pub(crate) async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("checkout.db").display());
        Self::on(url, folder).await
    }

    pub(crate) async fn on_postgres() -> Self {
        let url = test_postgres::Server::shared().unwrap().create_database().await.unwrap();
        Self::on(url, tempfile::tempdir().unwrap()).await
    }

    pub(crate) async fn on(database_url: String, folder: TempDir) -> Self {
        let options = mesh::process::Options { log: "off".into(), cores: 1, ..test_operator::options() };
        let process = Process::start("checkout", options, None).unwrap();
        let file = |name: &str| format!("sqlite:{}", folder.path().join(format!("{name}.db")).display());
        let real = Directory::default();
        let goods = catalog::start(catalog::Config::new(file("catalog")), &process).await.unwrap();
        real.in_process(goods.clone());
        real.in_process(inventory::start(inventory::Config::new(file("inventory")), &process).await.unwrap());
        real.in_process(cart::start(cart::Config::new(file("cart")), &process, &real).await.unwrap());
        let bank = Bank::default();
        real.in_process(served(&process, "payment", bank.server()));

        let reach = Directory::default();
        reach.in_process(goods);
        let (to_cart, to_inventory, to_payment) = (Fates::default(), Fates::default(), Fates::default());
        let to = |target| channel(&process, &real, target);
        let cart: Relay<relay::Cart> = Relay::new(to(CART), to_cart.clone());
        reach.in_process(served(&process, "cart", cart));
        let inventory: Relay<relay::Inventory> = Relay::new(to(INVENTORY), to_inventory.clone());
        reach.in_process(served(&process, "inventory", inventory));
        let payment: Relay<relay::Payment> = Relay::new(to(PAYMENT), to_payment.clone());
        reach.in_process(served(&process, "payment", payment));

        let as_operator = |target| to(target).with_token(test_operator::bearer());
        let crash = Crash::default();
        let client = client(&process, &reach, config(&database_url), crash.clone()).await;
        let (carts, inventory) =
            (CartServiceClient::new(to(CART)), InventoryServiceClient::new(as_operator(INVENTORY)));
        let catalog = CatalogServiceClient::new(as_operator(CATALOG));
        process.health().ready().await;
        Self {
            client,
            bank,
            to_cart,
            to_inventory,
            to_payment,
            crash,
            process,
            carts,
            inventory,
            catalog,
            reach,
            database_url,
            _folder: folder,
        }
    }

    /// How this shop's checkouts are configured.
    pub(crate) fn config(&self) -> Config {
        config(&self.database_url)
    }

    /// One more checkout on this database.
    pub(crate) async fn replica(&self, config: Config) -> Client {
        client(&self.process, &self.reach, config, Crash::default()).await
    }

    /// A product at this price in cents, and so many of it.
    pub(crate) async fn sell(&self, id: &str, cents: i64, units: i64) {
        self.offer(id, "EUR", cents).await;
        self.receive(id, units).await;
    }

    /// A product, as the catalog has it from now on, which carts know.
    pub(crate) async fn offer(&self, id: &str, currency: &str, cents: i64) {
        let product = goods::Product {
            product_id: id.into(),
            name: format!("The {id}"),
            price: Some(money(currency, cents)),
            pictures: vec![goods::Picture { uri: format!("/{id}.svg"), alt_text: String::new() }],
            ..goods::Product::default()
        };
        let create = goods::CreateProductRequest { product: Some(product.clone()), request_id: request_id() };
        if self.catalog.clone().create_product(create).await.is_err() {
            let update_mask = Some(prost_types::FieldMask { paths: vec!["price".into()] });
            let update = goods::UpdateProductRequest { product: Some(product), update_mask, request_id: request_id() };
            self.catalog.clone().update_product(update).await.unwrap();
        }
        let mut carts = self.carts.clone();
        eventually(async || {
            let request = carts::AddItemRequest { product_id: id.into(), quantity: 1, ..addition() };
            let Ok(cart) = carts.add_item(request).await else { return false };
            cart.into_inner().cart.unwrap().items[0].unit_price == Some(money(currency, cents))
        })
        .await;
    }

    pub(crate) async fn delete(&self, id: &str) {
        let request =
            goods::DeleteProductRequest { product_id: id.into(), request_id: request_id(), ..Default::default() };
        self.catalog.clone().delete_product(request).await.unwrap();
    }

    /// So many of a product were received in all.
    pub(crate) async fn receive(&self, id: &str, units: i64) {
        let change = Some(stock::stock_adjustment::Change::Received(units));
        let line = stock::StockAdjustment { product_id: id.into(), change };
        let request = stock::AdjustStockRequest { lines: vec![line], request_id: request_id() };
        self.inventory.clone().adjust_stock(request).await.unwrap();
    }

    /// On hand, reserved, sold.
    pub(crate) async fn units(&self, id: &str) -> (i64, i64, i64) {
        let request = stock::BatchGetStockRequest { product_ids: vec![id.into()] };
        let level = self.inventory.clone().batch_get_stock(request).await.unwrap().into_inner().stock.remove(0);
        assert_eq!(level.on_hand + level.reserved + level.sold, level.received, "{level:?}");
        (level.on_hand, level.reserved, level.sold)
    }

    /// A new cart with these in it.
    pub(crate) async fn cart(&self, items: &[(&str, i32)]) -> String {
        let mut cart_id = String::new();
        for (product, quantity) in items {
            cart_id = self.add(&cart_id, product, *quantity).await;
        }
        cart_id
    }

    pub(crate) async fn add(&self, cart_id: &str, product: &str, quantity: i32) -> String {
        let request =
            carts::AddItemRequest { cart_id: cart_id.into(), product_id: product.into(), quantity, ..addition() };
        self.carts.clone().add_item(request).await.unwrap().into_inner().cart.unwrap().cart_id
    }

    /// How many products are in a cart.
    pub(crate) async fn items(&self, cart_id: &str) -> usize {
        let request = carts::GetCartRequest { cart_id: cart_id.into() };
        self.carts.clone().get_cart(request).await.unwrap().into_inner().cart.unwrap().items.len()
    }
}

/// How a test's checkout is configured: it looks often and waits briefly.
fn config(database_url: &str) -> Config {
    Config {
        drive_interval: Duration::from_millis(20),
        lease: Duration::from_millis(300),
        backoff_min: Duration::from_millis(5),
        backoff_max: Duration::from_millis(50),
        attempts_max: 4,
        ..Config::new(database_url)
    }
}

fn served<S>(process: &Process, name: &'static str, server: S) -> Inbound
where
    S: tower::Service<
            http::Request<mesh::Body>,
            Response = http::Response<mesh::Body>,
            Error = std::convert::Infallible,
        > + tonic::server::NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    let builder = mesh::Builder::new(name).descriptors(contracts::FILE_DESCRIPTOR_SET).add_service(server);
    builder.build(process, mesh::server::InboundConfig::default()).unwrap()
}

async fn client<F: Faults>(process: &Process, reach: &Directory, config: Config, faults: F) -> Client {
    let own = Directory::default();
    own.in_process(checkout::start_with(config, process, reach, faults).await.unwrap());
    Client::new(channel(process, &own, CHECKOUT))
}

fn channel(process: &Process, directory: &Directory, target: Target) -> Channel {
    let descriptors = [contracts::FILE_DESCRIPTOR_SET];
    // A machine that is busy with all tests at once is no reason to give up.
    let config = ClientConfig { default_timeout: Duration::from_secs(60), ..ClientConfig::default() };
    Clients::new(process, directory, "tester", ALL, &descriptors, config).unwrap().channel(target).unwrap()
}

/// Waits until something is so, however busy the machine is.
pub(crate) async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let so = async {
        while !holds().await {
            sleep(LOOK).await;
        }
    };
    timeout(Duration::from_secs(60), so).await.expect("it never came true");
}

pub(crate) fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

pub(crate) fn money(currency: &str, cents: i64) -> Money {
    let nanos = i32::try_from(cents % 100).unwrap() * 10_000_000;
    Money { currency_code: currency.into(), units: cents / 100, nanos }
}

fn addition() -> carts::AddItemRequest {
    carts::AddItemRequest { request_id: request_id(), ..carts::AddItemRequest::default() }
}

//! Starts carts beside a catalog, and says what tests say often.

use std::time::Duration;

use ::catalog::Config as CatalogConfig;
use contracts::cart::v1 as pb;
use contracts::cart::v1::cart_service_client::CartServiceClient;
use contracts::catalog::v1 as goods;
use contracts::catalog::v1::catalog_service_client::CatalogServiceClient;
use contracts::google::r#type::Money;
use mesh::client::ClientConfig;
use mesh::{Channel, Clients, Directory, Process, Target};
use store::{Config, Error, Statement, Store, Transaction, Unit};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

pub(crate) type Client = CartServiceClient<Channel>;

const CART: Target = Target::new("cart");
const CATALOG: Target = Target::new("catalog");

/// How often carts look for what has expired by themselves: never, as far as a test is concerned.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

/// Between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(5);

/// An empty database and carts on it, which follow a catalog of their own.
pub(crate) struct Shop {
    pub(crate) client: Client,
    pub(crate) process: Process,
    catalog: CatalogServiceClient<Channel>,
    /// Where the catalog is.
    directory: Directory,
    database_url: String,
    /// The test's own way into the database.
    store: Store,
    folder: TempDir,
}

impl Shop {
    pub(crate) async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("cart.db").display());
        Self::with_catalog(url, folder).await
    }

    pub(crate) async fn on_postgres() -> Self {
        let url = test_postgres::Server::shared().unwrap().create_database().await.unwrap();
        Self::with_catalog(url, tempfile::tempdir().unwrap()).await
    }

    /// On a database that is there.
    pub(crate) async fn with_catalog(database_url: String, folder: TempDir) -> Self {
        let shop = Self::without_catalog(database_url, folder).await;
        shop.open_catalog().await;
        shop.process.health().ready().await;
        shop
    }

    /// As long as nobody opens the catalog, it is away.
    pub(crate) async fn without_catalog(database_url: String, folder: TempDir) -> Self {
        let options = mesh::process::Options { log: "off".into(), cores: 1, ..test_operator::options() };
        let process = Process::start("cart", options, None).unwrap();
        let directory = Directory::default();
        let config = cart::Config { expire_interval: NEVER, ..cart::Config::new(&database_url) };
        let client = client(&process, &directory, config).await;
        let store = Store::open(Config::parse(&database_url).unwrap(), &[], process.background().clone());
        let store = store.await.unwrap();
        let catalog =
            CatalogServiceClient::new(channel(&process, &directory, CATALOG).with_token(test_operator::bearer()));
        Self { client, process, catalog, directory, database_url, store, folder }
    }

    /// Opens the catalog that the carts follow.
    pub(crate) async fn open_catalog(&self) {
        let url = format!("sqlite:{}", self.folder.path().join("catalog.db").display());
        self.directory.in_process(::catalog::start(CatalogConfig::new(url), &self.process).await.unwrap());
    }

    /// More carts on this database, whose catalog is the shop's.
    pub(crate) async fn replica(&self) -> Client {
        self.replica_that_sweeps(NEVER).await
    }

    /// As [`replica`](Self::replica), looking this often for what has expired.
    pub(crate) async fn replica_that_sweeps(&self, every: Duration) -> Client {
        let config = cart::Config { expire_interval: every, ..cart::Config::new(&self.database_url) };
        client(&self.process, &self.directory, config).await
    }

    /// The carts in a process of their own, where no catalog is to be found.
    pub(crate) async fn alone(&self) -> (Process, Client) {
        let options = mesh::process::Options { log: "off".into(), cores: 1, ..test_operator::options() };
        let process = Process::start("cart", options, None).unwrap();
        let client = client(&process, &Directory::default(), cart::Config::new(&self.database_url)).await;
        (process, client)
    }

    /// Makes a product and waits until carts know it.
    pub(crate) async fn sell(&self, id: &str, currency: &str, units: i64) {
        self.offer(product(id, currency, units)).await;
    }

    /// As [`sell`](Self::sell), of a product with more to it.
    pub(crate) async fn offer(&self, product: goods::Product) {
        let id = product.product_id.clone();
        let request = goods::CreateProductRequest { product: Some(product), request_id: request_id() };
        patiently(|| {
            let (mut asked, request) = (self.catalog.clone(), request.clone());
            async move { asked.create_product(request).await }
        })
        .await
        .unwrap();
        eventually(async || self.state(&id).await.is_some_and(|state| state < 3)).await;
    }

    /// Changes a product in the catalog.
    pub(crate) async fn update(&self, product: goods::Product, paths: &[&str]) {
        let mask = prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
        let request =
            goods::UpdateProductRequest { product: Some(product), update_mask: Some(mask), request_id: request_id() };
        patiently(|| {
            let (mut asked, request) = (self.catalog.clone(), request.clone());
            async move { asked.update_product(request).await }
        })
        .await
        .unwrap();
    }

    /// Ends a product's sale and waits until carts know it.
    pub(crate) async fn discontinue(&self, id: &str) {
        let state = goods::ProductState::Discontinued.into();
        self.update(goods::Product { state, ..product(id, "EUR", 1) }, &["state"]).await;
        eventually(async || self.state(id).await == Some(2)).await;
    }

    /// Deletes a product and waits until carts know it.
    pub(crate) async fn delete(&self, id: &str) {
        let request =
            goods::DeleteProductRequest { product_id: id.into(), request_id: request_id(), etag: String::new() };
        patiently(|| {
            let (mut asked, request) = (self.catalog.clone(), request.clone());
            async move { asked.delete_product(request).await }
        })
        .await
        .unwrap();
        eventually(async || self.state(id).await == Some(3)).await;
    }

    /// A new cart with these in it.
    pub(crate) async fn filled(&self, items: &[(&str, i32)]) -> pb::Cart {
        let mut cart = pb::Cart::default();
        for (product, quantity) in items {
            cart = add(&self.client, &cart.cart_id, product, *quantity).await.unwrap();
        }
        cart
    }

    pub(crate) async fn get(&self, id: &str) -> Result<pb::Cart, Status> {
        get(&self.client, id).await
    }

    /// As many days pass for a cart, as far as its last change is concerned.
    pub(crate) async fn days_pass(&self, id: &str, days: i64) {
        eventually(async || self.store.write(DaysPass(id.to_owned(), days)).await.is_ok()).await;
    }

    /// How many carts there are, those that are over included.
    pub(crate) async fn stored(&self) -> i64 {
        let mut stored = None;
        eventually(async || {
            let read = self.store.read("Stored", |mut connection| async move {
                connection.fetch_one(&STORED, []).await?.get::<i64>("carts")
            });
            stored = read.await.ok();
            stored.is_some()
        })
        .await;
        stored.unwrap()
    }

    /// A product's state as the copy of the catalog has it.
    async fn state(&self, id: &str) -> Option<i64> {
        let id = id.to_owned();
        let read = self.store.read("State", |mut connection| async move {
            let row = connection.fetch_optional(&STATE, [id.into()]).await?;
            row.map(|row| row.get::<i64>("state")).transpose()
        });
        read.await.unwrap_or(None)
    }
}

const STORED: Statement = Statement::new("SELECT carts", "SELECT COUNT(*) AS carts FROM carts");
const STATE: Statement = Statement::new("SELECT products", "SELECT state FROM products WHERE product_id = $1");
const OVER: Statement =
    Statement::new("UPDATE carts", "UPDATE carts SET update_us = update_us - $2 * 86400000000 WHERE cart_id = $1");

struct DaysPass(String, i64);

impl Unit for DaysPass {
    const NAME: &'static str = "DaysPass";
    type Output = ();
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![format!("cart/{}", self.0)]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<(), Error> {
        tx.execute(&OVER, [self.0.as_str().into(), self.1.into()]).await.map(drop)
    }
}

/// Carts that look for others in `directory`, and a caller's way to them.
async fn client(process: &Process, directory: &Directory, config: cart::Config) -> Client {
    let own = Directory::default();
    own.in_process(cart::start(config, process, directory).await.unwrap());
    Client::new(channel(process, &own, CART))
}

fn channel(process: &Process, directory: &Directory, target: Target) -> Channel {
    let descriptors = [contracts::FILE_DESCRIPTOR_SET];
    // A machine that is busy with all tests at once is no reason to give up.
    let config = ClientConfig { default_timeout: Duration::from_secs(60), ..ClientConfig::default() };
    let clients = Clients::new(process, directory, "tester", &[CART, CATALOG], &descriptors, config).unwrap();
    clients.channel(target).unwrap()
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

/// Asks until the database is not late: on a machine that is busy with all tests at once it may be, and the request's id makes
/// asking again safe.
async fn patiently<T, F>(mut ask: impl FnMut() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let answered = async {
        loop {
            match ask().await {
                Err(status) if is_late(&status) => sleep(LOOK).await,
                answer => return answer.map(Response::into_inner),
            }
        }
    };
    timeout(Duration::from_secs(60), answered).await.expect("the database never comes")
}

fn is_late(status: &Status) -> bool {
    let details = status.get_error_details();
    details.error_info().is_some_and(|info| ["DATABASE_UNAVAILABLE", "COMMIT_IN_DOUBT"].contains(&&*info.reason))
}

pub(crate) fn product(id: &str, currency: &str, units: i64) -> goods::Product {
    let price = Some(Money { currency_code: currency.into(), units, nanos: 0 });
    goods::Product { product_id: id.into(), name: format!("The {id}"), price, ..goods::Product::default() }
}

pub(crate) async fn get(client: &Client, id: &str) -> Result<pb::Cart, Status> {
    let request = pb::GetCartRequest { cart_id: id.into() };
    Ok(patiently(|| {
        let (mut asked, request) = (client.clone(), request.clone());
        async move { asked.get_cart(request).await }
    })
    .await?
    .cart
    .unwrap())
}

pub(crate) async fn add(client: &Client, cart: &str, product: &str, quantity: i32) -> Result<pb::Cart, Status> {
    added(client, pb::AddItemRequest { quantity, ..addition(cart, product) }).await
}

/// A request for one more unit.
pub(crate) fn addition(cart: &str, product: &str) -> pb::AddItemRequest {
    let (cart_id, product_id, etag) = (cart.to_owned(), product.to_owned(), String::new());
    pb::AddItemRequest { cart_id, product_id, quantity: 1, etag, request_id: request_id() }
}

pub(crate) async fn added(client: &Client, request: pb::AddItemRequest) -> Result<pb::Cart, Status> {
    Ok(patiently(|| {
        let (mut asked, request) = (client.clone(), request.clone());
        async move { asked.add_item(request).await }
    })
    .await?
    .cart
    .unwrap())
}

pub(crate) async fn set(client: &Client, cart: &pb::Cart, product: &str, quantity: i32) -> Result<pb::Cart, Status> {
    let (cart_id, product_id, etag) = (cart.cart_id.clone(), product.to_owned(), cart.etag.clone());
    let request = pb::SetItemQuantityRequest { cart_id, product_id, quantity, etag, request_id: request_id() };
    Ok(patiently(|| {
        let (mut asked, request) = (client.clone(), request.clone());
        async move { asked.set_item_quantity(request).await }
    })
    .await?
    .cart
    .unwrap())
}

pub(crate) async fn remove(client: &Client, cart: &pb::Cart, product: &str) -> Result<pb::Cart, Status> {
    let (cart_id, product_id, etag) = (cart.cart_id.clone(), product.to_owned(), cart.etag.clone());
    let request = pb::RemoveItemRequest { cart_id, product_id, etag, request_id: request_id() };
    Ok(patiently(|| {
        let (mut asked, request) = (client.clone(), request.clone());
        async move { asked.remove_item(request).await }
    })
    .await?
    .cart
    .unwrap())
}

pub(crate) async fn clear(client: &Client, cart: &pb::Cart) -> Result<pb::Cart, Status> {
    let (cart_id, etag) = (cart.cart_id.clone(), cart.etag.clone());
    cleared(client, pb::ClearCartRequest { cart_id, etag, request_id: request_id() }).await
}

pub(crate) async fn cleared(client: &Client, request: pb::ClearCartRequest) -> Result<pb::Cart, Status> {
    Ok(patiently(|| {
        let (mut asked, request) = (client.clone(), request.clone());
        async move { asked.clear_cart(request).await }
    })
    .await?
    .cart
    .unwrap())
}

pub(crate) async fn merge(client: &Client, cart: &str, source: &str) -> Result<pb::Cart, Status> {
    merged(client, merger(cart, source)).await
}

pub(crate) fn merger(cart: &str, source: &str) -> pb::MergeCartsRequest {
    let (cart_id, source_cart_id, etag) = (cart.to_owned(), source.to_owned(), String::new());
    pb::MergeCartsRequest { cart_id, source_cart_id, etag, request_id: request_id() }
}

pub(crate) async fn merged(client: &Client, request: pb::MergeCartsRequest) -> Result<pb::Cart, Status> {
    Ok(patiently(|| {
        let (mut asked, request) = (client.clone(), request.clone());
        async move { asked.merge_carts(request).await }
    })
    .await?
    .cart
    .unwrap())
}

pub(crate) fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Product and quantity of each item.
pub(crate) fn items(cart: &pb::Cart) -> Vec<(&str, i32)> {
    cart.items.iter().map(|item| (&*item.product_id, item.quantity)).collect()
}

/// The code and the reason of a refusal.
pub(crate) fn refusal(status: &Status) -> (Code, String) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "souk.cart.v1");
    (status.code(), info.reason.clone())
}

/// What a refusal says besides its reason.
pub(crate) fn metadata(status: &Status, key: &str) -> String {
    let details = status.get_error_details();
    details.error_info().and_then(|info| info.metadata.get(key)).cloned().unwrap_or_default()
}

/// The fields that a refusal names.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    assert_eq!(refusal(status), (Code::InvalidArgument, "INVALID_REQUEST".into()), "{status:?}");
    let details = status.get_error_details();
    let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect()
}

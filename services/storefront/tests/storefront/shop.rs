//! The whole shop in one process, on SQLite: real services behind gates that count calls and can be shut, and a browser
//! that keeps cookies.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use contracts::{
    cart::v1::{AddItemRequest, Cart, GetCartRequest, cart_service_client::CartServiceClient},
    catalog::v1::{
        CategoryPath, DeleteProductRequest, ImportProductsRequest, Picture, Product, ProductState, Rating,
        catalog_service_client::CatalogServiceClient,
    },
    google::r#type::Money,
    inventory::v1::{
        AdjustStockRequest, StockAdjustment, inventory_service_client::InventoryServiceClient, stock_adjustment::Change,
    },
    search::v1::{SearchProductsRequest, search_service_client::SearchServiceClient},
};
use http::{Extensions, HeaderMap};
use mesh::{
    Body, Builder, Channel, Clients, Directory, Process, Target,
    client::{ClientConfig, Pages},
    server::InboundConfig,
};
use storefront::{Config, Web};
use tempfile::TempDir;
use tonic::Status;
use tower::Service as _;

use crate::raw::{Answer, PATIENCE};

const PAYMENT: Target = Target::new("payment");
const TARGETS: &[Target] = &[
    Target::new("cart"),
    Target::new("catalog"),
    Target::new("checkout"),
    Target::new("inventory"),
    PAYMENT,
    Target::new("search"),
];
/// Where payment's pages are.
const PAY: &str = "/pay/";
const PAYMENT_KEY: &str = "2026:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const ACQUIRER_KEY: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

/// What stands between storefront and one service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    is_shut: Arc<AtomicBool>,
    calls: Arc<Mutex<BTreeMap<String, usize>>>,
    headers: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Gate {
    /// From now on the service is away.
    pub(crate) fn shut(&self) {
        self.is_shut.store(true, Ordering::SeqCst);
    }

    pub(crate) fn open(&self) {
        self.is_shut.store(false, Ordering::SeqCst);
    }

    /// The calls since this was last asked, by RPC; health checks are not counted.
    pub(crate) fn take_calls(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    /// The headers of the requests for pages since this was last asked.
    pub(crate) fn take_headers(&self) -> Vec<HeaderMap> {
        std::mem::take(&mut self.headers.lock().unwrap())
    }

    fn pages(&self, pages: Pages) -> impl Fn(http::Request<Body>) -> Answer + Clone + Send + Sync + 'static {
        let gate = self.clone();
        move |mut request| {
            gate.headers.lock().unwrap().push(request.headers().clone());
            *request.extensions_mut() = Extensions::new();
            let (pages, is_shut) = (pages.clone(), gate.is_shut.load(Ordering::SeqCst));
            Box::pin(async move {
                let away = || http::Response::builder().status(503).body(Body::empty()).unwrap();
                Ok(if is_shut { away() } else { pages.send(request).await.unwrap_or_else(|_| away()) })
            })
        }
    }

    fn handler(&self, channel: Channel) -> impl Fn(http::Request<Body>) -> Answer + Clone + Send + Sync + 'static {
        let gate = self.clone();
        move |mut request| {
            let (service, rpc) = request.uri().path().trim_start_matches('/').split_once('/').unwrap();
            if !service.starts_with("grpc.") {
                *gate.calls.lock().unwrap().entry(rpc.to_owned()).or_default() += 1;
            }
            if gate.is_shut.load(Ordering::SeqCst) {
                return Box::pin(async { Ok(Status::unavailable("the gate is shut").into_http()) });
            }
            *request.extensions_mut() = Extensions::new();
            let mut channel = channel.clone();
            Box::pin(async move { channel.call(request).await })
        }
    }
}

/// A shop with all its services.
pub(crate) struct Shop {
    pub(crate) web: Web,
    pub(crate) process: Process,
    pub(crate) gates: BTreeMap<&'static str, Gate>,
    clients: Clients,
    _folder: TempDir,
}

impl Shop {
    /// A shop that sells these, so many of each.
    pub(crate) async fn selling(products: Vec<(Product, i64)>) -> Self {
        Self::configured(Config::default(), products).await
    }

    pub(crate) async fn configured(config: Config, products: Vec<(Product, i64)>) -> Self {
        let options = mesh::process::Options { log: "off".into(), cores: 1, ..test_operator::options() };
        let process = Process::start("shop-test", options, None).unwrap();
        let (folder, behind, front) = (tempfile::tempdir().unwrap(), Directory::default(), Directory::default());
        let url = |name: &str| format!("sqlite:{}", folder.path().join(format!("{name}.db")).display());
        behind.in_process(catalog::start(catalog::Config::new(url("catalog")), &process).await.unwrap());
        behind.in_process(inventory::start(inventory::Config::new(url("inventory")), &process).await.unwrap());
        behind.in_process(cart::start(cart::Config::new(url("cart")), &process, &behind).await.unwrap());
        let index = search::Config::new(folder.path().join("search"));
        behind.in_process(search::start(index, &process, &behind).unwrap());
        let bank = acquirer::Config::new(url("acquirer"), ACQUIRER_KEY);
        behind.in_process(acquirer::start(bank, &process).await.unwrap());
        let payments = payment::Config::new(url("payment"), PAYMENT_KEY);
        behind.in_process(payment::start(payments, &process, &behind).await.unwrap());
        behind.in_process(checkout::start(checkout::Config::new(url("checkout")), &process, &behind).await.unwrap());
        let descriptors = contracts::FILE_DESCRIPTOR_SET;
        // A machine that is busy with all tests at once is no reason to give up.
        let patient = ClientConfig { default_timeout: Duration::from_secs(60), ..ClientConfig::default() };
        let clients = Clients::new(&process, &behind, "tester", TARGETS, &[descriptors], patient).unwrap();
        let mut gates = BTreeMap::new();
        for target in TARGETS {
            let gate = Gate::default();
            let handler = gate.handler(clients.channel(*target).unwrap());
            let builder = Builder::new(target.name()).descriptors(descriptors).without_health();
            let mut builder = builder.fallback(tower::service_fn(handler));
            if *target == PAYMENT {
                builder = builder.pages(PAY, tower::service_fn(gate.pages(clients.pages(PAYMENT, PAY).unwrap())));
            }
            front.in_process(builder.build(&process, InboundConfig::default()).unwrap());
            gates.insert(target.name(), gate);
        }
        let config = Config { page_timeout: PATIENCE, health_timeout: PATIENCE, ..config };
        let web = storefront::start(&config, &process, &front).unwrap().web;
        let shop = Self { web, process, gates, clients, _folder: folder };
        shop.process.health().ready().await;
        shop.stock(products).await;
        shop
    }

    /// Puts products out, and waits until search and carts know all of them.
    async fn stock(&self, products: Vec<(Product, i64)>) {
        let Some((last, _)) = products.last().cloned() else { return };
        let count = products.len();
        let lines: Vec<_> = products
            .iter()
            .map(|(product, units)| StockAdjustment {
                product_id: product.product_id.clone(),
                change: Some(Change::Received(*units)),
            })
            .collect();
        let import = ImportProductsRequest { products: products.into_iter().map(|(product, _)| product).collect() };
        let mut catalog = CatalogServiceClient::new(self.channel("catalog"));
        let report = catalog.import_products(tokio_stream::iter([import])).await.unwrap().into_inner();
        assert_eq!(report.rejections, []);
        let request_id = uuid::Uuid::new_v4().to_string();
        let mut inventory = InventoryServiceClient::new(self.channel("inventory"));
        inventory.adjust_stock(AdjustStockRequest { lines, request_id }).await.unwrap();
        eventually(async || self.is_indexed(count).await && self.add("", &last.product_id, 1).await.is_ok()).await;
    }

    async fn is_indexed(&self, count: usize) -> bool {
        let mut search = SearchServiceClient::new(self.channel("search"));
        let Ok(found) = search.search_products(SearchProductsRequest::default()).await else { return false };
        let found = found.into_inner();
        let heard_of_stock = found.hits.iter().all(|hit| hit.stock_revision > 0);
        !found.stale && found.hits.len() == count && heard_of_stock
    }

    /// Makes or replaces a product in the catalog, without waiting for who follows it.
    pub(crate) async fn replace(&self, product: Product) {
        let import = ImportProductsRequest { products: vec![product] };
        let mut catalog = CatalogServiceClient::new(self.channel("catalog"));
        let report = catalog.import_products(tokio_stream::iter([import])).await.unwrap().into_inner();
        assert_eq!(report.rejections, []);
    }

    /// Takes a product off the shelves, and waits until carts know.
    pub(crate) async fn delete(&self, id: &str) {
        let request_id = uuid::Uuid::new_v4().to_string();
        let request = DeleteProductRequest { product_id: id.into(), request_id, ..DeleteProductRequest::default() };
        CatalogServiceClient::new(self.channel("catalog")).delete_product(request).await.unwrap();
        eventually(async || self.add("", id, 1).await.is_err()).await;
    }

    /// Puts something into a cart, past storefront.
    pub(crate) async fn add(&self, cart: &str, product: &str, quantity: i32) -> Result<Cart, Status> {
        let request_id = uuid::Uuid::new_v4().to_string();
        let (cart_id, product_id) = (cart.to_owned(), product.to_owned());
        let request = AddItemRequest { cart_id, product_id, quantity, request_id, ..AddItemRequest::default() };
        let answer = CartServiceClient::new(self.channel("cart")).add_item(request).await?;
        Ok(answer.into_inner().cart.unwrap())
    }

    pub(crate) async fn cart(&self, id: &str) -> Cart {
        let request = GetCartRequest { cart_id: id.to_owned() };
        let answer = CartServiceClient::new(self.channel("cart")).get_cart(request).await.unwrap();
        answer.into_inner().cart.unwrap()
    }

    fn channel(&self, name: &'static str) -> Channel {
        self.clients.channel(Target::new(name)).unwrap().with_token(test_operator::bearer())
    }
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

pub(crate) fn product(id: &str, name: &str) -> Product {
    Product {
        product_id: id.into(),
        name: name.into(),
        price: Some(money("EUR", 12, 50)),
        state: ProductState::Active.into(),
        ..Product::default()
    }
}

/// One with everything that a page shows.
pub(crate) fn lamp() -> Product {
    Product {
        description: "A shade of linen.\n\nIt stands on the floor.".into(),
        brand: "Sidi Lumen".into(),
        categories: vec![path(&["Lighting", "Lamps"])],
        list_price: Some(money("EUR", 20, 0)),
        pictures: vec![Picture { uri: "/pictures/pleated-linen-lamp.svg".into(), alt_text: "A pleated lamp.".into() }],
        attributes: vec![contracts::catalog::v1::Attribute { name: "Height".into(), value: "60 cm".into() }],
        rating: Some(Rating { average: 4.25, count: 1_200 }),
        sku: "SL-60".into(),
        ..product("lamp", "Linen lamp")
    }
}

pub(crate) fn path(names: &[&str]) -> CategoryPath {
    CategoryPath { names: names.iter().map(|name| (*name).to_owned()).collect() }
}

pub(crate) fn money(code: &str, units: i64, cents: i32) -> Money {
    Money { currency_code: code.into(), units, nanos: cents * 10_000_000 }
}

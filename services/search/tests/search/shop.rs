//! Starts searches, and says what tests say often.

use std::sync::LazyLock;
use std::time::Duration;

use contracts::catalog::v1 as catalog;
use contracts::catalog::v1::catalog_service_server::CatalogServiceServer;
use contracts::google::r#type::Money;
use contracts::inventory::v1::inventory_service_server::InventoryServiceServer;
use contracts::search::v1 as pb;
use contracts::search::v1::search_service_client::SearchServiceClient;
use mesh::client::ClientConfig;
use mesh::server::InboundConfig;
use mesh::{Builder, Channel, Clients, Directory, Process, Target};
use tempfile::TempDir;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::feeds::{Catalog, Inventory};

/// Every search of this test binary lives in one process, as a laptop's do.
static PROCESS: LazyLock<Process> = LazyLock::new(|| {
    let options = mesh::process::Options { log: "off".into(), ..mesh::process::Options::default() };
    Process::start("search", options, None).unwrap()
});

const SEARCH: Target = Target::new("search");
const NAME: &str = "souk.search.v1.SearchService";

/// A search with an empty index, and what it follows.
pub(crate) struct Shop {
    pub(crate) catalog: Catalog,
    pub(crate) inventory: Inventory,
    pub(crate) channel: Channel,
    pub(crate) folder: TempDir,
}

impl Shop {
    /// A search on what the catalog and inventory have already.
    pub(crate) fn start(catalog: Catalog, inventory: Inventory) -> Self {
        let descriptors = contracts::FILE_DESCRIPTOR_SET;
        let directory = Directory::default();
        let config = InboundConfig::default;
        let products = Builder::new("catalog").descriptors(descriptors);
        let products = products.add_service(CatalogServiceServer::new(catalog.clone()));
        directory.in_process(products.build(&PROCESS, config()).unwrap());
        let stock = Builder::new("inventory").descriptors(descriptors);
        let stock = stock.add_service(InventoryServiceServer::new(inventory.clone()));
        directory.in_process(stock.build(&PROCESS, config()).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let search = search::start(search::Config::new(folder.path().join("index")), &PROCESS, &directory).unwrap();
        directory.in_process(search);
        let clients =
            Clients::new(&PROCESS, &directory, "tester", &[SEARCH], &[descriptors], ClientConfig::default()).unwrap();
        Self { catalog, inventory, channel: clients.channel(SEARCH).unwrap(), folder }
    }

    /// A search that has found all of these, and their stock.
    pub(crate) async fn with(products: impl IntoIterator<Item = (catalog::Product, i64)>) -> Self {
        let (catalog, inventory) = (Catalog::default(), Inventory::default());
        for (product, on_hand) in products {
            inventory.put(&product.product_id, on_hand);
            catalog.put(product);
        }
        let shop = Self::start(catalog, inventory);
        eventually(async || shop.search("").await.is_ok_and(|found| !found.stale)).await;
        shop
    }

    pub(crate) fn client(&self) -> SearchServiceClient<Channel> {
        SearchServiceClient::new(self.channel.clone())
    }

    pub(crate) async fn ask(&self, request: pb::SearchProductsRequest) -> Result<pb::SearchProductsResponse, Status> {
        Ok(self.client().search_products(request).await?.into_inner())
    }

    pub(crate) async fn search(&self, query: &str) -> Result<pb::SearchProductsResponse, Status> {
        self.ask(pb::SearchProductsRequest { query: query.into(), ..Default::default() }).await
    }

    /// The ids of what a query finds, in order of the alphabet.
    pub(crate) async fn ids(&self, query: &str) -> Vec<String> {
        let found = self.search(query).await.unwrap();
        let mut ids: Vec<_> = found.hits.into_iter().map(|hit| hit.product_id).collect();
        ids.sort();
        ids
    }

    pub(crate) async fn suggest(&self, prefix: &str) -> Result<Vec<pb::Suggestion>, Status> {
        let request = pb::SuggestQueriesRequest { prefix: prefix.into(), page_size: 0 };
        Ok(self.client().suggest_queries(request).await?.into_inner().suggestions)
    }

    /// What the metrics of the process say, and whether its searches are ready.
    pub(crate) fn metrics() -> String {
        PROCESS.metrics().encode()
    }

    pub(crate) fn is_ready() -> bool {
        PROCESS.health().get(NAME).unwrap_or(false)
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

pub(crate) fn product(id: &str, name: &str) -> catalog::Product {
    catalog::Product {
        product_id: id.into(),
        name: name.into(),
        price: Some(euros(10, 0)),
        state: catalog::ProductState::Active.into(),
        ..Default::default()
    }
}

pub(crate) fn path(names: &[&str]) -> catalog::CategoryPath {
    catalog::CategoryPath { names: names.iter().map(|name| (*name).to_owned()).collect() }
}

pub(crate) fn euros(units: i64, cents: i32) -> Money {
    Money { currency_code: "EUR".into(), units, nanos: cents * 10_000_000 }
}

/// The code, the reason, and the fields of a refusal.
pub(crate) fn refusal(status: &Status) -> (Code, String, Vec<String>) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "souk.search.v1");
    let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    (status.code(), info.reason.clone(), violations.into_iter().map(|violation| violation.field).collect())
}

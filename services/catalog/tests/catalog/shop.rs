//! Starts catalogs, and says what tests say often.

use std::sync::LazyLock;
use std::time::Duration;

use contracts::catalog::v1 as pb;
use contracts::catalog::v1::catalog_service_client::CatalogServiceClient;
use contracts::google::r#type::Money;
use mesh::client::ClientConfig;
use mesh::{Channel, Clients, Directory, Process, Target};
use tempfile::TempDir;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

pub(crate) type Client = CatalogServiceClient<Channel>;

/// Every catalog of this test binary lives in one process, as a laptop's do.
static PROCESS: LazyLock<Process> = LazyLock::new(|| {
    let options = mesh::process::Options { log: "off".into(), ..test_operator::options() };
    Process::start("catalog", options, None).unwrap()
});

const CATALOG: Target = Target::new("catalog");

/// An empty database and a catalog on it.
pub(crate) struct Shop {
    pub(crate) client: Client,
    pub(crate) database_url: String,
    _folder: Option<TempDir>,
}

impl Shop {
    pub(crate) async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database_url = format!("sqlite:{}", folder.path().join("catalog.db").display());
        Self { client: replica(&database_url).await, database_url, _folder: Some(folder) }
    }

    pub(crate) async fn on_postgres() -> Self {
        let database_url = test_postgres::Server::shared().unwrap().create_database().await.unwrap();
        Self { client: replica(&database_url).await, database_url, _folder: None }
    }

    /// Makes a product with this id.
    pub(crate) async fn create(&self, product: pb::Product) -> pb::Product {
        let request = pb::CreateProductRequest { product: Some(product), request_id: request_id() };
        self.client.clone().create_product(request).await.unwrap().into_inner().product.unwrap()
    }

    pub(crate) async fn get(&self, id: &str) -> Result<pb::Product, Status> {
        get(&self.client, id).await
    }

    pub(crate) async fn update(&self, product: pb::Product, mask: &[&str]) -> Result<pb::Product, Status> {
        update(&self.client, product, mask).await
    }

    pub(crate) async fn delete(&self, id: &str) -> Result<Response<pb::DeleteProductResponse>, Status> {
        let request = pb::DeleteProductRequest { product_id: id.into(), etag: String::new(), request_id: request_id() };
        self.client.clone().delete_product(request).await
    }

    pub(crate) async fn list(&self, request: pb::ListProductsRequest) -> Result<pb::ListProductsResponse, Status> {
        self.client.clone().list_products(request).await.map(Response::into_inner)
    }

    pub(crate) async fn import(&self, messages: Vec<Vec<pb::Product>>) -> Result<pb::ImportProductsResponse, Status> {
        let messages = messages.into_iter().map(|products| pb::ImportProductsRequest { products });
        self.client.clone().import_products(tokio_stream::iter(messages)).await.map(Response::into_inner)
    }
}

/// One more catalog on this database.
pub(crate) async fn replica(database_url: &str) -> Client {
    Client::new(channel(catalog::Config::new(database_url)).await)
}

/// A catalog, and a caller's channel to it.
pub(crate) async fn channel(config: catalog::Config) -> Channel {
    let directory = Directory::default();
    directory.in_process(catalog::start(config, &PROCESS).await.unwrap());
    let descriptors = [contracts::FILE_DESCRIPTOR_SET];
    let clients =
        Clients::new(&PROCESS, &directory, "tester", &[CATALOG], &descriptors, ClientConfig::default()).unwrap();
    clients.channel(CATALOG).unwrap().with_token(test_operator::bearer())
}

/// Waits until something is so, however busy the machine is.
pub(crate) async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let so = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), so).await.expect("it never came true");
}

/// The background runtime of the process, to open databases on.
pub(crate) fn background() -> tokio::runtime::Handle {
    PROCESS.background().clone()
}

pub(crate) async fn get(client: &Client, id: &str) -> Result<pb::Product, Status> {
    let request = pb::GetProductRequest { product_id: id.into() };
    Ok(client.clone().get_product(request).await?.into_inner().product.unwrap())
}

pub(crate) async fn update(client: &Client, product: pb::Product, mask: &[&str]) -> Result<pb::Product, Status> {
    let request =
        pb::UpdateProductRequest { product: Some(product), update_mask: self::mask(mask), request_id: request_id() };
    Ok(client.clone().update_product(request).await?.into_inner().product.unwrap())
}

pub(crate) fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    Some(prost_types::FieldMask { paths })
}

pub(crate) fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A product with nothing but what is required.
pub(crate) fn product(id: &str) -> pb::Product {
    pb::Product { product_id: id.into(), name: format!("The {id}"), price: Some(euros(12, 50)), ..Default::default() }
}

/// A product with everything that can be said.
pub(crate) fn full_product(id: &str) -> pb::Product {
    let attribute = |name: &str, value: &str| pb::Attribute { name: name.into(), value: value.into() };
    pb::Product {
        description: "Stoneware.\n\nKeeps tea warm.".into(),
        brand: "Kiln & Co".into(),
        categories: vec![path(&["Home", "Kitchen", "Mugs"]), path(&["Gifts/Ideas"])],
        list_price: Some(euros(15, 0)),
        pictures: vec![pb::Picture { uri: "/pictures/mug.svg".into(), alt_text: "A blue mug".into() }],
        attributes: vec![
            attribute("Material", "Stoneware"),
            attribute("Material", "Cork"),
            attribute("Größe", "330 ml"),
        ],
        rating: Some(pb::Rating { average: 4.4, count: 73 }),
        sku: "MUG-1".into(),
        state: pb::ProductState::Active.into(),
        ..product(id)
    }
}

pub(crate) fn path(names: &[&str]) -> pb::CategoryPath {
    pb::CategoryPath { names: names.iter().map(|name| (*name).to_owned()).collect() }
}

pub(crate) fn euros(units: i64, cents: i32) -> Money {
    Money { currency_code: "EUR".into(), units, nanos: cents * 10_000_000 }
}

/// The code, the reason, and the fields of a refusal.
pub(crate) fn refusal(status: &Status) -> (Code, String, Vec<String>) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "souk.catalog.v1");
    let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    (status.code(), info.reason.clone(), violations.into_iter().map(|violation| violation.field).collect())
}

/// As [`refusal`], where the fields do not matter.
pub(crate) fn code_and_reason(status: &Status) -> (Code, String) {
    let (code, reason, _) = refusal(status);
    (code, reason)
}

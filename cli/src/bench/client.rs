//! A client of the shop that is being prepared.

use anyhow::Context as _;
use contracts::{
    catalog::v1::{GetProductRequest, ImportProductsRequest, Product, catalog_service_client::CatalogServiceClient},
    google::r#type::Money,
    inventory::v1::{
        AdjustStockRequest, StockAdjustment, inventory_service_client::InventoryServiceClient, stock_adjustment::Change,
    },
};
use mesh::{Channel, Clients, Directory, Process, Target, client::ClientConfig};
use prost::Message as _;

use super::{goods, operator};

const CATALOG: Target = Target::new("catalog");
const INVENTORY: Target = Target::new("inventory");
const TARGETS: &[Target] = &[CATALOG, INVENTORY];
/// Products in a message.
const PRODUCTS: u32 = 250;
/// Lines of an adjustment: the most there may be.
const LINES: u32 = 500;
/// Units of each product.
const UNITS: i64 = 1_000;

/// A client on a loop of its own.
#[derive(Debug)]
pub(super) struct Client {
    process: Process,
    catalog: CatalogServiceClient<Channel>,
    inventory: InventoryServiceClient<Channel>,
}

impl Client {
    /// One that finds the catalog and the inventory at these addresses.
    pub(super) fn connect(catalog: &str, inventory: &str) -> anyhow::Result<Self> {
        let told = mesh::process::Options { log: "warn".into(), cores: 1, ..Default::default() };
        let process = Process::start("bench", told, None)?;
        let directory = Directory::default();
        directory.remote(CATALOG.name(), catalog.parse()?);
        directory.remote(INVENTORY.name(), inventory.parse()?);
        let descriptors = [contracts::FILE_DESCRIPTOR_SET];
        let clients = Clients::new(&process, &directory, "bench", TARGETS, &descriptors, ClientConfig::default())?;
        let catalog = CatalogServiceClient::new(clients.channel(CATALOG)?.with_token(operator::bearer()?));
        let inventory = InventoryServiceClient::new(clients.channel(INVENTORY)?.with_token(operator::bearer()?));
        Ok(Self { process, catalog, inventory })
    }

    /// So many products, and stock of each.
    pub(super) fn fill(&self, count: u32) -> anyhow::Result<()> {
        let (mut catalog, mut inventory) = (self.catalog.clone(), self.inventory.clone());
        self.process.block_on(async {
            let mut random = goods::random();
            let messages: Vec<_> = (0..count)
                .step_by(PRODUCTS as usize)
                .map(|first| ImportProductsRequest {
                    products: (first..count.min(first + PRODUCTS))
                        .map(|one| goods::product(one, &mut random))
                        .collect(),
                })
                .collect();
            let report = catalog.import_products(tokio_stream::iter(messages)).await?.into_inner();
            anyhow::ensure!(report.created_count + report.unchanged_count == i64::from(count), "{report:?}");
            for first in (0..count).step_by(LINES as usize) {
                let lines = (first..count.min(first + LINES))
                    .map(|one| StockAdjustment { product_id: goods::id(one), change: Some(Change::Received(UNITS)) });
                let request_id = uuid::Uuid::new_v4().to_string();
                inventory.adjust_stock(AdjustStockRequest { lines: lines.collect(), request_id }).await?;
            }
            Ok(())
        })
    }

    /// Imports the product until its description is as long as the framed answer's size wants it; the answer.
    pub(super) fn make_product(&self, product_id: &str, bytes: usize) -> anyhow::Result<Vec<u8>> {
        let mut catalog = self.catalog.clone();
        self.process.block_on(async {
            let mut description = 100;
            for _ in 0..4 {
                let product = sized(product_id, description);
                let import = tokio_stream::iter([ImportProductsRequest { products: vec![product] }]);
                catalog.import_products(import).await?;
                let asked = GetProductRequest { product_id: product_id.to_owned() };
                let answer = catalog.get_product(asked).await?.into_inner().encode_to_vec();
                let framed = answer.len() + 5;
                if framed == bytes {
                    return Ok(answer);
                }
                description = (description + bytes).checked_sub(framed).context("the product is too large")?;
            }
            anyhow::bail!("the answer cannot be made {bytes} bytes long")
        })
    }
}

fn sized(product_id: &str, description: usize) -> Product {
    Product {
        product_id: product_id.to_owned(),
        name: "A product to measure with".to_owned(),
        brand: "Souk".to_owned(),
        description: "x".repeat(description),
        price: Some(Money { currency_code: "USD".to_owned(), units: 12, nanos: 500_000_000 }),
        ..Product::default()
    }
}

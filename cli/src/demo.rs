//! `souk demo load`: the demo catalogue into a running shop, and into an empty one by itself: stock, then products.
//!
//! The import makes or replaces products by id and stock is an absolute total, so loading twice changes nothing, and a try
//! that broke off is simply made again.

mod catalogue;
mod price;

use std::{io::Write as _, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use contracts::{
    catalog::v1::{
        ImportProductsRequest, ImportProductsResponse, ListProductsRequest,
        catalog_service_client::CatalogServiceClient,
    },
    inventory::v1::{
        AdjustStockRequest, StockAdjustment, inventory_service_client::InventoryServiceClient, stock_adjustment::Change,
    },
};
use mesh::{
    Address, Clients, Directory, Output, Process, Target,
    client::{Bearer, ClientConfig},
    process::{self, parse_duration},
};
use tokio::time::{Instant, sleep};
use tonic::{Code, Request, Status};
use uuid::Uuid;

use crate::operator;

const CATALOG: Target = Target::new("catalog");
const INVENTORY: Target = Target::new("inventory");
const TARGETS: &[Target] = &[CATALOG, INVENTORY];

/// The services that take the catalogue.
pub(crate) const NEEDS: [&str; 2] = [CATALOG.name(), INVENTORY.name()];

/// Products in one message of the import, a step of the progress.
const BATCH: usize = 25;

/// Lines of one change of the stock: the most that inventory takes.
const LINES_MAX: usize = 500;

/// How long the shop may be away between two tries, at first and at most.
const RETRY_WAIT: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(3));

/// How long each of the calls that fill an empty shop may take.
const FILL_TIMEOUT: Duration = Duration::from_secs(60);

/// How `souk demo load` is told what to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Where the shop takes gRPC: HOST:PORT, dns:HOST:PORT or unix:PATH
    #[arg(long, value_name = "TARGET", default_value = "127.0.0.1:50051")]
    to: Address,
    /// Who says that this is an operator
    #[command(flatten)]
    operator: operator::Options,
    /// How long to try until the shop has taken the catalogue
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = parse_duration)]
    timeout: Duration,
    /// How the result is printed: text or json
    #[arg(long, value_name = "FORMAT", default_value_t)]
    output: Output,
    /// Which log lines are written: a level, or targets with levels
    #[arg(long, env = "LOG", default_value = "error", value_name = "FILTER")]
    log: String,
}

/// Loads the demo catalogue into a running shop; fails if any of it is rejected.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let process = process::Options { log: options.log.clone(), cores: 1, ..process::Options::default() };
    let process = Process::start("souk-demo", process, None)?;
    let directory = Directory::default();
    TARGETS.iter().for_each(|target| directory.remote(target.name(), options.to.clone()));
    let shop = Shop::of(&process, &directory, options.operator.bearer(&options.to)?)?;
    let report = process.block_on(load(&shop, options)).with_context(|| format!("load into {}", options.to))?;
    options.output.print("loaded", &counts(&report));
    for rejection in &report.rejections {
        say(&format!("{}: {} {}", rejection.product_id, rejection.field, rejection.message));
    }
    Ok(if report.rejected_count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Fills a shop whose catalog is empty, as an operator. Returns how many products came in.
pub(crate) async fn fill(process: &Process, directory: &Directory, operator: Bearer) -> anyhow::Result<i64> {
    let shop = Shop::of(process, directory, operator)?;
    let first = ListProductsRequest { page_size: 1, include_discontinued: true, ..ListProductsRequest::default() };
    let first = shop.catalog.clone().list_products(first).await.context("look what is sold")?;
    if !first.get_ref().products.is_empty() {
        return Ok(0);
    }
    let report = shop.take(FILL_TIMEOUT, |_sent| {}).await.context("load the demo catalogue")?;
    if let Some(rejection) = report.rejections.first() {
        bail!("load the demo catalogue: {}: {}", rejection.product_id, rejection.message);
    }
    Ok(report.created_count)
}

/// Clients of a shop.
struct Shop {
    catalog: CatalogServiceClient<mesh::Channel>,
    inventory: InventoryServiceClient<mesh::Channel>,
}

impl Shop {
    fn of(process: &Process, directory: &Directory, operator: Bearer) -> anyhow::Result<Self> {
        // A shop that is just being started is looked for more often than one that broke.
        let config = ClientConfig { backoff_max: RETRY_WAIT.1, ..ClientConfig::default() };
        let descriptors = [contracts::FILE_DESCRIPTOR_SET];
        let clients = Clients::new(process, directory, "souk", TARGETS, &descriptors, config)?;
        let catalog = CatalogServiceClient::new(clients.channel(CATALOG)?.with_token(operator.clone()));
        let inventory = InventoryServiceClient::new(clients.channel(INVENTORY)?.with_token(operator));
        Ok(Self { catalog, inventory })
    }

    /// Takes the whole catalogue once, and says before each batch how many products that makes. The stock comes first: a
    /// shop that has the products is one that needs nothing more.
    async fn take(
        &self,
        timeout: Duration,
        sent: impl FnMut(usize) + Send + 'static,
    ) -> Result<ImportProductsResponse, Status> {
        for stocked in catalogue::get().chunks(LINES_MAX) {
            let lines = stocked.iter().map(|one| StockAdjustment {
                product_id: one.product.product_id.clone(),
                change: Some(Change::Received(one.received)),
            });
            let request_id = Uuid::new_v4().to_string();
            let mut request = Request::new(AdjustStockRequest { lines: lines.collect(), request_id });
            request.set_timeout(timeout);
            self.inventory.clone().adjust_stock(request).await?;
        }
        self.import(timeout, sent).await
    }

    async fn import(
        &self,
        timeout: Duration,
        mut sent: impl FnMut(usize) + Send + 'static,
    ) -> Result<ImportProductsResponse, Status> {
        let mut count = 0;
        let batches = catalogue::get().chunks(BATCH).map(move |batch| {
            count += batch.len();
            sent(count);
            ImportProductsRequest { products: batch.iter().map(|one| one.product.clone()).collect() }
        });
        let mut request = Request::new(tokio_stream::iter(batches));
        request.set_timeout(timeout);
        Ok(self.catalog.clone().import_products(request).await?.into_inner())
    }
}

/// Tries until all of it went through, failed for good, or the time is up.
async fn load(shop: &Shop, options: &Options) -> anyhow::Result<ImportProductsResponse> {
    let end = Instant::now() + options.timeout;
    let mut wait = RETRY_WAIT.0;
    loop {
        let progress = |sent| say(&format!("{sent} of {} products sent", catalogue::get().len()));
        match shop.take(end.saturating_duration_since(Instant::now()), progress).await {
            Ok(report) => return Ok(report),
            Err(status) if status.code() == Code::Unavailable && Instant::now() + wait < end => {
                let left = end.saturating_duration_since(Instant::now()).as_secs();
                say(&format!("not yet ({}); trying for another {left} s", status.message()));
                sleep(wait).await;
                wait = (wait * 2).min(RETRY_WAIT.1);
            }
            Err(status) => bail!("{:?}: {}", status.code(), status.message()),
        }
    }
}

fn counts(report: &ImportProductsResponse) -> [(&'static str, String); 4] {
    [
        ("created", report.created_count.to_string()),
        ("updated", report.updated_count.to_string()),
        ("unchanged", report.unchanged_count.to_string()),
        ("rejected", report.rejected_count.to_string()),
    ]
}

/// Tells people how it goes; programs read standard output.
fn say(line: &str) {
    let _closed = writeln!(std::io::stderr(), "{line}").is_err();
}

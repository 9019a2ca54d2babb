//! The running shop: its catalog takes the products, its inventory how many there are.
//!
//! Every call can be repeated, since a product that is already so counts as unchanged and units are absolute totals.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use contracts::{
    catalog::v1::{
        ImportProductsRequest, ImportProductsResponse, Product, catalog_service_client::CatalogServiceClient,
    },
    inventory::v1::{
        AdjustStockRequest, StockAdjustment, inventory_service_client::InventoryServiceClient, stock_adjustment::Change,
    },
};
use mesh::{
    Address, Channel, Clients, Directory, Process, Target,
    client::{Bearer, ClientConfig},
};
use prost::Message as _;
use tokio::time::{Instant, sleep};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use super::{
    rejection::{Kind, Reason},
    table::{Batch, Rejected},
};

const CATALOG: Target = Target::new("catalog");
const INVENTORY: Target = Target::new("inventory");
const TARGETS: &[Target] = &[CATALOG, INVENTORY];

/// Products in a message, and their bytes.
const MESSAGE_PRODUCTS: usize = 250;
const MESSAGE_BYTES: usize = 1024 * 1024;
/// Products in a change of the stock.
const LINES_MAX: usize = 500;
/// How long a call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// For how long a shop that has not answered yet is asked again, and one that went away.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// The first wait between two tries, and the longest.
const RETRY_WAIT: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(3));

/// Clients of a shop.
pub(super) struct Shop {
    catalog: CatalogServiceClient<Channel>,
    inventory: InventoryServiceClient<Channel>,
    answered: AtomicBool,
    /// Why no stock is sent any more.
    inventory_away: OnceLock<String>,
}

/// What became of a batch.
pub(super) struct Sent {
    pub(super) batch: Batch,
    pub(super) outcome: Outcome,
}

/// The same in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) unchanged: i64,
    /// Products whose units are known to the inventory now.
    pub(super) stocked: u64,
    /// Those whose units it did not take.
    pub(super) unstocked: u64,
}

impl Shop {
    /// Makes the clients; nothing is connected yet.
    pub(super) fn at(address: &Address, operator: Bearer, process: &Process) -> anyhow::Result<Self> {
        let directory = Directory::default();
        TARGETS.iter().for_each(|target| directory.remote(target.name(), address.clone()));
        let config = ClientConfig { backoff_max: RETRY_WAIT.1, ..ClientConfig::default() };
        let descriptors = [contracts::FILE_DESCRIPTOR_SET];
        let clients = Clients::new(process, &directory, "souk", TARGETS, &descriptors, config)?;
        Ok(Self {
            catalog: CatalogServiceClient::new(clients.channel(CATALOG)?.with_token(operator.clone())),
            inventory: InventoryServiceClient::new(clients.channel(INVENTORY)?.with_token(operator)),
            answered: AtomicBool::new(false),
            inventory_away: OnceLock::new(),
        })
    }

    /// Sends a batch. What the catalog refuses is moved to its rejected rows.
    pub(super) async fn send(&self, mut batch: Batch) -> Result<Sent, Status> {
        let mut outcome = Outcome::default();
        if !batch.products.is_empty() {
            let products: Vec<Product> =
                batch.products.iter_mut().map(|row| std::mem::take(&mut row.product)).collect();
            let ids: Vec<String> = products.iter().map(|product| product.product_id.clone()).collect();
            let report = self.import(products).await?;
            outcome.created = report.created_count;
            outcome.updated = report.updated_count;
            outcome.unchanged = report.unchanged_count;
            let mut refused = vec![None; ids.len()];
            for rejection in report.rejections {
                let place = usize::try_from(rejection.index).ok().and_then(|index| refused.get_mut(index));
                let reason = Kind::Refused.because(format!("{} {}", rejection.field, rejection.message));
                place.into_iter().for_each(|place| *place = Some(reason.clone()));
            }
            let lines = lines(&batch, &ids, &refused);
            self.stock(lines, &mut outcome).await;
            take_refused(&mut batch, refused);
        }
        batch.rejected.sort_by_key(|rejected| rejected.rows.first().map(|row| row.line));
        Ok(Sent { batch, outcome })
    }

    /// Why the inventory took no stock, if it did not.
    pub(super) fn inventory_away(&self) -> Option<&str> {
        self.inventory_away.get().map(String::as_str)
    }

    async fn import(&self, products: Vec<Product>) -> Result<ImportProductsResponse, Status> {
        let messages = messages(products);
        self.patiently(|| {
            let mut client = self.catalog.clone();
            let mut request = Request::new(tokio_stream::iter(messages.clone()));
            request.set_timeout(CALL_TIMEOUT);
            async move { client.import_products(request).await }
        })
        .await
    }

    async fn stock(&self, lines: Vec<StockAdjustment>, outcome: &mut Outcome) {
        for chunk in lines.chunks(LINES_MAX) {
            if self.inventory_away.get().is_some() {
                outcome.unstocked += chunk.len() as u64;
                continue;
            }
            let (stocked, status) = self.adjust(chunk.to_vec()).await;
            outcome.stocked += stocked as u64;
            outcome.unstocked += (chunk.len() - stocked) as u64;
            if let Some(status) = status {
                // Said once; asking again for every batch would take as long as there are batches.
                let _first = self.inventory_away.set(format!("{:?}: {}", status.code(), status.message())).is_ok();
            }
        }
    }

    /// Sets these totals; those that the inventory cannot take alone are left out. Says how many it took.
    async fn adjust(&self, mut lines: Vec<StockAdjustment>) -> (usize, Option<Status>) {
        while !lines.is_empty() {
            // An id of its own for these lines, and the same for every try: one made of the lines would give an older
            // import's answer where a file comes once more after another one, and change nothing.
            let request = AdjustStockRequest { lines: lines.clone(), request_id: Uuid::new_v4().to_string() };
            let adjusted = self
                .patiently(|| {
                    let (mut client, request) = (self.inventory.clone(), request.clone());
                    async move { client.adjust_stock(request).await }
                })
                .await;
            let Err(status) = adjusted else { return (lines.len(), None) };
            let wrong = wrong_lines(&status, lines.len());
            if wrong.is_empty() {
                return (0, Some(status));
            }
            let mut index = 0..;
            lines.retain(|_| index.next().is_none_or(|index| !wrong.contains(&index)));
        }
        (0, None)
    }

    /// Tries until there is an answer, or the shop has been away for too long.
    async fn patiently<T, F>(&self, call: impl Fn() -> F) -> Result<T, Status>
    where
        F: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        let begun = Instant::now();
        let mut wait = RETRY_WAIT.0;
        loop {
            let status = match call().await {
                Ok(answer) => {
                    self.answered.store(true, Ordering::Relaxed);
                    return Ok(answer.into_inner());
                }
                Err(status) => status,
            };
            let patience = if self.answered.load(Ordering::Relaxed) { PATIENCE.1 } else { PATIENCE.0 };
            let passing = matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded);
            if !passing || begun.elapsed() + wait > patience {
                return Err(status);
            }
            sleep(wait).await;
            wait = (wait * 2).min(RETRY_WAIT.1);
        }
    }
}

/// The products in messages that the catalog takes.
fn messages(products: Vec<Product>) -> Vec<ImportProductsRequest> {
    let mut messages = Vec::new();
    let (mut message, mut bytes) = (ImportProductsRequest::default(), 0);
    for product in products {
        let size = product.encoded_len();
        let full = message.products.len() >= MESSAGE_PRODUCTS || bytes + size > MESSAGE_BYTES;
        if full && !message.products.is_empty() {
            messages.push(std::mem::take(&mut message));
            bytes = 0;
        }
        bytes += size;
        message.products.push(product);
    }
    messages.push(message);
    messages
}

/// The units of what the catalog took.
fn lines(batch: &Batch, ids: &[String], refused: &[Option<Reason>]) -> Vec<StockAdjustment> {
    let taken = batch.products.iter().zip(ids).zip(refused).filter(|(_, refused)| refused.is_none());
    let line = |(row, id): (&super::table::Row, &String)| {
        Some(StockAdjustment { product_id: id.clone(), change: Some(Change::Received(row.units?)) })
    };
    taken.filter_map(|(row, _)| line(row)).collect()
}

/// Moves the rows that were refused.
fn take_refused(batch: &mut Batch, refused: Vec<Option<Reason>>) {
    let mut kept = Vec::with_capacity(batch.products.len());
    for (row, refused) in batch.products.drain(..).zip(refused) {
        match refused {
            Some(reason) => batch.rejected.push(Rejected { rows: row.rows, reason }),
            None => kept.push(row),
        }
    }
    batch.products = kept;
}

/// The lines that the inventory names as those that it cannot take.
fn wrong_lines(status: &Status, count: usize) -> Vec<usize> {
    let details = status.get_error_details();
    let preconditions = details.precondition_failure().map(|failure| failure.violations.as_slice()).unwrap_or_default();
    let fields = details.bad_request().map(|request| request.field_violations.as_slice()).unwrap_or_default();
    let named = preconditions.iter().map(|it| it.subject.as_str()).chain(fields.iter().map(|it| it.field.as_str()));
    let index = |name: &str| name.strip_prefix("lines[")?.split(']').next()?.parse::<usize>().ok();
    named.filter_map(index).filter(|index| *index < count).collect()
}

#[cfg(test)]
mod tests {
    use tonic_types::{ErrorDetails, PreconditionViolation};

    use super::*;

    #[test]
    fn a_message_is_below_the_limits_of_the_catalog() {
        let product = |bytes: usize| Product { description: "x".repeat(bytes), ..Product::default() };
        let sizes = |products| messages(products).iter().map(|message| message.products.len()).collect::<Vec<_>>();
        assert_eq!(sizes(vec![product(10); 600]), [250, 250, 100]);
        assert_eq!(sizes(vec![product(30_000); 60]), [34, 26]);
    }

    #[test]
    fn the_lines_that_cannot_be_are_those_that_the_status_names() {
        let violation = |subject: &str| PreconditionViolation::new("STOCK_OUT_OF_RANGE", subject, "");
        let details = ErrorDetails::with_precondition_failure(vec![violation("lines[3]"), violation("lines[99]")]);
        let status = Status::with_error_details(Code::FailedPrecondition, "no", details);
        assert_eq!(wrong_lines(&status, 10), [3]);
        assert!(wrong_lines(&Status::unavailable("away"), 10).is_empty());
    }
}

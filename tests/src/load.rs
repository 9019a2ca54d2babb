//! Callers that read products one after the other, and what they were answered.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use contracts::catalog::v1::{GetProductRequest, ListProductsRequest};
use tokio::{task::JoinSet, time::Instant};
use tonic::{Code, Status};

use crate::{Catalog, catalog};

/// Calls that go on until they are told to stop.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
    callers: JoinSet<Tally>,
}

/// How the calls ended.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Calls that were answered with the product.
    pub ok: u64,
    /// All others, by code and message.
    pub failed: BTreeMap<(i32, String), u64>,
    /// The longest that a call took.
    pub slowest: Duration,
}

impl Load {
    /// Starts callers, each with one call in flight, of whatever product is listed first at `edge`.
    ///
    /// # Errors
    /// If no product is listed.
    pub async fn start(edge: &str, callers: usize) -> Result<Self, Status> {
        let mut catalog = catalog(edge);
        let first = ListProductsRequest { page_size: 1, ..ListProductsRequest::default() };
        let product = catalog.list_products(first).await?.into_inner().products.pop();
        let product_id = product.ok_or_else(|| Status::not_found("no product is listed"))?.product_id;
        let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        for _ in 0..callers {
            tasks.spawn(call(catalog.clone(), product_id.clone(), Arc::clone(&stop), Arc::clone(&made)));
        }
        Ok(Self { stop, made, callers: tasks })
    }

    /// Calls that have ended so far.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Ends the load, and says how it was.
    ///
    /// # Panics
    /// If a caller panicked.
    pub async fn stop(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        for tally in self.callers.join_all().await {
            all.ok += tally.ok;
            all.slowest = all.slowest.max(tally.slowest);
            for (how, count) in tally.failed {
                *all.failed.entry(how).or_default() += count;
            }
        }
        all
    }
}

impl Tally {
    /// How many calls failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Whether all that failed did so with this code.
    #[must_use]
    pub fn failed_only_with(&self, code: Code) -> bool {
        self.failed.keys().all(|(number, _)| *number == code as i32)
    }
}

async fn call(mut catalog: Catalog, product_id: String, stop: Arc<AtomicBool>, made: Arc<AtomicU64>) -> Tally {
    let mut tally = Tally::default();
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        match catalog.get_product(GetProductRequest { product_id: product_id.clone() }).await {
            Ok(_) => tally.ok += 1,
            Err(status) => {
                *tally.failed.entry((status.code() as i32, status.message().to_owned())).or_default() += 1;
                // A refusal takes no time, and a loop of them would leave the servers none.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        tally.slowest = tally.slowest.max(begun.elapsed());
        made.fetch_add(1, Ordering::Relaxed);
    }
    tally
}

//! What orders cost: calls, statements, commits and CPU time, by what the processes themselves count.

use std::{collections::BTreeMap, fmt, path::Path, rc::Rc, thread, time::Duration};

use anyhow::{Context as _, ensure};
use tokio::time::Instant;

use super::shopper::Shoppers;
use crate::bench::{
    metrics::{self, Sample},
    server::{Server, cpu_of},
    shop::Shop,
};

/// How long the last capture may take to come.
const CAPTURED_WITHIN: Duration = Duration::from_secs(120);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(20);
/// How long nothing is done, to see what a shop does by itself.
const IDLE: Duration = Duration::from_secs(2);
/// What a database counts, as the table has it.
const COUNTS: [&str; 3] = ["store_statements_total", "store_units_total", "store_commits_total"];

/// The processes of a shop, and what they do while nothing is asked of them.
#[derive(Debug)]
pub(super) struct Books {
    servers: Vec<Rc<Server>>,
    /// By series, a second.
    idle: BTreeMap<String, f64>,
}

/// Everything that was counted at some time.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    books: &'a Books,
    counts: BTreeMap<String, f64>,
    /// Of the services, PostgreSQL, and this process.
    cpu: [Duration; 3],
}

/// What so many orders cost, an order.
#[derive(Debug)]
pub(super) struct Spent {
    /// CPU time of the services, of PostgreSQL, and of the shoppers.
    pub(super) cpu: [Duration; 3],
    /// How many cores all of them kept busy.
    pub(super) busy: f64,
    calls: BTreeMap<String, f64>,
    /// Of each service's database: statements, units, commits.
    databases: BTreeMap<String, [f64; 3]>,
}

impl Books {
    /// Looks at a shop of which nobody wants anything.
    pub(super) fn open(shop: &Shop, shoppers: &Shoppers) -> anyhow::Result<Self> {
        let mut books = Self { servers: shop.servers(), idle: BTreeMap::new() };
        let (before, begun) = (books.counts()?, Instant::now());
        shoppers.rest(IDLE);
        let (after, took) = (books.counts()?, begun.elapsed().as_secs_f64());
        books.idle = difference(&after, &before).into_iter().map(|(name, count)| (name, count / took)).collect();
        Ok(books)
    }

    /// What has been counted so far.
    pub(super) fn read(&self) -> anyhow::Result<Entry<'_>> {
        let services = self.servers.iter().map(|server| server.cpu()).sum::<anyhow::Result<Duration>>()?;
        let own = cpu_of(Path::new("/proc/self/task"))?;
        Ok(Entry { books: self, counts: self.counts()?, cpu: [services, cpu_of_postgres()?, own] })
    }

    /// Waits until so many orders more than `before` were captured.
    pub(super) fn wait_for_captures(&self, shoppers: &Shoppers, before: &Entry<'_>, orders: u32) -> anyhow::Result<()> {
        let captured = |counts: &BTreeMap<String, f64>| counts.get("captured").copied().unwrap_or_default();
        let (wanted, begun) = (captured(&before.counts) + f64::from(orders), Instant::now());
        while captured(&self.counts()?) < wanted {
            ensure!(begun.elapsed() < CAPTURED_WITHIN, "not every order was captured within {CAPTURED_WITHIN:?}");
            shoppers.rest(LOOK);
        }
        Ok(())
    }

    /// Calls by their method, databases' counts by their name, and orders captured.
    fn counts(&self) -> anyhow::Result<BTreeMap<String, f64>> {
        let mut counts = BTreeMap::new();
        for server in &self.servers {
            for Sample { name, labels, value } in metrics::samples(server.address("admin")?)? {
                let key = match name.as_str() {
                    "grpc_server_call_duration_seconds_count" => label(&labels, "grpc_method"),
                    "checkout_orders_entered_total" if labels.contains("\"captured\"") => Some("captured".to_owned()),
                    name if COUNTS.iter().any(|count| name.ends_with(count)) => Some(name.to_owned()),
                    _ => None,
                };
                if let Some(key) = key {
                    *counts.entry(key).or_default() += value;
                }
            }
        }
        Ok(counts)
    }
}

impl Entry<'_> {
    /// What so many orders have cost since `before`, in this time; what the shop does by itself is not theirs.
    pub(super) fn since(&self, before: &Self, orders: u32, took: Duration) -> anyhow::Result<Spent> {
        let (mut calls, mut databases) = (BTreeMap::new(), BTreeMap::<String, [f64; 3]>::new());
        for (name, count) in difference(&self.counts, &before.counts) {
            let idle = self.books.idle.get(&name).copied().unwrap_or_default() * took.as_secs_f64();
            let each = (count - idle).max(0.0) / f64::from(orders);
            match COUNTS.iter().position(|count| name.ends_with(count)) {
                Some(index) => {
                    let service = name.trim_end_matches(COUNTS[index]).trim_end_matches('_');
                    databases.entry(service.to_owned()).or_default()[index] = each;
                }
                None if name.contains('/') => drop(calls.insert(name, each)),
                None => {}
            }
        }
        let mut cpu = self.cpu;
        for (now, before) in cpu.iter_mut().zip(before.cpu) {
            *now = now.saturating_sub(before);
        }
        let busy = cpu.iter().sum::<Duration>().as_secs_f64() / took.as_secs_f64();
        ensure!(!databases.is_empty(), "the services count no statements");
        Ok(Spent { cpu: cpu.map(|cpu| cpu / orders), busy, calls, databases })
    }
}

impl fmt::Display for Spent {
    /// Tables of calls and of databases.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| calls answered | an order |\n|---|---|")?;
        for (method, calls) in self.calls.iter().filter(|(_, calls)| **calls >= 0.01) {
            writeln!(f, "| {method} | {calls:.2} |")?;
        }
        writeln!(f, "| together | {:.2} |\n", self.calls.values().sum::<f64>())?;
        writeln!(f, "| database of | statements | units of work | commits |\n|---|---|---|---|")?;
        let mut sum = [0.0; 3];
        for (service, counts) in self.databases.iter().filter(|(_, counts)| counts.iter().any(|count| *count >= 0.01)) {
            let [statements, units, commits] = counts;
            writeln!(f, "| {service} | {statements:.2} | {units:.2} | {commits:.2} |")?;
            sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        let [statements, units, commits] = sum;
        writeln!(f, "| together | {statements:.2} | {units:.2} | {commits:.2} |")
    }
}

/// The cores of this machine.
pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn difference(after: &BTreeMap<String, f64>, before: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let since = |name: &String| before.get(name).copied().unwrap_or_default();
    after.iter().map(|(name, count)| (name.clone(), count - since(name))).collect()
}

/// The value of a label.
fn label(labels: &str, name: &str) -> Option<String> {
    let (_, rest) = labels.split_once(&format!("{name}=\""))?;
    rest.split('"').next().map(ToOwned::to_owned)
}

/// CPU time of every PostgreSQL process of this machine that still runs; pools keep theirs.
fn cpu_of_postgres() -> anyhow::Result<Duration> {
    let mut sum = Duration::ZERO;
    for process in std::fs::read_dir("/proc").context("read /proc")? {
        let process = process?.path();
        if std::fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim() == "postgres") {
            // It may have ended meanwhile.
            sum += cpu_of(&process.join("task")).unwrap_or_default();
        }
    }
    Ok(sum)
}

//! How many orders a second are reserved and committed, on both databases.
//!
//! `cargo run --release -p inventory --example orders [CLIENTS] [SECONDS]`
//!
//! Clients and service are one process, joined in process; each client reserves one order of two lines after the other, among
//! a thousand products, and commits it. Then levels are read, while nobody writes and while everybody does.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for whoever measures")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use contracts::inventory::v1 as pb;
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use contracts::inventory::v1::stock_adjustment::Change;
use mesh::client::ClientConfig;
use mesh::{Channel, Clients, Directory, Process, Target};
use tokio::time::Instant;

type Client = InventoryServiceClient<Channel>;

const INVENTORY: Target = Target::new("inventory");
const PRODUCTS: usize = 1_000;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().unwrap());
    let clients = arguments.next().unwrap_or(128);
    let time = Duration::from_secs(arguments.next().unwrap_or(10));
    let options = mesh::process::Options { log: "off".into(), ..mesh::process::Options::default() };
    let process = Process::start("orders", options, None).unwrap();
    process.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = format!("sqlite:{}", folder.path().join("inventory.db").display());
        let postgres = test_postgres::Server::shared().unwrap().create_database().await.unwrap();
        for (name, database_url) in [("SQLite", sqlite), ("PostgreSQL", postgres)] {
            let client = start(&process, database_url).await;
            receive(&client).await;
            let idle = measured(&client, 1, Duration::from_secs(2), read).await;
            println!("{name}: {} of one client", orders(&client, 1, time / 4).await);
            println!("{name}: {} of {clients} clients", orders(&client, clients, time).await);
            let stop = Arc::new(AtomicBool::new(false));
            let (writer, stopped) = (client.clone(), Arc::clone(&stop));
            let writing = tokio::spawn(async move {
                while !stopped.load(Ordering::Relaxed) {
                    orders(&writer, clients, Duration::from_secs(1)).await;
                }
            });
            let busy = measured(&client, 1, Duration::from_secs(2), read).await;
            stop.store(true, Ordering::Relaxed);
            writing.await.unwrap();
            println!("{name}: BatchGetStock of 24 products by one client: idle {idle}; while orders are made {busy}");
        }
    });
}

async fn start(process: &Process, database_url: String) -> Client {
    let directory = Directory::default();
    directory.in_process(inventory::start(inventory::Config::new(database_url), process).await.unwrap());
    let descriptors = [contracts::FILE_DESCRIPTOR_SET];
    let clients =
        Clients::new(process, &directory, "orders", &[INVENTORY], &descriptors, ClientConfig::default()).unwrap();
    Client::new(clients.channel(INVENTORY).unwrap())
}

fn product(number: u64) -> String {
    format!("product-{}", number % PRODUCTS as u64)
}

async fn receive(client: &Client) {
    for numbers in (0..PRODUCTS as u64).collect::<Vec<_>>().chunks(500) {
        let line = |number: &u64| pb::StockAdjustment {
            product_id: product(*number),
            change: Some(Change::Received(100_000_000)),
        };
        let lines = numbers.iter().map(line).collect();
        let request = pb::AdjustStockRequest { lines, request_id: uuid::Uuid::new_v4().to_string() };
        client.clone().adjust_stock(request).await.unwrap();
    }
}

async fn orders(client: &Client, clients: u64, time: Duration) -> String {
    measured(client, clients, time, order).await
}

async fn order(mut client: Client, _number: u64) {
    let order_id = uuid::Uuid::new_v4().simple().to_string();
    let first = fastrand::u64(..);
    let lines = [first, first.wrapping_add(1 + fastrand::u64(..PRODUCTS as u64 - 1))];
    let lines = lines.map(|number| pb::StockLine { product_id: product(number), quantity: 1 }).to_vec();
    let request = pb::ReserveStockRequest { order_id: order_id.clone(), lines, ttl: None };
    client.reserve_stock(request).await.unwrap();
    client.commit_reservation(pb::CommitReservationRequest { order_id }).await.unwrap();
}

async fn read(mut client: Client, number: u64) {
    let product_ids = (0..24).map(|n| product(number.wrapping_mul(24).wrapping_add(n))).collect();
    client.batch_get_stock(pb::BatchGetStockRequest { product_ids }).await.unwrap();
}

/// Does it again and again with so many clients; says how often a second, and how long one took.
async fn measured<F>(
    client: &Client,
    clients: u64,
    time: Duration,
    once: impl Fn(Client, u64) -> F + Copy + Send + 'static,
) -> String
where
    F: Future<Output = ()> + Send,
{
    let (begun, number) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let tasks = (0..clients).map(|_| {
        let (client, number) = (client.clone(), Arc::clone(&number));
        tokio::spawn(async move {
            let mut took = Vec::new();
            while begun.elapsed() < time {
                let started = Instant::now();
                once(client.clone(), number.fetch_add(1, Ordering::Relaxed)).await;
                took.push(started.elapsed());
            }
            took
        })
    });
    let mut took = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        took.extend(task.await.unwrap());
    }
    took.sort_unstable();
    let at = |percent: usize| took[took.len() * percent / 100].as_secs_f64() * 1_000.0;
    let rate = took.len() as f64 / begun.elapsed().as_secs_f64();
    format!("{rate:.0}/s, p50 {:.2} ms, p99 {:.2} ms", at(50), at(99))
}

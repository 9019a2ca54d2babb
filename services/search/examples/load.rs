//! Measures search on made-up products: how long the index takes, queries and suggestions a second, and how late changes are.
//!
//!     cargo run --release -p search --example load -- [PRODUCTS] [SECONDS] [ADDRESS]
//!
//! With an address, gRPC is served there until Ctrl-C, for a load generator of another process.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a tool for developers"
)]

#[allow(dead_code, reason = "the tests use more of them")]
#[path = "../tests/search/feeds.rs"]
mod feeds;
#[path = "load/products.rs"]
mod products;

use std::time::Duration;

use contracts::catalog::v1::catalog_service_server::CatalogServiceServer;
use contracts::inventory::v1::inventory_service_server::InventoryServiceServer;
use contracts::search::v1 as pb;
use contracts::search::v1::search_service_client::SearchServiceClient;
use mesh::client::ClientConfig;
use mesh::server::InboundConfig;
use mesh::{Builder, Channel, Clients, Directory, Process, Target};
use tokio::time::{Instant, sleep};

use feeds::{Catalog, Inventory};

/// Makes a query up.
type Query = fn(&mut fastrand::Rng) -> String;

const SEARCH: Target = Target::new("search");

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count: u32 = arguments.next().map_or(10_000, |text| text.parse().unwrap());
    let seconds: u64 = arguments.next().map_or(5, |text| text.parse().unwrap());
    let address = arguments.next();
    let options = mesh::process::Options { log: "warn".into(), ..mesh::process::Options::default() };
    let process = Process::start("search", options, None).unwrap();
    process.block_on(async {
        let (catalog, inventory) = (Catalog::default(), Inventory::default());
        let mut random = fastrand::Rng::with_seed(7);
        for n in 0..count {
            catalog.put(products::product(n, &mut random));
            inventory.put(&products::id(n), i64::from(random.i32(0..10)));
        }
        let folder = tempfile::tempdir().unwrap();
        let directory = directory(&process, &catalog, &inventory);
        let begun = Instant::now();
        let search = search::start(search::Config::new(folder.path()), &process, &directory).unwrap();
        directory.in_process(search.clone());
        process.health().ready().await;
        let (took, size) = (begun.elapsed().as_secs_f64(), size(folder.path()));
        println!("{count} products indexed in {took:.1} s ({:.0}/s), {} MB", f64::from(count) / took, size / 1_000_000);
        if let Some(address) = address {
            let listener = process.bind(&address.parse().unwrap()).unwrap();
            println!("gRPC at {}", listener.address());
            process.serve_grpc(listener, search);
            process.until_stopped().await;
            return;
        }
        let descriptors = [contracts::FILE_DESCRIPTOR_SET];
        let clients =
            Clients::new(&process, &directory, "tester", &[SEARCH], &descriptors, ClientConfig::default()).unwrap();
        let client = SearchServiceClient::new(clients.channel(SEARCH).unwrap());
        sleep(Duration::from_secs(5)).await;
        measure(&client, &catalog, Duration::from_secs(seconds)).await;
        println!("resident {} MB", resident_kb() / 1_000);
    });
}

fn directory(process: &Process, catalog: &Catalog, inventory: &Inventory) -> Directory {
    let directory = Directory::default();
    let builder = |name| Builder::new(name).descriptors(contracts::FILE_DESCRIPTOR_SET);
    let products = builder("catalog").add_service(CatalogServiceServer::new(catalog.clone()));
    let stock = builder("inventory").add_service(InventoryServiceServer::new(inventory.clone()));
    directory.in_process(products.build(process, InboundConfig::default()).unwrap());
    directory.in_process(stock.build(process, InboundConfig::default()).unwrap());
    directory
}

async fn measure(client: &SearchServiceClient<Channel>, catalog: &Catalog, time: Duration) {
    let ask = |query: String| pb::SearchProductsRequest { query, page_size: 20, ..Default::default() };
    let kinds: [(&str, Query); 5] = [
        ("two words", products::two_words),
        ("one word", products::one_word),
        ("a misspelt word", products::misspelt),
        ("a Chinese word", products::chinese),
        ("everything", |_| String::new()),
    ];
    for (name, query) in kinds {
        run(&format!("{name}, 20 hits"), client, time, |random| ask(query(random))).await;
    }
    let full = |random: &mut fastrand::Rng| pb::SearchProductsRequest {
        include_facets: true,
        include_highlights: true,
        ..ask(products::one_word(random))
    };
    run("one word, facets, highlights", client, time, full).await;
    let filtered = |random: &mut fastrand::Rng| pb::SearchProductsRequest {
        filter: Some(pb::SearchFilter { in_stock: true, rating_min: 4.0, ..Default::default() }),
        order: 2,
        include_facets: true,
        ..ask(products::one_word(random))
    };
    run("one word, filtered, facets, by price", client, time, filtered).await;
    let (mut random, mut took) = (fastrand::Rng::with_seed(3), Vec::new());
    let begun = Instant::now();
    while begun.elapsed() < time {
        let word = products::one_word(&mut random);
        let length = word.char_indices().map(|(at, _)| at).nth(random.usize(1..4)).unwrap_or(word.len());
        let request = pb::SuggestQueriesRequest { prefix: word[..length].to_owned(), page_size: 10 };
        let asked = Instant::now();
        client.clone().suggest_queries(request).await.unwrap();
        took.push(asked.elapsed());
    }
    say("suggestions", begun.elapsed(), took);
    lag(client, catalog).await;
}

async fn run(
    name: &str,
    client: &SearchServiceClient<Channel>,
    time: Duration,
    mut request: impl FnMut(&mut fastrand::Rng) -> pb::SearchProductsRequest,
) {
    let (mut random, mut took) = (fastrand::Rng::with_seed(3), Vec::new());
    let begun = Instant::now();
    while begun.elapsed() < time {
        let request = request(&mut random);
        let asked = Instant::now();
        client.clone().search_products(request).await.unwrap();
        took.push(asked.elapsed());
    }
    say(name, begun.elapsed(), took);
}

fn say(name: &str, elapsed: Duration, mut took: Vec<Duration>) {
    took.sort();
    let at = |share: usize| took[(took.len() * share / 1_000).min(took.len() - 1)].as_secs_f64() * 1_000.0;
    let rate = took.len() as f64 / elapsed.as_secs_f64();
    println!("{name:40} {rate:7.0}/s one at a time, p50 {:.3} ms, p99 {:.3} ms", at(500), at(990));
}

/// How long after a change it is found.
async fn lag(client: &SearchServiceClient<Channel>, catalog: &Catalog) {
    let mut took = Vec::new();
    let begun = Instant::now();
    for n in 0..20 {
        let name = format!("xyzzy{n}");
        let product = products::named("changed", &name);
        let changed = Instant::now();
        catalog.put(product);
        let request = pb::SearchProductsRequest { query: format!("\"{name}\""), ..Default::default() };
        while client.clone().search_products(request.clone()).await.unwrap().into_inner().total_count == 0 {
            sleep(Duration::from_millis(2)).await;
        }
        took.push(changed.elapsed());
    }
    say("a change until it is found", begun.elapsed(), took);
}

fn size(folder: &std::path::Path) -> u64 {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

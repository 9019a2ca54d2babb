//! How many items a second are added to carts, and carts read, on both databases.
//!
//! `cargo run --release -p cart --example carts [CLIENTS] [SECONDS]`
//!
//! Clients, carts and their catalog are one process, joined in process; each client adds to a cart of its own, five products
//! of a thousand, again and again, so that carts are as long as people's are. Then carts are read.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for whoever measures")]

use std::time::Duration;

use contracts::cart::v1 as pb;
use contracts::cart::v1::cart_service_client::CartServiceClient;
use contracts::catalog::v1 as goods;
use contracts::catalog::v1::catalog_service_client::CatalogServiceClient;
use contracts::google::r#type::Money;
use mesh::client::ClientConfig;
use mesh::{Channel, Clients, Directory, Process, Target};
use tokio::time::Instant;

type Client = CartServiceClient<Channel>;

const CART: Target = Target::new("cart");
const CATALOG: Target = Target::new("catalog");
const PRODUCTS: usize = 1_000;
/// Different products in a cart.
const ITEMS: usize = 5;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().unwrap());
    let clients = arguments.next().unwrap_or(128);
    let time = Duration::from_secs(arguments.next().unwrap_or(10));
    let options = mesh::process::Options { log: "off".into(), ..mesh::process::Options::default() };
    let process = Process::start("carts", options, None).unwrap();
    process.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let url = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
        let catalog = catalog::start(catalog::Config::new(url("catalog.db")), &process).await.unwrap();
        let shop = Directory::default();
        shop.in_process(catalog);
        sell(&process, &shop).await;
        let postgres = test_postgres::Server::shared().unwrap().create_database().await.unwrap();
        for (name, database_url) in [("SQLite", url("cart.db")), ("PostgreSQL", postgres)] {
            let directory = Directory::default();
            directory.in_process(cart::start(cart::Config::new(database_url), &process, &shop).await.unwrap());
            process.health().ready().await;
            let client = Client::new(channel(&process, &directory, CART));
            println!("{name}: AddItem by one client: {}", measured(&client, 1, time / 4, true).await);
            println!("{name}: AddItem by {clients} clients: {}", measured(&client, clients, time, true).await);
            println!("{name}: GetCart by {clients} clients: {}", measured(&client, clients, time / 4, false).await);
        }
    });
}

fn channel(process: &Process, directory: &Directory, target: Target) -> Channel {
    let descriptors = [contracts::FILE_DESCRIPTOR_SET];
    let clients =
        Clients::new(process, directory, "carts", &[CART, CATALOG], &descriptors, ClientConfig::default()).unwrap();
    clients.channel(target).unwrap()
}

fn product(number: usize) -> String {
    format!("product-{}", number % PRODUCTS)
}

async fn sell(process: &Process, directory: &Directory) {
    let mut catalog = CatalogServiceClient::new(channel(process, directory, CATALOG));
    process.health().ready().await;
    for number in 0..PRODUCTS {
        let price = Some(Money { currency_code: "EUR".into(), units: 12, nanos: 0 });
        let (product_id, name) = (product(number), format!("Product {number}"));
        let product = Some(goods::Product { product_id, name, price, ..goods::Product::default() });
        let request = goods::CreateProductRequest { product, request_id: uuid::Uuid::new_v4().to_string() };
        catalog.create_product(request).await.unwrap();
    }
}

async fn add(client: &mut Client, cart: &str, number: usize) -> pb::Cart {
    let request = pb::AddItemRequest {
        cart_id: cart.to_owned(),
        product_id: product(number),
        quantity: 1,
        etag: String::new(),
        request_id: uuid::Uuid::new_v4().to_string(),
    };
    client.add_item(request).await.unwrap().into_inner().cart.unwrap()
}

/// Adds to carts, or reads them, again and again with so many clients; says how often a second, and how long one took.
async fn measured(client: &Client, clients: u64, time: Duration, adds: bool) -> String {
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move {
                let first = fastrand::usize(..PRODUCTS);
                let cart_id = add(&mut client, "", first).await.cart_id;
                for item in 1..ITEMS {
                    add(&mut client, &cart_id, first + item).await;
                }
                let (begun, mut took) = (Instant::now(), Vec::new());
                while begun.elapsed() < time {
                    let started = Instant::now();
                    if adds {
                        add(&mut client, &cart_id, first + took.len() % ITEMS).await;
                    } else {
                        client.get_cart(pb::GetCartRequest { cart_id: cart_id.clone() }).await.unwrap();
                    }
                    took.push(started.elapsed());
                }
                took
            })
        })
        .collect();
    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await.unwrap());
    }
    took.sort_unstable();
    let at = |percent: usize| took[took.len() * percent / 100].as_secs_f64() * 1_000.0;
    let rate = took.len() as f64 / time.as_secs_f64();
    format!("{rate:.0}/s, p50 {:.2} ms, p99 {:.2} ms", at(50), at(99))
}

//! The shop as one process a service, on plain TCP.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::{Running, eventually, health, status_of};

/// The full names of the contracts behind the edge.
const SERVICES: [&str; 4] = [
    "souk.cart.v1.CartService",
    "souk.catalog.v1.CatalogService",
    "souk.inventory.v1.InventoryService",
    "souk.search.v1.SearchService",
];

/// Carts, a catalog, an inventory, a search and a storefront in front of them, answering.
#[derive(Debug)]
pub struct Fleet {
    /// Where the edge is.
    pub edge: String,
    /// Where the web pages are.
    pub http: String,
    /// Where the carts themselves are.
    pub cart_at: String,
    /// Where the catalog itself is.
    pub catalog_at: String,
    /// Where the inventory itself is.
    pub inventory_at: String,
    /// Where search itself is.
    pub search_at: String,
    /// The storefront's process.
    pub storefront: Running,
    /// The carts' process.
    pub cart: Running,
    /// The catalog's process.
    pub catalog: Running,
    /// The inventory's process.
    pub inventory: Running,
    /// The process of search.
    pub search: Running,
    data: TempDir,
}

impl Fleet {
    /// Starts all of them, with empty databases.
    ///
    /// # Panics
    /// If one of them does not start.
    pub async fn start() -> Self {
        let data = tempfile::tempdir().expect("a directory for the data");
        let free = "127.0.0.1:0";
        let (catalog, catalog_at) = start("catalog", &data, free, &[]).await;
        let (inventory, inventory_at) = start("inventory", &data, free, &[]).await;
        let (cart, cart_at) = start("cart", &data, free, &[("CATALOG_TARGET", &catalog_at)]).await;
        let arguments = ["service", "storefront", "--output", "json", "--http", free, "--grpc", free, "--admin", free];
        let followed = [("CATALOG_TARGET", &*catalog_at), ("INVENTORY_TARGET", &*inventory_at)];
        let (search, search_at) = start_search(&data, free, &followed).await;
        let targets = [&followed[..], &[("CART_TARGET", &*cart_at), ("SEARCH_TARGET", &*search_at)]].concat();
        let keys = test_operator::keys().to_string();
        let targets = [&targets[..], &[("TOKEN_KEYS", &*keys)]].concat();
        let mut storefront = Running::start(&arguments, &targets);
        let listening = storefront.listening().await;
        assert_eq!(listening["service"], "storefront");
        let at = |port: &str| listening[port].as_str().expect("an address").to_owned();
        let (edge, http) = (at("grpc"), at("http"));
        let asked = health(&edge);
        eventually("every service is seen through the edge", async || {
            for service in SERVICES {
                let status = status_of(&asked, service).await?.as_str_name();
                anyhow::ensure!(status == "SERVING", "{service} is {status}");
            }
            Ok(())
        })
        .await;
        Self {
            edge,
            http,
            cart_at,
            catalog_at,
            inventory_at,
            search_at,
            storefront,
            cart,
            catalog,
            inventory,
            search,
            data,
        }
    }

    /// Starts the carts again, on the port they had and on the data they had.
    ///
    /// # Panics
    /// If they do not start.
    pub async fn restart_cart(&mut self) {
        let catalog = [("CATALOG_TARGET", &*self.catalog_at)];
        self.cart = start("cart", &self.data, &self.cart_at, &catalog).await.0;
    }

    /// Starts the catalog again, on the port it had and on the data it had.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn restart_catalog(&mut self) {
        self.catalog = start("catalog", &self.data, &self.catalog_at, &[]).await.0;
    }

    /// Starts the inventory again, on the port it had and on the data it had.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn restart_inventory(&mut self) {
        self.inventory = start("inventory", &self.data, &self.inventory_at, &[]).await.0;
    }

    /// Starts search again, on the port it had.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn restart_search(&mut self) {
        let targets = [("CATALOG_TARGET", &*self.catalog_at), ("INVENTORY_TARGET", &*self.inventory_at)];
        self.search = start_search(&self.data, &self.search_at, &targets).await.0;
    }

    /// The same, without waiting until it is ready.
    #[must_use]
    pub fn start_search_again(&self) -> Running {
        let targets = [("CATALOG_TARGET", &*self.catalog_at), ("INVENTORY_TARGET", &*self.inventory_at)];
        search_process(&self.data, &self.search_at, &targets)
    }

    /// The folder of search's index.
    #[must_use]
    pub fn index(&self) -> PathBuf {
        self.data.path().join("search")
    }

    /// Loads the demo catalogue through the edge.
    ///
    /// # Panics
    /// If it cannot be loaded.
    pub async fn load_demo(&self) -> serde_json::Value {
        let token = [("SOUK_TOKEN", &*test_operator::token())];
        let mut load = Running::start(&["demo", "load", "--to", &self.edge, "--output", "json"], &token);
        let loaded = load.event().await;
        assert!(load.ended().await.success(), "{}", load.output());
        loaded
    }
}

async fn start(service: &str, data: &TempDir, grpc: &str, targets: &[(&str, &str)]) -> (Running, String) {
    let database = format!("sqlite:{}", data.path().join(format!("{service}.db")).display());
    listening(service, process(service, grpc, &[&[("DATABASE_URL", &*database)], targets].concat())).await
}

async fn start_search(data: &TempDir, grpc: &str, targets: &[(&str, &str)]) -> (Running, String) {
    listening("search", search_process(data, grpc, targets)).await
}

fn search_process(data: &TempDir, grpc: &str, targets: &[(&str, &str)]) -> Running {
    let index = data.path().join("search").display().to_string();
    process("search", grpc, &[&[("INDEX_DIR", &*index)], targets].concat())
}

fn process(service: &str, grpc: &str, variables: &[(&str, &str)]) -> Running {
    let arguments = ["service", service, "--output", "json", "--grpc", grpc, "--admin", "127.0.0.1:0"];
    let keys = test_operator::keys().to_string();
    Running::start(&arguments, &[&[("TOKEN_KEYS", &*keys)], variables].concat())
}

async fn listening(service: &str, mut running: Running) -> (Running, String) {
    let listening = running.listening().await;
    assert_eq!(listening["service"], service);
    let address = listening["grpc"].as_str().expect("an address").to_owned();
    (running, address)
}

//! The shop as one process a service, on plain TCP.

use tempfile::TempDir;

use crate::{Running, eventually, health, status_of};

/// The full name of the catalog's contract.
const CATALOG: &str = "souk.catalog.v1.CatalogService";

/// A catalog and a storefront in front of it, answering.
#[derive(Debug)]
pub struct Fleet {
    /// Where the edge is.
    pub edge: String,
    /// Where the web pages are.
    pub http: String,
    /// Where the catalog itself is.
    pub catalog_at: String,
    /// The storefront's process.
    pub storefront: Running,
    /// The catalog's process.
    pub catalog: Running,
    data: TempDir,
}

impl Fleet {
    /// Starts both, with an empty catalog.
    ///
    /// # Panics
    /// If one of them does not start.
    pub async fn start() -> Self {
        let data = tempfile::tempdir().expect("a directory for the data");
        let (catalog, catalog_at) = start_catalog(&data, "127.0.0.1:0").await;
        let free = "127.0.0.1:0";
        let arguments = ["service", "storefront", "--output", "json", "--http", free, "--grpc", free, "--admin", free];
        let mut storefront = Running::start(&arguments, &[("CATALOG_TARGET", &catalog_at)]);
        let listening = storefront.listening().await;
        assert_eq!(listening["service"], "storefront");
        let at = |port: &str| listening[port].as_str().expect("an address").to_owned();
        let (edge, http) = (at("grpc"), at("http"));
        let asked = health(&edge);
        eventually("the catalog is seen through the edge", async || {
            let status = status_of(&asked, CATALOG).await?.as_str_name();
            anyhow::ensure!(status == "SERVING", "it is {status}");
            Ok(())
        })
        .await;
        Self { edge, http, catalog_at, storefront, catalog, data }
    }

    /// Starts the catalog again, on the port it had and on the data it had.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn restart_catalog(&mut self) {
        self.catalog = start_catalog(&self.data, &self.catalog_at).await.0;
    }

    /// Loads the demo catalogue through the edge.
    ///
    /// # Panics
    /// If it cannot be loaded.
    pub async fn load_demo(&self) -> serde_json::Value {
        let mut load = Running::start(&["demo", "load", "--to", &self.edge, "--output", "json"], &[]);
        let loaded = load.event().await;
        assert!(load.ended().await.success(), "{}", load.output());
        loaded
    }
}

async fn start_catalog(data: &TempDir, grpc: &str) -> (Running, String) {
    let database = format!("sqlite:{}", data.path().join("catalog.db").display());
    let arguments = ["service", "catalog", "--output", "json", "--grpc", grpc, "--admin", "127.0.0.1:0"];
    let mut catalog = Running::start(&arguments, &[("DATABASE_URL", &database)]);
    let listening = catalog.listening().await;
    assert_eq!(listening["service"], "catalog");
    let address = listening["grpc"].as_str().expect("an address").to_owned();
    (catalog, address)
}

//! The catalog: products, their details and prices (`souk.catalog.v1`).
//!
//! [`start`] makes the service inside a process, [`run`] is a whole process of it. This file composes the layers, which know
//! only those below them: `service` (the contract, parsed and answered), `cache` (answers in memory), `store` (the products
//! in their database), `product` and its neighbours (what is valid).

mod cache;
mod config;
mod error;
mod follow;
mod mask;
mod page;
mod product;
mod service;
mod store;

use std::process::ExitCode;
use std::sync::Arc;

use mesh::{Inbound, ListenAddress, Process, Standalone, standalone::RunError};
use prometheus_client::metrics::histogram::Histogram;

pub use config::Config;
#[cfg(any(test, fuzzing))]
pub use service::fuzz;
pub use store::audit;

use crate::cache::{Cache, Reads};
use crate::service::Catalog;
use crate::store::{MIGRATIONS, Products};

const NAME: &str = "catalog";

/// The services that the catalog calls: none.
pub const CALLS: &[mesh::Target] = &[];

/// Buckets around 200 ms, within which replicas follow.
const FOLLOW_BOUNDS_S: [f64; 9] = [0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.5, 1.0, 5.0];

/// A catalog that is a process of its own.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Options {
    /// Where gRPC is served: IP:PORT or unix:PATH
    #[arg(long, env = "GRPC_ADDR", default_value = "127.0.0.1:50052", value_name = "ADDRESS")]
    pub grpc: ListenAddress,
    /// What the catalog itself can be told.
    #[command(flatten)]
    pub config: Config,
    /// What every service can be told.
    #[command(flatten)]
    pub standalone: mesh::standalone::Options,
}

/// The catalog could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is wrong, or the database cannot be used as it is.
    #[error("open the database of DATABASE_URL")]
    Database(#[source] ::store::Error),
    /// The contracts of this build are damaged.
    #[error("compose the inbound stack")]
    Build(#[from] mesh::server::BuildError),
}

/// Starts the catalog inside a process: opens and migrates its database, follows its changes, and says when it is ready.
///
/// # Errors
/// If the database cannot be used as it is. One that is merely away is waited for: calls are refused until it is there.
pub async fn start(config: Config, process: &Process) -> Result<Inbound, StartError> {
    // From the first moment: a name that nobody has set yet would not keep the process from being ready.
    process.health().set(service::NAME, false);
    let database = ::store::Config::parse(&config.database_url).map_err(StartError::Database)?;
    let background = process.background().clone();
    let store = ::store::Store::open(database, MIGRATIONS, background.clone()).await.map_err(StartError::Database)?;
    process.metrics().register_all(NAME, store.series());
    let closing = store.clone();
    process.at_end(async move { closing.close().await });
    let reads = Reads::default();
    let metrics = process.metrics();
    metrics.register("catalog_cache_hits", "Products and pages that were answered from memory", reads.hits.clone());
    metrics.register(
        "catalog_cache_misses",
        "Products and pages that were read from the database",
        reads.misses.clone(),
    );
    let cache = Arc::new(Cache::new(u64::from(config.cache_mb) * 1024 * 1024, reads));
    background.spawn(rpc::follow(process.health().clone(), service::NAME, store.health()));
    let lag = Histogram::new(FOLLOW_BOUNDS_S);
    metrics.register(
        "catalog_follow_seconds",
        "How old the newest of other replicas' changes was when this one let go of what it touched, by the clocks of both",
        lag.clone(),
    );
    background.spawn(follow::follow(store.changes(), Arc::clone(&cache), lag));
    let catalog = Catalog::new(Products::new(store, service::WIRE), cache);
    let inbound = mesh::Builder::new(NAME)
        .descriptors(contracts::FILE_DESCRIPTOR_SET)
        .policy(rpc::access::policy())
        .add_service(catalog.into_server())
        .build(process, mesh::server::InboundConfig::default())?;
    Ok(inbound)
}

/// Runs a catalog until it is told to stop, and returns the code to exit with.
///
/// # Errors
/// If it could not be started.
pub fn run(options: Options) -> Result<ExitCode, RunError> {
    let mut standalone = Standalone::new(NAME, options.standalone)?;
    let grpc = standalone.bind("grpc", &options.grpc)?;
    standalone.run(async |process, _directory| {
        process.serve_grpc(grpc, start(options.config, process).await?);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command};

    use super::*;

    #[test]
    fn the_options_go_together_and_a_password_is_not_printed() {
        Options::augment_args(Command::new("catalog")).debug_assert();
        let config = Config::new("postgres://souk:hunter2@db/souk_catalog");
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}

//! The inventory: stock, and the units that orders have reserved (`souk.inventory.v1`).
//!
//! [`start`] makes the service inside a process, [`run`] is a whole process of it. This file composes the layers, which know
//! only those below them: `service` (the contract, parsed and answered), `store` (stock and
//! reservations in their database), `cache` (levels in memory), `stock` and `reservation` (what is valid).

mod cache;
mod config;
mod error;
mod reservation;
mod service;
mod stock;
mod store;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use mesh::metrics::Metrics;
use mesh::standalone::RunError;
use mesh::{Inbound, ListenAddress, Process, Standalone};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use rpc::Sweeper;
use tokio::sync::watch;

pub use config::Config;
pub use store::audit;

use crate::cache::{Cache, Reads};
use crate::store::{Inventory, MIGRATIONS, OVERDUE_MAX};

const NAME: &str = "inventory";

/// The services that the inventory calls: none.
pub const CALLS: &[mesh::Target] = &[];

/// Buckets around 200 ms, within which replicas follow.
const FOLLOW_BOUNDS_S: [f64; 9] = [0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.5, 1.0, 5.0];

/// An inventory that is a process of its own.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Options {
    /// Where gRPC is served: IP:PORT or unix:PATH
    #[arg(long, env = "GRPC_ADDR", default_value = "127.0.0.1:50053", value_name = "ADDRESS")]
    pub grpc: ListenAddress,
    /// What the inventory itself can be told.
    #[command(flatten)]
    pub config: Config,
    /// What every service can be told.
    #[command(flatten)]
    pub standalone: mesh::standalone::Options,
}

/// The inventory could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is wrong, or the database cannot be used as it is.
    #[error("open the database of DATABASE_URL")]
    Database(#[source] ::store::Error),
    /// The contracts of this build are damaged.
    #[error("compose the inbound stack")]
    Build(#[from] mesh::server::BuildError),
}

/// Starts the inventory inside a process: opens and migrates its database, follows its changes, ends what has expired, and
/// says when it is ready.
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
    let (closing, closed) = watch::channel(false);
    let last = store.clone();
    process.at_end(async move {
        closing.send_replace(true);
        last.close().await;
    });
    let (reads, expired, lag) = metrics(process.metrics());
    background.spawn(rpc::follow(process.health().clone(), service::NAME, store.health()));
    background.spawn(measure(store.followed(), lag));
    let cache = Arc::new(Cache::new(u64::from(config.cache_mb) * 1024 * 1024, reads));
    let changes = store.changes();
    let inventory = Inventory::new(store, service::WIRE, cache);
    background.spawn(store::follow(inventory.clone(), changes));
    let sweeper = Sweeper {
        interval: config.expire_interval,
        batch: OVERDUE_MAX.into(),
        found: expired,
        failing: "expired reservations are not ended",
    };
    let sweeping = inventory.clone();
    // Nothing rests on it: a commit that comes too late finds out by itself, and who is short of units looks first whether
    // some are held too long.
    background.spawn(sweeper.run(closed, move || {
        let inventory = sweeping.clone();
        async move { inventory.sweep().await }
    }));
    let inbound = mesh::Builder::new(NAME)
        .descriptors(contracts::FILE_DESCRIPTOR_SET)
        .policy(rpc::access::policy())
        .add_service(service::server(inventory))
        .build(process, mesh::server::InboundConfig::default())?;
    Ok(inbound)
}

/// Runs an inventory until it is told to stop, and returns the code to exit with.
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

fn metrics(metrics: &Metrics) -> (Reads, Counter, Histogram) {
    let (reads, expired, lag) = (Reads::default(), Counter::default(), Histogram::new(FOLLOW_BOUNDS_S));
    metrics.register("inventory_cache_hits", "Levels that were answered from memory", reads.hits.clone());
    metrics.register("inventory_cache_misses", "Levels that were read from the database", reads.misses.clone());
    metrics.register(
        "inventory_reservations_overdue",
        "Reservations that were found active after their time, by each replica that found them",
        expired.clone(),
    );
    metrics.register(
        "inventory_follow_seconds",
        "How old other replicas' newest change was when this one found it, by the clocks of both",
        lag.clone(),
    );
    (reads, expired, lag)
}

/// Notes how far behind other replicas this one was.
async fn measure(mut followed: watch::Receiver<Duration>, lag: Histogram) {
    while followed.changed().await.is_ok() {
        lag.observe(followed.borrow_and_update().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Arguments {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn the_options_go_together_and_a_password_is_not_printed() {
        Options::augment_args(Command::new("inventory")).debug_assert();
        let config = Config::new("postgres://souk:hunter2@db/souk_inventory");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn the_defaults_are_those_of_the_code_and_no_interval_at_all_is_refused() {
        let Config { cache_mb, expire_interval, .. } = Arguments::parse_from(["inventory"]).options.config;
        let defaults = Config::new("");
        assert_eq!((cache_mb, expire_interval), (defaults.cache_mb, defaults.expire_interval));
        let refused = Arguments::try_parse_from(["inventory", "--expire-interval", "0s"]).unwrap_err().to_string();
        assert!(refused.contains("--expire-interval") && refused.contains("1ms to 24h"), "{refused}");
    }
}

//! Search: products by words (`souk.search.v1`), from an index of its own that follows the feeds of the catalog,
//! inventory and checkout.
//!
//! [`start`] makes the service inside a process, [`run`] is a whole process of it. This file composes the layers, which know
//! only those below them: `service` (the contract, parsed and answered, and the feeds), `find` (one search on one view),
//! `index` (what is on disk, and who keeps it), `sales` (what is popular), `text` (words and queries).

mod config;
mod error;
mod find;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod index;
mod pool;
mod product;
mod readiness;
mod sales;
mod service;
mod text;

#[cfg(test)]
mod fixture;

use std::process::ExitCode;

use mesh::client::ClientConfig;
use mesh::standalone::RunError;
use mesh::targets::{Calls, Targets};
use mesh::{Clients, Directory, Inbound, ListenAddress, Process, Standalone, Target};
use prometheus_client::metrics::histogram::Histogram;

pub use config::Config;
pub use service::dead_letters;

/// The file of what is popular, in search's folder.
pub const SALES_FILE: &str = sales::FILE;

use crate::index::{Index, Measures};
use crate::pool::Pool;
use crate::sales::Sales;
use crate::service::Search;

const NAME: &str = "search";
const CATALOG: Target = Target::new("catalog").on_port(50052);
const INVENTORY: Target = Target::new("inventory").on_port(50053);
const CHECKOUT: Target = Target::new("checkout").on_port(50056);

/// The services that search follows.
pub const CALLS: &[Target] = &[CATALOG, CHECKOUT, INVENTORY];

/// Buckets around a second, within which a change can be found.
const LAG_BOUNDS_S: [f64; 9] = [0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.0, 5.0, 30.0];
/// Buckets around the time that a search may take.
const SEARCH_BOUNDS_S: [f64; 11] = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.01, 0.025, 0.1, 1.0];

/// Search that is a process of its own.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Options {
    /// Where gRPC is served: IP:PORT or unix:PATH
    #[arg(long, env = "GRPC_ADDR", default_value = "127.0.0.1:50055", value_name = "ADDRESS")]
    pub grpc: ListenAddress,
    /// Where the services are that it follows.
    #[command(flatten)]
    pub targets: Targets<Self>,
    /// What search itself can be told.
    #[command(flatten)]
    pub config: Config,
    /// What every service can be told.
    #[command(flatten)]
    pub standalone: mesh::standalone::Options,
}

impl Calls for Options {
    const CALLS: &'static [Target] = CALLS;
}

/// Search could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The contracts cannot be read.
    #[error("read the contracts")]
    Contracts(#[from] mesh::methods::DescriptorError),
    /// A client is missing in [`CALLS`].
    #[error("make a client")]
    Client(#[from] mesh::directory::UndeclaredTarget),
    /// The contracts of this build are damaged.
    #[error("compose the inbound stack")]
    Build(#[from] mesh::server::BuildError),
}

/// Starts search inside a process: opens its index or begins a new one, follows its feeds, and says when it is ready. A disk
/// that cannot be used is waited for.
///
/// # Errors
/// If the contracts and [`CALLS`] do not fit together.
pub fn start(config: Config, process: &Process, directory: &Directory) -> Result<Inbound, StartError> {
    process.health().set(service::NAME, false);
    let background = process.background().clone();
    let contracts = contracts::FILE_DESCRIPTOR_SET;
    let clients = Clients::new(process, directory, NAME, CALLS, &[contracts], ClientConfig::default())?;
    let index = Index::default();
    let measures = Measures {
        documents: Default::default(),
        stale: Default::default(),
        lag: Histogram::new(LAG_BOUNDS_S),
        commits: Histogram::new(LAG_BOUNDS_S),
        rebuilds: Default::default(),
    };
    let took = Histogram::new(SEARCH_BOUNDS_S);
    register(process.metrics(), &measures, &took);
    background.spawn(readiness::follow(process.health().clone(), service::NAME, index.clone(), measures.stale.clone()));
    let folder = config.index_dir.clone();
    let keeper = background.spawn(index::keep(index.clone(), config.index_dir, process.drain().clone(), measures));
    // The folder is free for a successor when this process ends, whatever its calls still do.
    process.at_end(async move {
        let _ended = keeper.await;
    });
    let feeds = service::follow(&index, &clients, process)?;
    let sales = Sales::default();
    let selling = service::follow_orders(&sales, folder, clients.channel(CHECKOUT)?, feeds, process);
    process.at_end(async move {
        let _ended = selling.await;
    });
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let search = Search::new(index, sales, Pool::new(background, cores), took);
    let inbound = mesh::Builder::new(NAME)
        .descriptors(contracts)
        .policy(rpc::access::policy())
        .add_service(search.into_server())
        .build(process, mesh::server::InboundConfig::default())?;
    Ok(inbound)
}

fn register(metrics: &mesh::metrics::Metrics, measures: &Measures, took: &Histogram) {
    metrics.register("search_products", "Products that can be found", measures.documents.clone());
    metrics.register("search_stale", "1 while answers may be out of date or incomplete", measures.stale.clone());
    metrics.register(
        "search_follow_seconds",
        "How old the oldest change of a commit was when it could be found, by the clocks of both services",
        measures.lag.clone(),
    );
    metrics.register("search_commit_seconds", "How long commits of the index took", measures.commits.clone());
    metrics.register("search_rebuilds", "How often the index was begun anew", measures.rebuilds.clone());
    metrics.register("search_query_seconds", "How long searches took, without what they waited", took.clone());
}

/// Runs search until it is told to stop, and returns the code to exit with.
///
/// # Errors
/// If it could not be started.
pub fn run(options: Options) -> Result<ExitCode, RunError> {
    let mut standalone = Standalone::new(NAME, options.standalone)?;
    options.targets.enter(standalone.directory());
    let grpc = standalone.bind("grpc", &options.grpc)?;
    standalone.run(async |process, directory| {
        process.serve_grpc(grpc, start(options.config, process, directory)?);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command};

    use super::*;

    #[test]
    fn the_options_go_together() {
        Options::augment_args(Command::new("search")).debug_assert();
    }
}

//! Carts: which products in which quantity (`souk.cart.v1`).
//!
//! [`start`] makes the service inside a process, [`run`] is a whole process of it. This file composes the layers, which know
//! only those below them: `service` (the contract, parsed and answered), `catalog` (the catalog's feed), `store` (carts and
//! the copy of the catalog in their database), `cart` and `product` (what is valid).

mod cart;
mod catalog;
mod config;
mod dead_letters;
mod error;
mod product;
mod service;
mod store;

use std::process::ExitCode;

use ::store::{Store, follow};
use mesh::client::ClientConfig;
use mesh::standalone::RunError;
use mesh::targets::{Calls, Targets};
use mesh::{Clients, Directory, Inbound, ListenAddress, Process, Standalone, Target};
use prometheus_client::metrics::counter::Counter;
use rpc::Sweeper;
use tokio::sync::watch;

pub use config::Config;
pub use dead_letters::dead_letters;
pub use store::audit;

use crate::store::{Carts, Copy, EXPIRED_MAX, MIGRATIONS};

const NAME: &str = "cart";
const CATALOG: Target = Target::new("catalog").on_port(50052);

/// The services that carts need: the catalog, whose feed they follow.
pub const CALLS: &[Target] = &[CATALOG];

/// A cart service that is a process of its own.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Options {
    /// Where gRPC is served: IP:PORT or unix:PATH
    #[arg(long, env = "GRPC_ADDR", default_value = "127.0.0.1:50054", value_name = "ADDRESS")]
    pub grpc: ListenAddress,
    /// What the cart service itself can be told.
    #[command(flatten)]
    pub config: Config,
    /// Where the services are that it calls.
    #[command(flatten)]
    pub targets: Targets<Self>,
    /// What every service can be told.
    #[command(flatten)]
    pub standalone: mesh::standalone::Options,
}

impl Calls for Options {
    const CALLS: &'static [Target] = CALLS;
}

/// The cart service could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is wrong, or the database cannot be used as it is.
    #[error("open the database of DATABASE_URL")]
    Database(#[source] ::store::Error),
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

/// Starts carts inside a process: opens and migrates their database, follows the catalog, deletes what has expired, and says
/// when they are ready. `directory` says where the catalog is, at the latest when it is first called.
///
/// # Errors
/// If the database cannot be used as it is. One that is merely away is waited for: calls are refused until it is there.
pub async fn start(config: Config, process: &Process, directory: &Directory) -> Result<Inbound, StartError> {
    // From the first moment: a name that nobody has set yet would not keep the process from being ready.
    process.health().set(service::NAME, false);
    let contracts = [contracts::FILE_DESCRIPTOR_SET];
    let clients = Clients::new(process, directory, NAME, CALLS, &contracts, ClientConfig::default())?;
    let catalog = clients.channel(CATALOG)?;
    let database = ::store::Config::parse(&config.database_url).map_err(StartError::Database)?;
    let background = process.background().clone();
    let store = Store::open(database, MIGRATIONS, background.clone()).await.map_err(StartError::Database)?;
    process.metrics().register_all(NAME, store.series());
    let (closing, closed) = watch::channel(false);
    let last = store.clone();
    process.at_end(async move {
        closing.send_replace(true);
        last.close().await;
    });
    let (expired, feed) = metrics(process.metrics());
    background.spawn(ready(process.health().clone(), store.clone(), closed.clone()));
    let copy = Copy::new(store.clone(), catalog::read);
    background.spawn(catalog::follow(catalog, copy, feed, process.drain().clone()));
    let carts = Carts::new(store);
    let sweeper = Sweeper {
        interval: config.expire_interval,
        batch: EXPIRED_MAX.into(),
        found: expired,
        failing: "expired carts are not deleted",
    };
    let sweeping = carts.clone();
    // Nothing rests on it: one whose time is over is not found, deleted or not.
    background.spawn(sweeper.run(closed, move || {
        let carts = sweeping.clone();
        async move { carts.expire().await }
    }));
    let inbound = mesh::Builder::new(NAME)
        .descriptors(contracts::FILE_DESCRIPTOR_SET)
        .policy(rpc::access::policy())
        .add_service(service::server(carts))
        .build(process, mesh::server::InboundConfig::default())?;
    Ok(inbound)
}

/// Runs carts until they are told to stop, and returns the code to exit with.
///
/// # Errors
/// If they could not be started.
pub fn run(options: Options) -> Result<ExitCode, RunError> {
    let mut standalone = Standalone::new(NAME, options.standalone)?;
    options.targets.enter(standalone.directory());
    let grpc = standalone.bind("grpc", &options.grpc)?;
    standalone.run(async |process, directory| {
        process.serve_grpc(grpc, start(options.config, process, directory).await?);
        Ok(())
    })
}

/// Says that carts are ready while their database is, once the copy of the catalog was complete. Before that there is no cart
/// to be read and nothing to be added; after it the catalog may be away.
async fn ready(health: mesh::Health, store: Store, mut closing: watch::Receiver<bool>) {
    tokio::select! {
        _ = closing.wait_for(|closing| *closing) => return,
        () = store::complete(&store) => {}
    }
    let database = store.health();
    // A store ends with its last owner.
    drop(store);
    rpc::follow(health, service::NAME, database).await;
}

fn metrics(metrics: &mesh::metrics::Metrics) -> (Counter, follow::Metrics) {
    let (expired, feed) = (Counter::default(), follow::Metrics::default());
    metrics.register(
        "cart_expired",
        "Carts that were deleted because nobody changed them for 90 days",
        expired.clone(),
    );
    metrics.register_all(NAME, feed.series());
    (expired, feed)
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
        Options::augment_args(Command::new("cart")).debug_assert();
        let config = Config::new("postgres://souk:hunter2@db/souk_cart");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn the_defaults_are_those_of_the_code_and_no_interval_at_all_is_refused() {
        let Config { expire_interval, .. } = Arguments::parse_from(["cart"]).options.config;
        assert_eq!(expire_interval, Config::new("").expire_interval);
        let refused = Arguments::try_parse_from(["cart", "--expire-interval", "0s"]).unwrap_err().to_string();
        assert!(refused.contains("--expire-interval") && refused.contains("1ms to 24h"), "{refused}");
    }
}

//! Orders: from a cart to what was paid and delivered (`souk.checkout.v1`).
//!
//! [`start`] makes the service inside a process, [`run`] is a whole process of it. This file composes the layers, which know
//! only those below them: `service` (the contract, parsed and answered), `driver` (carries orders on), `quoting`, `clients`
//! (other services), `store` (orders in their database), `saga`, `command`, `refund` and `quote` (what may become of an
//! order), `order`.

mod clients;
mod command;
mod config;
mod country;
mod derived;
mod driver;
mod error;
mod faults;
mod metrics;
mod order;
mod page;
mod proof;
mod quote;
mod quoting;
mod refund;
mod saga;
mod service;
mod shipping;
mod store;
mod tax;

use std::process::ExitCode;
use std::time::Duration;

use ::store::Store;
use mesh::client::ClientConfig;
use mesh::standalone::RunError;
use mesh::targets::{Calls, Targets};
use mesh::{Directory, Inbound, ListenAddress, Process, Standalone, Target};
use rpc::Sweeper;
use tokio::sync::watch;

pub use config::Config;
pub use faults::{Faults, Point};
pub use store::audit;

use crate::clients::Clients;
use crate::driver::{Backoff, Driver, LOOK_MAX};
use crate::metrics::Metrics;
use crate::quote::Rates;
use crate::quoting::Quoting;
use crate::saga::Limits;
use crate::store::{MIGRATIONS, Orders};

const NAME: &str = "checkout";
const CART: Target = Target::new("cart").on_port(50054);
const CATALOG: Target = Target::new("catalog").on_port(50052);
const INVENTORY: Target = Target::new("inventory").on_port(50053);
const PAYMENT: Target = Target::new("payment").on_port(50057);

/// The services that orders need.
pub const CALLS: &[Target] = &[CART, CATALOG, INVENTORY, PAYMENT];

/// How long one call of a step may take. A step makes two at most, which fit into a lease.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How often unfinished orders are counted.
const COUNT_INTERVAL: Duration = Duration::from_secs(15);

/// A checkout that is a process of its own.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Options {
    /// Where gRPC is served: IP:PORT or unix:PATH
    #[arg(long, env = "GRPC_ADDR", default_value = "127.0.0.1:50056", value_name = "ADDRESS")]
    pub grpc: ListenAddress,
    /// What checkout itself can be told.
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

/// Checkout could not be started.
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

/// Starts checkout inside a process: opens and migrates its database, carries on the orders in it, and says when it is ready.
/// `directory` says where the services are that it calls, at the latest when they are first called.
///
/// # Errors
/// If the database cannot be used as it is. One that is merely away is waited for: calls are refused until it is there.
pub async fn start(config: Config, process: &Process, directory: &Directory) -> Result<Inbound, StartError> {
    start_with(config, process, directory, ()).await
}

/// The same, stopping work on orders where `faults` says so.
///
/// # Errors
/// As [`start`].
pub async fn start_with<F: Faults>(
    config: Config,
    process: &Process,
    directory: &Directory,
    faults: F,
) -> Result<Inbound, StartError> {
    // From the first moment: a name that nobody has set yet would not keep the process from being ready.
    process.health().set(service::NAME, false);
    let clients = clients(process, directory)?;
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
    background.spawn(rpc::follow(process.health().clone(), service::NAME, store.health()));
    let limits = Limits { confirm_within_us: micros(config.confirm_within), attempts_max: config.attempts_max };
    let orders = Orders::new(store, service::WIRE, limits, micros(config.lease));
    let metrics = Metrics::new(process.metrics());
    let backoff = Backoff { min: config.backoff_min, max: config.backoff_max.max(config.backoff_min) };
    let driver = Driver::new(orders.clone(), clients.clone(), backoff, metrics.clone(), faults, background.clone());
    let looking = driver.clone();
    let look = Sweeper {
        interval: config.drive_interval,
        batch: LOOK_MAX.into(),
        found: metrics.taken_up(),
        failing: "orders that are due are not carried on",
    };
    background.spawn(look.run(closed.clone(), move || {
        let driver = looking.clone();
        async move { driver.look().await }
    }));
    background.spawn(count(orders.clone(), metrics, closed));
    let rates = Rates { taxes: config.taxes, shipping: config.shipping };
    let quoting = Quoting::new(clients, orders.clone(), rates);
    let inbound = mesh::Builder::new(NAME)
        .descriptors(contracts::FILE_DESCRIPTOR_SET)
        .policy(rpc::access::policy())
        .add_service(service::server(orders, driver, quoting))
        .build(process, mesh::server::InboundConfig::default())?;
    Ok(inbound)
}

/// Runs checkout until it is told to stop, and returns the code to exit with.
///
/// # Errors
/// If it could not be started.
pub fn run(options: Options) -> Result<ExitCode, RunError> {
    let mut standalone = Standalone::new(NAME, options.standalone)?;
    options.targets.enter(standalone.directory());
    let grpc = standalone.bind("grpc", &options.grpc)?;
    standalone.run(async |process, directory| {
        process.serve_grpc(grpc, start(options.config, process, directory).await?);
        Ok(())
    })
}

fn clients(process: &Process, directory: &Directory) -> Result<Clients, StartError> {
    let contracts = [contracts::FILE_DESCRIPTOR_SET];
    let config = ClientConfig { default_timeout: CALL_TIMEOUT, ..ClientConfig::default() };
    let clients = mesh::Clients::new(process, directory, NAME, CALLS, &contracts, config)?;
    let [cart, catalog, inventory, payment] = [CART, CATALOG, INVENTORY, PAYMENT].map(|target| clients.channel(target));
    Ok(Clients::new(cart?, catalog?, inventory?, payment?))
}

/// Counts orders that are not at rest. While the database is away the last count stands.
async fn count(orders: Orders, metrics: Metrics, mut closing: watch::Receiver<bool>) {
    loop {
        if let Ok(counted) = orders.unfinished().await {
            metrics.unfinished(&counted);
        }
        tokio::select! {
            // The sender's end is an end as well.
            _ = closing.wait_for(|closing| *closing) => return,
            () = tokio::time::sleep(COUNT_INTERVAL) => {}
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
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
        Options::augment_args(Command::new("checkout")).debug_assert();
        let config = Config::new("postgres://souk:hunter2@db/souk_checkout");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn the_defaults_are_those_of_the_code_and_what_makes_no_sense_is_refused() {
        let config = Arguments::parse_from(["checkout"]).options.config;
        let defaults = Config::new("");
        assert_eq!((&config.taxes, &config.shipping), (&defaults.taxes, &defaults.shipping));
        assert_eq!((config.lease, config.confirm_within), (defaults.lease, defaults.confirm_within));
        assert_eq!((config.backoff_min, config.backoff_max), (defaults.backoff_min, defaults.backoff_max));
        assert_eq!((config.drive_interval, config.attempts_max), (defaults.drive_interval, defaults.attempts_max));
        for (option, value) in
            [("--lease", "1ms"), ("--confirm-within", "25h"), ("--taxes", "XX 5"), ("--shipping", "DE post")]
        {
            let refused = Arguments::try_parse_from(["checkout", option, value]).unwrap_err().to_string();
            assert!(refused.contains(option), "{refused}");
        }
    }

    #[test]
    fn the_calls_of_a_step_fit_into_a_lease() {
        assert!(CALL_TIMEOUT * 2 < Config::new("").lease);
    }
}

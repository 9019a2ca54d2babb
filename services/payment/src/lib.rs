//! Payments by card, and the tokens that stand for cards (`souk.payment.v1`). Card numbers are parsed here and nowhere else.
//!
//! [`start`] makes the service inside a process, [`run`] is a whole process of it. This file composes the layers, which know
//! only those below them: `service` (the contract, parsed and answered), `settlement` (asks before it charges again),
//! `acquirer` (the processor's client), `store` (cards and payments in their database), `seal` (how cards are kept), `card`,
//! `payment` and `processor` (what is valid).

mod acquirer;
mod card;
mod config;
mod error;
mod page_token;
mod payment;
mod processor;
mod seal;
mod service;
mod settlement;
mod store;

use std::process::ExitCode;

use mesh::client::ClientConfig;
use mesh::metrics::Metrics;
use mesh::standalone::RunError;
use mesh::targets::{Calls, Targets};
use mesh::{Clients, Directory, Inbound, ListenAddress, Process, Standalone, Target};
use prometheus_client::metrics::counter::Counter;
use rpc::Sweeper;
use tokio::sync::watch;

pub use config::Config;
pub use seal::KeysError;
pub use store::audit;

use crate::acquirer::Acquirer;
use crate::seal::Keys;
use crate::settlement::Settlement;
use crate::store::{DUE_MAX, MIGRATIONS, Payments, SWEPT_MAX};

const NAME: &str = "payment";
const ACQUIRER: Target = Target::new("acquirer").on_port(50058);

/// The services that payments call: the acquirer, their processor.
pub const CALLS: &[Target] = &[ACQUIRER];

/// A payment service that is a process of its own.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Options {
    /// Where gRPC is served: IP:PORT or unix:PATH
    #[arg(long, env = "GRPC_ADDR", default_value = "127.0.0.1:50057", value_name = "ADDRESS")]
    pub grpc: ListenAddress,
    /// What the payment service itself can be told.
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

/// The payment service could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The keys are none.
    #[error("PAYMENT_KEYS: {0}")]
    Keys(KeysError),
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

/// Starts payments inside a process: opens and migrates their database, ends what is in doubt, erases codes whose time is
/// over, and says when they are ready. `directory` says where the acquirer is, at the latest when it is first called.
///
/// # Errors
/// If the database cannot be used as it is, or the keys are none. A database that is merely away is waited for: calls are
/// refused until it is there.
pub async fn start(config: Config, process: &Process, directory: &Directory) -> Result<Inbound, StartError> {
    // From the first moment: a name that nobody has set yet would not keep the process from being ready.
    process.health().set(service::NAME, false);
    let keys = Keys::parse(&config.keys).map_err(StartError::Keys)?;
    let contracts = [contracts::FILE_DESCRIPTOR_SET];
    let clients = Clients::new(process, directory, NAME, CALLS, &contracts, ClientConfig::default())?;
    let processor = Acquirer::new(clients.channel(ACQUIRER)?, config.processor_timeout);
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
    background.spawn(rpc::follow(process.health().clone(), service::NAME, store.health()));
    let payments = Payments::new(store, config.patience());
    let settlement = Settlement::new(payments.clone(), processor, keys.clone());
    let (swept, doubted) = metrics(process.metrics());
    let sweeper = Sweeper {
        interval: config.expire_interval,
        batch: SWEPT_MAX.into(),
        found: swept,
        failing: "security codes whose time is over are not erased",
    };
    let sweeping = payments.clone();
    background.spawn(sweeper.run(closed.clone(), move || {
        let payments = sweeping.clone();
        async move { payments.sweep().await }
    }));
    let reconciler = Sweeper {
        interval: config.reconcile_interval,
        batch: DUE_MAX.into(),
        found: doubted,
        failing: "payments in doubt stay so",
    };
    let reconciling = settlement.clone();
    background.spawn(reconciler.run(closed, move || {
        let settlement = reconciling.clone();
        async move { settlement.reconcile().await }
    }));
    let rpcs = service::Rpcs::new(payments, settlement, keys);
    let inbound = mesh::Builder::new(NAME)
        .descriptors(contracts::FILE_DESCRIPTOR_SET)
        .policy(rpc::access::policy())
        .add_service(service::server(rpcs.clone()))
        // Plain HTTP/2 beside the calls: a card goes from its holder's browser to here, through whoever passes bytes on.
        .pages(service::BELOW, service::Pages::new(rpcs))
        .build(process, mesh::server::InboundConfig::default())?;
    Ok(inbound)
}

/// Runs payments until they are told to stop, and returns the code to exit with.
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

fn metrics(metrics: &Metrics) -> (Counter, Counter) {
    let (swept, doubted) = (Counter::default(), Counter::default());
    metrics.register(
        "payment_cards_expired",
        "Cards that nobody used, or whose security code was left, when their 15 minutes were over",
        swept.clone(),
    );
    metrics.register(
        "payment_doubts_reconciled",
        "Times that a payment was in doubt for too long and was looked into",
        doubted.clone(),
    );
    (swept, doubted)
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
    fn the_options_go_together_and_no_password_or_key_is_printed() {
        Options::augment_args(Command::new("payment")).debug_assert();
        let printed = format!("{:?}", Config::new("postgres://souk:hunter2@db/souk_payment", "1:c2VjcmV0"));
        assert!(!printed.contains("hunter2") && !printed.contains("c2VjcmV0"), "{printed}");
    }

    #[test]
    fn the_defaults_are_those_of_the_code() {
        let config = Arguments::parse_from(["payment", "--keys", "1:key"]).options.config;
        let defaults = Config::new("", "");
        assert_eq!(config.processor_timeout, defaults.processor_timeout);
        assert_eq!(config.reconcile_interval, defaults.reconcile_interval);
        assert_eq!(config.expire_interval, defaults.expire_interval);
    }
}

//! The acquirer: a simulated payment processor with its own ledger (`souk.acquirer.v1`).
//!
//! [`start`] makes the service inside a process, [`run`] is a whole process of it. This file composes the layers, which know
//! only those below them: `service` (the contract, parsed and answered), `trouble` (what goes wrong, on purpose), `store`
//! (charges and the ledger in their database), `card`, `charge` and `fault` (what is valid).

mod card;
mod charge;
mod config;
mod error;
mod fault;
mod service;
mod store;
mod trouble;

use std::process::ExitCode;

use mesh::standalone::RunError;
use mesh::{Inbound, ListenAddress, Process, Standalone};

pub use config::Config;
pub use store::audit;

use crate::store::{Ledger, MIGRATIONS};
use crate::trouble::Trouble;

const NAME: &str = "acquirer";

/// The services that the acquirer calls: none.
pub const CALLS: &[mesh::Target] = &[];

/// An acquirer that is a process of its own.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Options {
    /// Where gRPC is served: IP:PORT or unix:PATH
    #[arg(long, env = "GRPC_ADDR", default_value = "127.0.0.1:50058", value_name = "ADDRESS")]
    pub grpc: ListenAddress,
    /// What the acquirer itself can be told.
    #[command(flatten)]
    pub config: Config,
    /// What every service can be told.
    #[command(flatten)]
    pub standalone: mesh::standalone::Options,
}

/// The acquirer could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The key is none.
    #[error("ACQUIRER_KEY must be 32 bytes in base64, as `openssl rand -base64 32` writes them")]
    Key,
    /// The address is wrong, or the database cannot be used as it is.
    #[error("open the database of DATABASE_URL")]
    Database(#[source] ::store::Error),
    /// The contracts of this build are damaged.
    #[error("compose the inbound stack")]
    Build(#[from] mesh::server::BuildError),
}

/// Starts the acquirer inside a process: opens and migrates its database, and says when it is ready.
///
/// # Errors
/// If the database cannot be used as it is. One that is merely away is waited for: calls are refused until it is there.
pub async fn start(config: Config, process: &Process) -> Result<Inbound, StartError> {
    // From the first moment: a name that nobody has set yet would not keep the process from being ready.
    process.health().set(service::NAME, false);
    let key = rpc::Secret::parse(&config.key).ok_or(StartError::Key)?.derive("souk.acquirer.v1 cards");
    let database = ::store::Config::parse(&config.database_url).map_err(StartError::Database)?;
    let background = process.background().clone();
    let store = ::store::Store::open(database, MIGRATIONS, background.clone()).await.map_err(StartError::Database)?;
    process.metrics().register_all(NAME, store.series());
    let last = store.clone();
    process.at_end(async move { last.close().await });
    background.spawn(rpc::follow(process.health().clone(), service::NAME, store.health()));
    let inbound = mesh::Builder::new(NAME)
        .descriptors(contracts::FILE_DESCRIPTOR_SET)
        .policy(rpc::access::policy())
        .add_service(service::server(Trouble::new(Ledger::new(store)), key))
        .build(process, mesh::server::InboundConfig::default())?;
    Ok(inbound)
}

/// Runs an acquirer until it is told to stop, and returns the code to exit with.
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
    fn the_options_go_together_and_no_password_or_key_is_printed() {
        Options::augment_args(Command::new("acquirer")).debug_assert();
        let printed = format!("{:?}", Config::new("postgres://souk:hunter2@db/souk_acquirer", "c2VjcmV0"));
        assert!(!printed.contains("hunter2") && !printed.contains("c2VjcmV0"), "{printed}");
    }
}

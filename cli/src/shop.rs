//! A shop, however it runs: its data directory, its databases, its three ports, and the proof that it answers.

pub(crate) mod announce;
mod data;
pub(crate) mod database;
pub(crate) mod probe;

use std::path::PathBuf;

use anyhow::Context as _;
pub(crate) use data::{Data, sqlite, write_secret};
pub(crate) use database::Server;
use mesh::{ListenAddress, Output, server::Listener, token::SigningKey};

/// Where a shop keeps its data and where it is found.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Options {
    /// The directory of the databases; it is made if it does not exist
    #[arg(long, env = "SOUK_DATA", value_name = "DIR", default_value = "souk-data")]
    pub(crate) data: PathBuf,
    /// A PostgreSQL server instead of SQLite: postgres://USER:PASSWORD@HOST, with a database souk_SERVICE for each service
    #[arg(long, env = "SOUK_DATABASE", value_name = "URL", hide_env_values = true)]
    pub(crate) database: Option<Server>,
    /// Where the web pages are served
    #[arg(long, env = "HTTP_ADDR", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) http: ListenAddress,
    /// Where gRPC is served, for all services
    #[arg(long, env = "GRPC_ADDR", value_name = "ADDRESS", default_value = "127.0.0.1:50051")]
    pub(crate) grpc: ListenAddress,
    /// Where health and metrics are served
    #[arg(long, env = "ADMIN_ADDR", value_name = "ADDRESS", default_value = "127.0.0.1:9901")]
    pub(crate) admin: ListenAddress,
    /// How the line that says where everything is looks: text or json
    #[arg(long, value_name = "FORMAT", default_value_t)]
    pub(crate) output: Output,
}

impl Options {
    /// The URL of `service`'s own database.
    pub(crate) fn database_of(&self, service: &str, data: &Data) -> anyhow::Result<String> {
        match &self.database {
            None => data.sqlite(service),
            Some(server) => server.database_of(service),
        }
    }
}

/// The keys that payments seal cards with, made at the first start. To change it, put a newer one, of another name, in front.
pub(crate) fn payment_keys(data: &Data) -> anyhow::Result<String> {
    data.secrets("payment.keys")
}

/// The key by which the acquirer knows cards again, made at the first start.
pub(crate) fn acquirer_key(data: &Data) -> anyhow::Result<String> {
    data.secret("acquirer.key")
}

/// The key that operators' tokens are signed with, made at the first start.
pub(crate) fn operator_key(data: &Data) -> anyhow::Result<SigningKey> {
    let pem = data.kept("operator.key", || Ok(SigningKey::generate()?.to_pem().trim().to_owned()))?;
    SigningKey::from_pem(&pem).with_context(|| format!("--data: read {}", data.path().join("operator.key").display()))
}

/// Where a shop listens.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    pub(crate) http: ListenAddress,
    pub(crate) grpc: ListenAddress,
    pub(crate) admin: ListenAddress,
}

/// What whoever started it can do about an address that is taken.
pub(crate) const CHOOSE_ANOTHER: &str = "choose another address, or port 0 for a free one";

/// Binds the listener that `flag` chooses.
pub(crate) fn bind(flag: &str, address: &ListenAddress) -> anyhow::Result<Listener> {
    Listener::bind(address).with_context(|| format!("{flag}: {CHOOSE_ANOTHER}"))
}

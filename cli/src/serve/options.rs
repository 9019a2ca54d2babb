//! What `souk serve` can be told, and what each service is told in turn.

use std::{fmt, path::PathBuf};

use anyhow::ensure;
use mesh::{ListenAddress, Output, process};

use super::data::Data;

/// The options of `souk serve`.
#[derive(Clone, Debug, clap::Args)]
// Its group would have the name of the process options' own.
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
    /// What the storefront does
    #[command(flatten)]
    pub(crate) storefront: storefront::Config,
    /// The process
    #[command(flatten)]
    pub(crate) process: process::Options,
}

/// The URL of a PostgreSQL server, as it was given. It is never printed: it may hold a password.
#[derive(Clone)]
pub(crate) struct Server(String);

impl From<String> for Server {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Options {
    /// The URL of `service`'s own database.
    pub(super) fn database_of(&self, service: &str, data: &Data) -> anyhow::Result<String> {
        match &self.database {
            None => data.sqlite(service),
            Some(server) => server.database_of(service),
        }
    }
}

impl Server {
    fn database_of(&self, service: &str) -> anyhow::Result<String> {
        let (server, parameters) = self.0.split_once('?').map_or((self.0.as_str(), None), |(s, p)| (s, Some(p)));
        let (scheme, host) = server.split_once("://").unwrap_or_default();
        let host = host.strip_suffix('/').unwrap_or(host);
        ensure!(
            matches!(scheme, "postgres" | "postgresql") && !host.contains('/'),
            "--database: name a server, postgres://USER:PASSWORD@HOST:PORT; each service has its own database there"
        );
        let parameters = parameters.map(|parameters| format!("?{parameters}")).unwrap_or_default();
        Ok(format!("{scheme}://{host}/souk_{service}{parameters}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_has_a_database_of_its_own_on_the_server() {
        let on = |url: &str| Server(url.to_owned()).database_of("catalog").unwrap();
        assert_eq!(on("postgres://u:p@db:5433"), "postgres://u:p@db:5433/souk_catalog");
        assert_eq!(on("postgres://db/"), "postgres://db/souk_catalog");
        assert_eq!(on("postgresql:///?host=/run/pg"), "postgresql:///souk_catalog?host=/run/pg");
    }

    #[test]
    fn a_server_that_is_none_is_refused_and_its_password_is_not_repeated() {
        for server in ["postgres://u:secret@db/mine", "mysql://u:secret@db", "secret"] {
            let server = Server(server.to_owned());
            let printed = format!("{server:?} {}", server.database_of("catalog").unwrap_err());
            assert!(printed.contains("--database: name a server") && !printed.contains("secret"), "{printed}");
        }
    }
}

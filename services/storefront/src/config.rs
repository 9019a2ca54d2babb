//! What storefront can be told. Parsed once; nothing else reads the environment.

use std::time::Duration;

use clap::Args;
use mesh::{Address, Directory, ListenAddress, Output, process::parse_duration};

/// Storefront as a process of its own.
#[derive(Args, Clone, Debug)]
// Without it every such struct is a group of its own name, and two of a name may not meet in one command.
#[group(skip)]
pub struct Options {
    /// Where the web pages are served: IP:PORT (port 0 takes a free one) or unix:PATH
    #[arg(long, env = "HTTP_ADDR", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub http: ListenAddress,
    /// Where gRPC is served, for the whole fleet
    #[arg(long, env = "GRPC_ADDR", default_value = "127.0.0.1:50051", value_name = "ADDRESS")]
    pub grpc: ListenAddress,
    /// Where health and metrics are served, in plaintext and read-only
    #[arg(long, env = "ADMIN_ADDR", default_value = "127.0.0.1:9901", value_name = "ADDRESS")]
    pub admin: ListenAddress,
    /// How the printed lines look: text, or json (one object a line)
    #[arg(long, default_value_t, value_name = "FORMAT")]
    pub output: Output,
    /// Where the services are that it calls.
    #[command(flatten)]
    pub targets: Targets,
    /// What it does, wherever it runs.
    #[command(flatten)]
    pub config: Config,
    /// The process.
    #[command(flatten)]
    pub process: mesh::process::Options,
}

/// Where the services of [`CALLS`](crate::CALLS) are, for a storefront that does not share their process.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct Targets {
    /// Where catalog is: HOST:PORT, dns:HOST:PORT or unix:PATH
    #[arg(long, env = "CATALOG_TARGET", default_value = "127.0.0.1:50052", value_name = "TARGET")]
    pub catalog_target: Address,
}

impl Targets {
    /// Enters them into the directory.
    pub fn enter(&self, directory: &Directory) {
        directory.remote(crate::CATALOG.name(), self.catalog_target.clone());
    }
}

/// What storefront does, in a process of its own or with others.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct Config {
    /// How long a web page waits for the services it asks before it is shown without them
    #[arg(long, env = "PAGE_TIMEOUT", default_value = "2s", value_parser = parse_duration, value_name = "TIME")]
    pub page_timeout: Duration,
    /// How long the health of another service is waited for before it counts as NOT_SERVING
    #[arg(long, env = "HEALTH_TIMEOUT", default_value = "1s", value_parser = parse_duration, value_name = "TIME")]
    pub health_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { page_timeout: Duration::from_secs(2), health_timeout: Duration::from_secs(1) }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Arguments {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn the_options_fit_together_and_their_defaults_are_those_of_the_code() {
        Arguments::command().debug_assert();
        let Options { config, .. } = Arguments::parse_from(["storefront"]).options;
        let Config { page_timeout, health_timeout } = Config::default();
        assert_eq!((config.page_timeout, config.health_timeout), (page_timeout, health_timeout));
    }

    #[test]
    fn a_nonsensical_target_is_refused_by_its_name() {
        let refused = Arguments::try_parse_from(["storefront", "--catalog-target", "nowhere"]).unwrap_err().to_string();
        assert!(refused.contains("--catalog-target") && refused.contains("dns:HOST:PORT"), "{refused}");
    }
}

//! What storefront can be told. Parsed once; nothing else reads the environment.

mod network;

use std::time::Duration;

use clap::Args;
use mesh::{
    ListenAddress, Target,
    process::parse_duration,
    targets::{Calls, Targets},
};

pub use network::{Network, NetworkError};

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
    /// Where the services are that it calls.
    #[command(flatten)]
    pub targets: Targets<Self>,
    /// What it does, wherever it runs.
    #[command(flatten)]
    pub config: Config,
    /// What every service can be told.
    #[command(flatten)]
    pub standalone: mesh::standalone::Options,
}

impl Calls for Options {
    const CALLS: &'static [Target] = crate::CALLS;
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
    /// Whether browsers reach the pages over https only, by a proxy that does not say so: cookies are then `Secure`
    #[arg(long, env = "HTTPS_ONLY", default_value = "false", action = clap::ArgAction::Set, value_name = "BOOL")]
    pub https_only: bool,
    /// Proxies whose X-Forwarded-Proto is believed: addresses or networks, separated by commas
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',', value_name = "ADDRESS[/BITS]")]
    pub trusted_proxies: Vec<Network>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            page_timeout: Duration::from_secs(2),
            health_timeout: Duration::from_secs(1),
            https_only: false,
            trusted_proxies: Vec::new(),
        }
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
        let Config { page_timeout, health_timeout, https_only, trusted_proxies } = Config::default();
        assert_eq!((config.page_timeout, config.health_timeout), (page_timeout, health_timeout));
        assert_eq!((config.https_only, config.trusted_proxies), (https_only, trusted_proxies));
    }

    #[test]
    fn a_proxy_that_is_none_is_refused_by_its_name() {
        let proxies = |list| Arguments::try_parse_from(["storefront", "--trusted-proxies", list]);
        assert_eq!(proxies("10.0.0.0/8,::1").unwrap().options.config.trusted_proxies.len(), 2);
        let refused = proxies("10.0.0.0/8,ingress").unwrap_err().to_string();
        assert!(refused.contains("--trusted-proxies") && refused.contains("ingress"), "{refused}");
    }

    #[test]
    fn a_nonsensical_target_is_refused_by_its_name() {
        let refused = Arguments::try_parse_from(["storefront", "--catalog-target", "nowhere"]).unwrap_err().to_string();
        assert!(refused.contains("--catalog-target") && refused.contains("dns:HOST:PORT"), "{refused}");
    }
}

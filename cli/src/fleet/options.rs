//! What `souk fleet` can be told, and asked.

use std::{process::ExitCode, str::FromStr};

use anyhow::bail;
use clap::{Args, Subcommand};
use mesh::{Address, process};
use tokio::time::Instant;

use super::{ask, services};
use crate::shop;

/// Replicas of one service at most.
const REPLICAS_MAX: usize = 64;

/// `souk fleet`, alone or with a word to a fleet that runs.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Fleet {
    #[command(subcommand)]
    ask: Option<Ask>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Ask {
    /// Replaces the running processes one at a time, each by a successor that serves before it drains
    Restart(ask::Restart),
    /// Says how each process of the running fleet is
    Status(ask::Status),
}

impl Fleet {
    pub(crate) fn run(self, begun: Instant) -> anyhow::Result<ExitCode> {
        match self.ask {
            Some(Ask::Restart(restart)) => restart.run(),
            Some(Ask::Status(status)) => status.run(),
            None => super::run(&self.options, begun),
        }
    }
}

/// The options of a fleet. Each service also reads the variables that `souk service NAME --help` lists.
#[derive(Args, Clone, Debug)]
#[group(skip)]
#[command(
    mut_arg("grpc", |arg| arg.help("Where gRPC is served, for all services; they themselves take the ports after it")),
    mut_arg("admin", |arg| arg.help("Where health and metrics of the first process are served; the others take the ports after it")),
    mut_arg("cores", |arg| arg.help("Event loops for calls in each process; 0 shares the processors out")),
)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(super) shop: shop::Options,
    /// How many processes a service has, if not one; again for each service
    #[arg(long, value_name = "NAME=N")]
    replicas: Vec<Replicas>,
    /// A service that runs elsewhere, at HOST:PORT, dns:HOST:PORT, IP:PORT,IP:PORT… or unix:PATH: it is called there and not
    /// started here; again for each service
    #[arg(long, value_name = "NAME=TARGET")]
    external: Vec<External>,
    #[command(flatten)]
    pub(super) process: process::Options,
}

impl Options {
    /// How many processes a service has.
    ///
    /// # Errors
    /// If it is told for one that runs elsewhere.
    pub(super) fn replicas_of(&self, service: &str) -> anyhow::Result<usize> {
        let told = self.replicas.iter().rev().find(|told| told.service == service);
        match (self.external(service), told) {
            (None, told) => Ok(told.map_or(1, |told| told.count)),
            (Some(_), None) => Ok(0),
            (Some(at), Some(_)) => {
                bail!("--replicas: {service} has none here, since --external says that it is at {at}")
            }
        }
    }

    /// Where a service is that runs elsewhere.
    pub(super) fn external(&self, service: &str) -> Option<&Address> {
        self.external.iter().rev().find(|told| told.service == service).map(|told| &told.address)
    }
}

#[derive(Clone, Debug)]
struct External {
    service: &'static str,
    address: Address,
}

impl FromStr for External {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, address) = text.split_once('=').ok_or("write NAME=TARGET, as in search=10.0.0.1:50055")?;
        let service = services::find(name)?;
        if service.front {
            return Err(format!("{name} is the fleet's own front door"));
        }
        let address = address.parse::<Address>().map_err(|error| error.to_string())?;
        Ok(Self { service: service.name, address })
    }
}

#[derive(Clone, Debug)]
struct Replicas {
    service: &'static str,
    count: usize,
}

impl FromStr for Replicas {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, count) = text.split_once('=').ok_or("write NAME=N, as in catalog=3")?;
        let count = count.parse().ok().filter(|count| (1..=REPLICAS_MAX).contains(count));
        let count = count.ok_or_else(|| format!("a service has 1 to {REPLICAS_MAX} replicas"))?;
        Ok(Self { service: services::find(name)?.name, count })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        fleet: Fleet,
    }

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        let parsed = Command::try_parse_from([&["fleet"], arguments].concat());
        parsed.map(|command| command.fleet.options).map_err(|error| error.to_string())
    }

    #[test]
    fn a_service_has_one_replica_unless_told() {
        let options = parse(&["--replicas", "catalog=3"]).unwrap();
        assert_eq!((options.replicas_of("catalog").unwrap(), options.replicas_of("storefront").unwrap()), (3, 1));
    }

    #[test]
    fn a_service_that_runs_elsewhere_has_no_replica_here() {
        let options = parse(&["--external", "search=dns:search.example:50055"]).unwrap();
        assert_eq!(options.external("search").unwrap().to_string(), "dns:search.example:50055");
        assert_eq!((options.replicas_of("search").unwrap(), options.external("cart")), (0, None));
        let both = parse(&["--external", "search=127.0.0.1:1", "--replicas", "search=2"]).unwrap();
        let refused = both.replicas_of("search").unwrap_err().to_string();
        assert!(refused.contains("--replicas") && refused.contains("127.0.0.1:1"), "{refused}");
    }

    #[test]
    fn a_place_elsewhere_that_cannot_be_is_refused_with_the_reason() {
        for (told, reason) in [
            ("search", "NAME=TARGET"),
            ("find=127.0.0.1:1", "there is no service \"find\""),
            ("search=nowhere", "dns:HOST:PORT"),
            ("storefront=127.0.0.1:1", "front door"),
        ] {
            let refused = parse(&["--external", told]).unwrap_err();
            assert!(refused.contains("--external") && refused.contains(reason), "{refused}");
        }
    }

    #[test]
    fn a_number_of_replicas_that_cannot_be_is_refused_with_the_reason() {
        for (told, reason) in [
            ("catalog", "NAME=N"),
            (
                "catalogue=2",
                "the services are storefront, search, checkout, cart, catalog, inventory, payment, acquirer",
            ),
            ("catalog=0", "1 to 64"),
            ("catalog=65", "1 to 64"),
            ("catalog=-1", "1 to 64"),
        ] {
            let refused = parse(&["--replicas", told]).unwrap_err();
            assert!(refused.contains("--replicas") && refused.contains(reason), "{refused}");
        }
    }
}

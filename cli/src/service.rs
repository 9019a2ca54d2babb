//! `souk service NAME`: the `run()` of that service's own binary, with the same options.

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory as _, Subcommand};

use crate::options::Souk;

#[derive(Debug, Subcommand)]
pub(crate) enum Service {
    /// Products and their details, prices
    Catalog(catalog::Options),
    /// The web pages, and the gRPC front door of the fleet
    Storefront(storefront::Options),
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

impl Service {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Catalog(options) => Ok(catalog::run(options)?),
            Self::Storefront(options) => storefront::run(options),
            Self::Unknown(words) => {
                let name = words.first().map(|word| word.to_string_lossy()).unwrap_or_default();
                anyhow::bail!("there is no service {name:?}; the services are {}", names().join(", "))
            }
        }
    }
}

/// The names of all services.
fn names() -> Vec<String> {
    let souk = Souk::command();
    let services = souk.find_subcommand("service").map(clap::Command::get_subcommands);
    services.into_iter().flatten().map(|service| service.get_name().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_service_has_is_answered_with_those_there_are() {
        let refused = Service::Unknown(vec!["catalogue".into()]).run().unwrap_err();
        assert_eq!(refused.to_string(), "there is no service \"catalogue\"; the services are catalog, storefront");
    }
}

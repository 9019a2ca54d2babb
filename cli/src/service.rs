//! `souk service NAME`: the `run()` of that service's own binary, with the same options.

use std::{ffi::OsString, process::ExitCode};

use anyhow::{Context as _, ensure};
use clap::{CommandFactory as _, Subcommand};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use crate::options::Souk;

/// One service of the shop.
#[derive(Debug, clap::Args)]
pub(crate) struct Service {
    /// The process that it must not outlive
    #[arg(long, value_name = "PID", hide = true)]
    child_of: Option<i32>,
    #[command(subcommand)]
    service: Name,
}

#[derive(Debug, Subcommand)]
enum Name {
    /// A simulated payment processor with its own ledger
    Acquirer(acquirer::Options),
    /// Carts: which products in which quantity
    Cart(cart::Options),
    /// Products and their details, prices
    Catalog(catalog::Options),
    /// Orders: from a cart to what was paid and delivered
    Checkout(checkout::Options),
    /// Stock, and the units that orders have reserved
    Inventory(inventory::Options),
    /// Payments by card, and the tokens that stand for cards
    Payment(payment::Options),
    /// Finds products by words
    Search(search::Options),
    /// The web pages, and the gRPC front door of the fleet
    Storefront(storefront::Options),
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

impl Service {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(parent) = self.child_of {
            end_with(parent)?;
        }
        match self.service {
            Name::Acquirer(options) => Ok(acquirer::run(options)?),
            Name::Cart(options) => Ok(cart::run(options)?),
            Name::Catalog(options) => Ok(catalog::run(options)?),
            Name::Checkout(options) => Ok(checkout::run(options)?),
            Name::Inventory(options) => Ok(inventory::run(options)?),
            Name::Payment(options) => Ok(payment::run(options)?),
            Name::Search(options) => Ok(search::run(options)?),
            Name::Storefront(options) => Ok(storefront::run(options)?),
            Name::Unknown(words) => {
                let name = words.first().map(|word| word.to_string_lossy()).unwrap_or_default();
                anyhow::bail!("there is no service {name:?}; the services are {}", names().join(", "))
            }
        }
    }
}

/// Has the kernel kill this process when its parent ends, however that ends.
fn end_with(parent: i32) -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("--child-of: ask to be ended with the parent")?;
    // One that ended before has sent nothing.
    let found = getppid().map(Pid::as_raw_nonzero).map(std::num::NonZero::get);
    ensure!(found == Some(parent), "--child-of: process {parent} is not the parent");
    Ok(())
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
        let service = Name::Unknown(vec!["catalogue".into()]);
        let refused = Service { child_of: None, service }.run().unwrap_err();
        assert_eq!(
            refused.to_string(),
            "there is no service \"catalogue\"; the services are acquirer, cart, catalog, checkout, inventory, payment, search, storefront"
        );
    }
}

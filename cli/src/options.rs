//! What can be typed after `souk`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::time::Instant;

use crate::{
    dead_letters::DeadLetters, demo, fleet::Fleet, fsck, import, orders::Orders, serve, service::Service, token,
};

/// An online shop as a fleet of small gRPC services. Without a command: `souk serve`.
#[derive(Debug, Parser)]
#[command(name = "souk", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Souk {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: serve::Options,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The whole shop in one process, opened with the demo catalogue
    Serve(serve::Options),
    /// The whole shop as one process a service, restarted when they die
    #[command(disable_help_subcommand = true)]
    Fleet(Fleet),
    /// One service, as its own binary runs it
    #[command(subcommand_value_name = "NAME", subcommand_help_heading = "Services", disable_help_subcommand = true)]
    Service(Service),
    /// The demo catalogue, for a shop that runs elsewhere
    #[command(disable_help_subcommand = true)]
    Demo {
        #[command(subcommand)]
        demo: Demo,
    },
    /// Products from another shop's CSV, into a shop that runs
    ///
    /// Columns, separators, encodings, currencies and number formats are found out, and printed; `--map` overrides. A
    /// second import of the same file changes nothing.
    Import(import::Options),
    /// What became of orders, which of them need somebody, and what can be done about those
    #[command(disable_help_subcommand = true)]
    Orders(Orders),
    /// Events of other services that one could not apply: listed, and applied again once the reason is mended
    #[command(disable_help_subcommand = true)]
    DeadLetters(DeadLetters),
    /// A token that says its bearer is an operator; `serve` and `fleet` write one to DATA/operator.token by themselves
    Token(token::Options),
    /// Whether the databases of a shop, which may be running, agree with each other
    ///
    /// Stock adds up, every order is captured at most once and of its total, to the cent as the acquirer has it, every
    /// request has its one order, and every copy is like its source. Nothing is written, and nobody is kept waiting: on
    /// PostgreSQL the right to SELECT is enough. What is on its way is not wrong: only what stays so is reported.
    Fsck(fsck::Options),
    /// What a call costs, against stock tonic in the same run
    #[cfg(feature = "bench")]
    Bench(crate::bench::Options),
}

impl Command {
    /// Does it, and says with which status the process ends.
    pub(crate) fn run(self, begun: Instant) -> anyhow::Result<ExitCode> {
        match self {
            Self::Serve(options) => serve::run(&options, begun),
            Self::Fleet(fleet) => fleet.run(begun),
            Self::Service(service) => service.run(),
            Self::Demo { demo: Demo::Load(options) } => demo::run(&options),
            Self::Import(options) => import::run(&options),
            Self::Orders(orders) => crate::orders::run(&orders),
            Self::DeadLetters(letters) => crate::dead_letters::run(&letters),
            Self::Token(options) => token::run(&options),
            Self::Fsck(options) => Ok(fsck::run(&options)),
            #[cfg(feature = "bench")]
            Self::Bench(options) => crate::bench::run(&options),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Demo {
    /// Puts the demo catalogue into a running shop; what is already there stays as it is
    Load(demo::Options),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_options_fit_together() {
        Souk::command().debug_assert();
    }

    #[test]
    fn without_a_command_it_serves_with_the_same_options() {
        let (bare, named) = (["souk", "--data", "here"], ["souk", "serve", "--data", "here"]);
        let bare = Souk::parse_from(bare);
        assert!(bare.command.is_none());
        let Some(Command::Serve(named)) = Souk::parse_from(named).command else { panic!("serve was not read") };
        assert_eq!(format!("{:?}", bare.serve), format!("{named:?}"));
    }
}

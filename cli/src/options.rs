//! What can be typed after `souk`.

use clap::{Parser, Subcommand};

use crate::{demo, serve, service::Service};

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
    /// One service, as its own binary runs it
    #[command(subcommand_value_name = "NAME", subcommand_help_heading = "Services", disable_help_subcommand = true)]
    Service {
        #[command(subcommand)]
        service: Service,
    },
    /// The demo catalogue, for a shop that runs elsewhere
    #[command(disable_help_subcommand = true)]
    Demo {
        #[command(subcommand)]
        demo: Demo,
    },
    /// What a call costs, against stock tonic in the same run
    #[cfg(feature = "bench")]
    Bench(crate::bench::Options),
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

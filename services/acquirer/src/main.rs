//! The acquirer as a process of its own.

use std::process::ExitCode;

use clap::Parser;

/// A simulated payment processor with its own ledger.
#[derive(Parser)]
#[command(name = "acquirer", version)]
struct Command {
    #[command(flatten)]
    options: acquirer::Options,
}

fn main() -> anyhow::Result<ExitCode> {
    Ok(acquirer::run(Command::parse().options)?)
}

//! The catalog as a process of its own.

use std::process::ExitCode;

use clap::Parser;

/// Products and their details, prices.
#[derive(Parser)]
#[command(name = "catalog", version)]
struct Command {
    #[command(flatten)]
    options: catalog::Options,
}

fn main() -> anyhow::Result<ExitCode> {
    Ok(catalog::run(Command::parse().options)?)
}

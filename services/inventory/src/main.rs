//! The inventory as a process of its own.

use std::process::ExitCode;

use clap::Parser;

/// Stock, and the units that orders have reserved.
#[derive(Parser)]
#[command(name = "inventory", version)]
struct Command {
    #[command(flatten)]
    options: inventory::Options,
}

fn main() -> anyhow::Result<ExitCode> {
    Ok(inventory::run(Command::parse().options)?)
}

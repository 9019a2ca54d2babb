//! Checkout as a process of its own.

use std::process::ExitCode;

use clap::Parser;

/// Orders: from a cart to what was paid and delivered.
#[derive(Parser)]
#[command(name = "checkout", version)]
struct Command {
    #[command(flatten)]
    options: checkout::Options,
}

fn main() -> anyhow::Result<ExitCode> {
    Ok(checkout::run(Command::parse().options)?)
}

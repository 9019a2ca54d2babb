//! Payments as a process of their own.

use std::process::ExitCode;

use clap::Parser;

/// Payments by card, and the tokens that stand for cards.
#[derive(Parser)]
#[command(name = "payment", version)]
struct Command {
    #[command(flatten)]
    options: payment::Options,
}

fn main() -> anyhow::Result<ExitCode> {
    Ok(payment::run(Command::parse().options)?)
}

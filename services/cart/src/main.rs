//! Carts as a process of its own.

use std::process::ExitCode;

use clap::Parser;

/// Carts: which products in which quantity.
#[derive(Parser)]
#[command(name = "cart", version)]
struct Command {
    #[command(flatten)]
    options: cart::Options,
}

fn main() -> anyhow::Result<ExitCode> {
    Ok(cart::run(Command::parse().options)?)
}

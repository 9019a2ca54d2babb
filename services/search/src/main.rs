//! Search as a process of its own.

use std::process::ExitCode;

use clap::Parser;

/// Finds products by words.
#[derive(Parser)]
#[command(name = "search", version)]
struct Command {
    #[command(flatten)]
    options: search::Options,
}

fn main() -> anyhow::Result<ExitCode> {
    Ok(search::run(Command::parse().options)?)
}

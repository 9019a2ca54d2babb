//! Storefront as a process of its own.

use clap::Parser;

/// The shop's front door: web pages, and gRPC for the whole fleet
#[derive(Debug, Parser)]
#[command(name = "storefront", version)]
struct Arguments {
    #[command(flatten)]
    options: storefront::Options,
}

fn main() -> anyhow::Result<std::process::ExitCode> {
    Ok(storefront::run(Arguments::parse().options)?)
}

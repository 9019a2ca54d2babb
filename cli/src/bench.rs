//! `souk bench`: what a call costs, against stock tonic in the same run.
//!
//! Two-core machines are noisy, so every claim is a ratio within one interleaved run: each round measures every variant in
//! turn, servers pinned to one core and the load to another, and the cost is the server's CPU time a request. The load is
//! `h2load`; the servers are this same program, started as users start it.

mod in_process;
mod load;
mod report;
mod server;
mod stock;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;

use report::Report;

/// What the bench can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    part: Option<Part>,
    /// How often each variant is measured
    #[arg(long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Requests a measurement
    #[arg(long, default_value_t = 200_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1000..=10_000_000))]
    requests: u32,
    /// Also measure a first `cargo run` from an empty target directory of this checkout (minutes)
    #[arg(long, value_name = "CHECKOUT")]
    cold: Option<PathBuf>,
    /// Where the report goes, as Markdown; standard output without it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The servers and clients that the bench starts as processes of their own.
#[derive(Debug, clap::Subcommand)]
enum Part {
    /// A bare server on tonic's own transport that always gives the same answer
    #[command(hide = true)]
    Stock(stock::Options),
    /// A generated client over the catalog's stack, without a socket
    #[command(hide = true)]
    InProcess(in_process::Options),
}

/// Runs the bench, or the part of it that this process is.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    match &options.part {
        Some(Part::Stock(stock)) => stock::run(stock)?,
        Some(Part::InProcess(in_process)) => in_process::run(in_process)?,
        None => {
            let report = Report::measure(options)?.to_string();
            match &options.out {
                Some(file) => {
                    std::fs::write(file, report).with_context(|| format!("--out: write {}", file.display()))?;
                }
                None => std::io::Write::write_all(&mut std::io::stdout(), report.as_bytes())?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Says on standard error what is going on.
fn progress(text: std::fmt::Arguments<'_>) {
    let _closed = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("bench: {text}\n")).is_err();
}

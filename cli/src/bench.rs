//! `souk bench`: what a call costs, against stock tonic in the same run.
//!
//! Two-core machines are noisy, so every claim is a ratio within one interleaved run: each round measures every variant in
//! turn, servers pinned to one core and the load to another, and the cost is the server's CPU time a request. The load is
//! `h2load`; the servers are this same program, started as users start it.

mod acceptors;
mod calls;
mod client;
mod feeds;
mod fixture;
mod goods;
mod http;
mod import;
mod in_process;
mod load;
mod memory;
mod metrics;
mod operator;
mod orders;
mod pages;
mod replicas;
mod search;
mod server;
mod shop;
mod sidecar;
mod start;
mod stock;
mod variant;
mod words;

use std::{path::PathBuf, process::ExitCode, str::FromStr};

use anyhow::Context as _;
use clap::ValueEnum as _;

use fixture::Fixture;

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
    /// Only this section, as often as wanted; all of them without it
    #[arg(long, value_name = "SECTION")]
    only: Vec<Section>,
    /// Rows of the file that is imported
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    rows: u32,
    /// Two empty PostgreSQL databases, URL,URL; again for the next section that takes two: the feeds, then the import
    #[arg(long, value_name = "URLS")]
    postgres: Vec<Pair>,
    /// A PostgreSQL server with an empty database souk_<service> for each service: orders are placed on it, too
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Also measure a first `cargo run` from an empty target directory of this checkout (minutes)
    #[arg(long, value_name = "CHECKOUT")]
    cold: Option<PathBuf>,
    /// Where the report goes, as Markdown; standard output without it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Effort {
    /// How often each variant is measured.
    rounds: u32,
    /// Requests a measurement.
    requests: u32,
}

impl Options {
    fn effort(&self) -> Effort {
        Effort { rounds: self.rounds, requests: self.requests }
    }
}

impl Effort {
    /// For what costs many times what a read does.
    fn tenth(self) -> Self {
        Self { requests: self.requests / 10, ..self }
    }
}

/// Two databases.
#[derive(Clone, Debug)]
struct Pair([String; 2]);

impl FromStr for Pair {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (first, second) = text.split_once(',').ok_or("write URL,URL")?;
        Ok(Self([first.to_owned(), second.to_owned()]))
    }
}

/// What can be measured, in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Section {
    /// GetProduct against stock tonic, at two sizes
    Calls,
    /// Envoy in front of bare tonic
    Sidecar,
    /// Three replicas against one
    Replicas,
    /// One listener that hands sockets to cores against SO_REUSEPORT
    Acceptors,
    /// Events a second from a catalog to a consumer
    Feeds,
    /// The home page, as processes and in one, and its weight
    Pages,
    /// Searches and suggestions, on 10,000 and 100,000 products
    Search,
    /// What each service holds, on three sizes of catalogue
    Memory,
    /// Products a second from a file into a shop
    Import,
    /// Carts and orders, as processes and in one, on both databases, and what an order costs
    Orders,
    /// How soon a process answers
    Start,
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
    /// Events a second from a catalog's database to a consumer's
    Feeds(feeds::Options),
}

/// Runs the bench, or the part of it that this process is.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    match &options.part {
        Some(Part::Stock(stock)) => stock::run(stock)?,
        Some(Part::InProcess(in_process)) => in_process::run(in_process)?,
        Some(Part::Feeds(feeds)) => feeds::run(feeds)?,
        None => {
            let report = report(options)?;
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

/// Measures the sections that were asked for and writes them down.
fn report(options: &Options) -> anyhow::Result<String> {
    let Effort { rounds, requests } = options.effort();
    let mut text = format!(
        "# Benchmarks\n\n\
         Made by `cargo run --release -p cli --features bench -- bench --rounds {rounds} --requests {requests} --out docs/benchmarks.md`;\n\
         two empty PostgreSQL databases a section (`--postgres URL,URL`), a server with one for each service (`--database URL`)\n\
         and `--cold .`, a first `cargo run`, add to it.\n\
         It needs `taskset`, `perf`, and `h2load` and `envoy` on PATH (`tests/peers/install h2load envoy`).\n\n\
         Servers are pinned to one core and the load to another; {requests} requests a measurement, {rounds} rounds in which the\n\
         variants take turns. A cost is the servers' CPU time, summed over their threads. The machine is shared and\n\
         noisy: quote ratios, which are of the same round; figures are medians. Without TLS and authorization.\n\n"
    );
    let fixture = Fixture::prepare()?;
    let mut postgres = options.postgres.iter().map(|Pair(urls)| urls);
    for section in Section::value_variants() {
        if options.only.is_empty() || options.only.contains(section) {
            text += &match section {
                Section::Calls => calls::measure(options, &fixture),
                Section::Sidecar => sidecar::measure(options, &fixture),
                Section::Replicas => replicas::measure(options, &fixture),
                Section::Acceptors => acceptors::measure(options, &fixture),
                Section::Pages => pages::measure(options, &fixture),
                Section::Search => search::measure(options, &fixture),
                Section::Memory => memory::measure(options, &fixture),
                Section::Feeds => feeds::report(&fixture, postgres.next()),
                Section::Import => import::report(options, &fixture, postgres.next()),
                Section::Orders => orders::report(options, &fixture, options.database.as_deref()),
                Section::Start => start::measure(options, &fixture),
            }?;
        }
    }
    Ok(text.trim_end().to_owned() + "\n")
}

/// Says on standard error what is going on.
fn progress(text: std::fmt::Arguments<'_>) {
    let _closed = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("bench: {text}\n")).is_err();
}

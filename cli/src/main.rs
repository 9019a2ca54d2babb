//! The `souk` command: the whole shop in one process, one service of it, and the operator's tools.

#[cfg(feature = "bench")]
mod bench;
mod demo;
mod options;
mod serve;
mod service;

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;
use options::{Command, Demo, Souk};
use tokio::time::Instant;

fn main() -> ExitCode {
    let begun = Instant::now();
    let souk = Souk::parse();
    let ended = match souk.command.unwrap_or(Command::Serve(souk.serve)) {
        Command::Serve(options) => serve::run(&options, begun),
        Command::Service { service } => service.run(),
        Command::Demo { demo: Demo::Load(options) } => demo::run(&options),
        #[cfg(feature = "bench")]
        Command::Bench(options) => bench::run(&options),
    };
    ended.unwrap_or_else(|error| {
        // With its causes, in one line: that is what a log collector keeps together.
        let _closed = writeln!(std::io::stderr(), "souk: {error:#}").is_err();
        ExitCode::FAILURE
    })
}

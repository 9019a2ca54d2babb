//! The `souk` command: the whole shop in one process, one service of it, and the operator's tools.

#[cfg(feature = "bench")]
mod bench;
mod dead_letters;
mod demo;
mod fleet;
mod fsck;
mod import;
mod operator;
mod options;
mod orders;
mod serve;
mod service;
mod shop;
mod token;

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;
use options::{Command, Souk};
use tokio::time::Instant;

fn main() -> ExitCode {
    let begun = Instant::now();
    let souk = Souk::parse();
    let ended = souk.command.unwrap_or(Command::Serve(souk.serve)).run(begun);
    ended.unwrap_or_else(|error| {
        // With its causes, in one line: that is what a log collector keeps together.
        let _closed = writeln!(std::io::stderr(), "souk: {error:#}").is_err();
        ExitCode::FAILURE
    })
}

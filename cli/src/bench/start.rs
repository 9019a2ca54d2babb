//! How soon a process answers.

use std::{
    fmt::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use tokio::time::Instant;

use super::{Options, fixture::Fixture, progress, server::Server};

/// How often a start is measured.
const STARTS: usize = 9;

/// The section, as Markdown.
pub(super) fn measure(options: &Options, fixture: &Fixture) -> anyhow::Result<String> {
    progress(format_args!("starts"));
    let mut text = format!("## Start\n\n| | start to answering, median of {STARTS} |\n|---|---|\n");
    for (name, arguments) in [("souk service catalog", fixture.catalog()), ("souk serve", fixture.shop())] {
        writeln!(text, "| {name}, database there | {} ms |", median_start(&arguments)?.as_millis())?;
    }
    if let Some(checkout) = &options.cold {
        let cold = cold_run(checkout)?;
        writeln!(text, "| `cargo run`, empty target directory, crates downloaded | {} s |", cold.as_secs())?;
    }
    writeln!(text)?;
    Ok(text)
}

fn median_start(arguments: &[String]) -> anyhow::Result<Duration> {
    let mut times = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        times.push(Server::start(arguments)?.started_in());
    }
    times.sort_unstable();
    Ok(times[STARTS / 2])
}

/// `cargo run` in `checkout` with an empty target directory, until the shop answers.
fn cold_run(checkout: &Path) -> anyhow::Result<Duration> {
    progress(format_args!("a cold cargo run"));
    let target = tempfile::tempdir()?;
    let any = "127.0.0.1:0";
    let data = target.path().join("data").to_string_lossy().into_owned();
    let begun = Instant::now();
    let mut child = Command::new("cargo")
        .args(["run", "--quiet", "--locked", "--", "--output", "json", "--data", &data])
        .args(["--http", any, "--grpc", any, "--admin", any])
        .current_dir(checkout)
        .env("CARGO_TARGET_DIR", target.path())
        .stdout(Stdio::piped())
        .spawn()
        .context("start cargo")?;
    let stdout = child.stdout.take().context("read cargo's output")?;
    let first = std::io::BufRead::lines(std::io::BufReader::new(stdout)).next();
    let elapsed = begun.elapsed();
    child.kill()?;
    child.wait()?;
    first.context("cargo run ended before the shop answered")??;
    Ok(elapsed)
}

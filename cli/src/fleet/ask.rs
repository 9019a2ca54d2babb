//! `souk fleet restart` and `souk fleet status`: the other end of [`control`](super::control).

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::Args;
use mesh::Output;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::control::address;

/// Which fleet is asked, and how its answers are printed.
#[derive(Args, Debug)]
#[group(skip)]
struct Whom {
    /// The data directory of the running fleet
    #[arg(long, env = "SOUK_DATA", value_name = "DIR", default_value = "souk-data")]
    data: PathBuf,
    /// How the answers are printed: text, or json (one object a line)
    #[arg(long, value_name = "FORMAT", default_value_t)]
    output: Output,
}

#[derive(Args, Debug)]
#[group(skip)]
pub(super) struct Restart {
    /// The service whose processes are replaced; without it all are
    #[arg(value_name = "NAME")]
    service: Option<String>,
    #[command(flatten)]
    whom: Whom,
}

#[derive(Args, Debug)]
#[group(skip)]
pub(super) struct Status {
    #[command(flatten)]
    whom: Whom,
}

impl Restart {
    /// Prints how it goes. Fails if a successor does not become ready; the process that was to be replaced stays then.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut begun = Instant::now();
        let mut request = json!({"command": "restart"});
        if let Some(service) = &self.service {
            request["service"] = service.as_str().into();
        }
        let last = self.whom.ask(&request, |event| match event["event"].as_str() {
            Some("rolling") => {
                begun = Instant::now();
                None
            }
            Some("rolled") => {
                let from = event["from"].as_u64().map_or_else(|| "none".to_owned(), |pid| pid.to_string());
                let cut = if event["drained"] == true { "" } else { "; calls in flight were cut" };
                let (name, took) = (text(event, "replica"), begun.elapsed().as_millis());
                Some(format!("{name}: process {from} replaced by {} in {took} ms{cut}", event["to"]))
            }
            Some("done") => Some(format!("{} processes replaced", event["rolled"])),
            _ => None,
        })?;
        match last["event"].as_str() {
            Some("done") => Ok(ExitCode::SUCCESS),
            Some("failed") => {
                bail!(
                    "{} was not replaced: {}; the log of the fleet says more",
                    text(&last, "replica"),
                    text(&last, "reason")
                )
            }
            _ => refused(&last),
        }
    }
}

impl Status {
    /// Prints a line for each process. Fails if one of them is not ready.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let last = self.whom.ask(&json!({"command": "status"}), |status| Some(table(status)))?;
        if last["event"] != "status" {
            return refused(&last);
        }
        let ready = last["replicas"].as_array().is_some_and(|rows| rows.iter().all(|row| row["state"] == "ready"));
        Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Whom {
    /// Sends a request and prints each answer, as `show` puts it in words; returns the last one.
    fn ask(&self, request: &Value, mut show: impl FnMut(&Value) -> Option<String>) -> anyhow::Result<Value> {
        let connected = address(&self.data).and_then(|(path, _folder)| UnixStream::connect(path));
        let mut stream = connected.with_context(|| format!("--data: no fleet runs on {}", self.data.display()))?;
        writeln!(stream, "{request}").context("ask the fleet")?;
        let mut last = Value::Null;
        for line in BufReader::new(stream).lines() {
            let line = line.context("read what the fleet answers")?;
            last = serde_json::from_str(&line).with_context(|| format!("understand the fleet: {line}"))?;
            let shown = match self.output {
                Output::Json => Some(line),
                Output::Text if matches!(last["event"].as_str(), Some("failed" | "refused")) => None,
                Output::Text => show(&last),
            };
            if let Some(shown) = shown {
                let mut out = std::io::stdout().lock();
                let _closed = writeln!(out, "{shown}").and_then(|()| out.flush()).is_err();
            }
        }
        Ok(last)
    }
}

fn refused(last: &Value) -> anyhow::Result<ExitCode> {
    match last["reason"].as_str() {
        Some(reason) => bail!("the fleet refuses: {reason}"),
        None => bail!("the fleet ended before it had answered"),
    }
}

fn table(status: &Value) -> String {
    let rows = status["replicas"].as_array().into_iter().flatten().map(|row| {
        let (name, state) = (text(row, "name"), text(row, "state"));
        let pid = row["pid"].as_u64().map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let exit = row["last_exit"].as_str().map(|exit| format!(", last {exit}")).unwrap_or_default();
        let (grpc, admin) = (text(row, "grpc"), text(row, "admin"));
        let restarts = &row["restarts"];
        format!("{name:<14} {state:<9} pid {pid:<8} gRPC {grpc:<17} admin {admin:<17} restarts {restarts}{exit}")
    });
    let external = status["external"].as_object().into_iter().flatten();
    let elsewhere =
        external.map(|(service, at)| format!("{service:<14} elsewhere, at {}", at.as_str().unwrap_or_default()));
    rows.chain(elsewhere).collect::<Vec<_>>().join("\n")
}

fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field].as_str().unwrap_or_default()
}

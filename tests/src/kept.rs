//! `souk fleet`: the shop as a process a replica, kept running.

use std::{
    fs, ops,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Running, Signal, eventually, get, souk};

/// A fleet that `souk fleet` keeps running, open.
#[derive(Debug)]
pub struct Kept {
    /// Where the web pages are.
    pub http: String,
    /// Where the edge is.
    pub edge: String,
    data: PathBuf,
    running: Running,
    _own: Option<TempDir>,
}

impl Kept {
    /// Opens a fleet on a data directory of its own.
    ///
    /// # Panics
    /// If it does not open.
    pub async fn open(more: &[&str]) -> Self {
        Self::open_as(souk(), more, &[]).await
    }

    /// The same from another file of the program, and with these variables.
    ///
    /// # Panics
    /// If it does not open.
    pub async fn open_as(program: &Path, more: &[&str], environment: &[(&str, &str)]) -> Self {
        let own = tempfile::tempdir().expect("a directory for the data");
        let mut running = Self::start_on(program, own.path(), more, environment);
        let listening = running.listening().await;
        let at = |port: &str| listening[port].as_str().expect("an address").to_owned();
        let data = own.path().to_owned();
        Self { http: at("http"), edge: at("grpc"), data, running, _own: Some(own) }
    }

    /// Starts one without waiting for it, on free ports.
    ///
    /// # Panics
    /// If the path is not UTF-8.
    #[must_use]
    pub fn start_on(program: &Path, data: &Path, more: &[&str], environment: &[(&str, &str)]) -> Running {
        let (data, free) = (data.to_str().expect("a path in UTF-8"), "127.0.0.1:0");
        let arguments = ["fleet", "--data", data, "--output", "json", "--http", free, "--grpc", free, "--admin", free];
        let keys = test_operator::keys().to_string();
        Running::start_as(program, &[&arguments[..], &["--token-keys", &keys], more].concat(), environment)
    }

    /// Where its data is.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What `fleet.json` says now.
    ///
    /// # Errors
    /// If there is none, or it is no JSON.
    pub fn sheet(&self) -> Result<Value> {
        sheet(&self.data)
    }

    /// What `fleet.json` says of a replica.
    ///
    /// # Errors
    /// If it says nothing.
    pub fn replica(&self, name: &str) -> Result<Value> {
        let sheet = self.sheet()?;
        let mut rows = sheet["replicas"].as_array().context("it has no replicas")?.iter();
        rows.find(|row| row["name"] == name).cloned().with_context(|| format!("it has no {name}"))
    }

    /// The process of a replica.
    ///
    /// # Panics
    /// If there is none now.
    #[must_use]
    pub fn pid(&self, name: &str) -> u64 {
        let row = self.replica(name).expect("a row in fleet.json");
        row["pid"].as_u64().unwrap_or_else(|| panic!("it has no process: {row}"))
    }

    /// Sends a signal to the process of a replica.
    ///
    /// # Panics
    /// If there is none.
    pub fn signal_to(&self, name: &str, signal: Signal) -> u64 {
        let pid = self.pid(name);
        let process = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(process, signal).expect("send a signal");
        pid
    }

    /// Waits until a replica is ready with a process that is none of these; gives its row.
    ///
    /// # Panics
    /// If that does not come about.
    pub async fn ready_again(&self, name: &str, not: &[u64]) -> Value {
        eventually(&format!("{name} is ready with another process"), async || {
            let row = self.replica(name)?;
            let other = row["pid"].as_u64().is_some_and(|pid| !not.contains(&pid));
            ensure!(row["state"] == "ready" && other, "{row}");
            Ok(row)
        })
        .await
    }

    /// Calls of `method` that a replica has answered, by its own count.
    ///
    /// # Errors
    /// If its metrics cannot be read.
    pub async fn calls_taken(&self, name: &str, method: &str) -> Result<u64> {
        let (begin, method) = ("grpc_server_call_duration_seconds_count{", format!("/{method}\""));
        let row = self.replica(name)?;
        let (status, page) = get(row["admin"].as_str().context("it has no admin port")?, "/metrics").await?;
        ensure!(status == 200, "{page}");
        let lines = page.lines().filter(|line| line.starts_with(begin) && line.contains(&method));
        lines.map(|line| Ok(line.rsplit_once(' ').context("a sample without a value")?.1.parse::<u64>()?)).sum()
    }

    /// Asks the fleet to replace the processes of a service, or all.
    #[must_use]
    pub fn restart(&self, service: Option<&str>) -> Running {
        let data = self.data.to_str().expect("a path in UTF-8");
        let arguments = ["fleet", "restart", "--data", data, "--output", "json"];
        Running::start(&[&arguments[..], service.as_slice()].concat(), &[])
    }
}

/// What the `fleet.json` of a data directory says.
///
/// # Errors
/// If there is none, or it is no JSON.
pub fn sheet(data: &Path) -> Result<Value> {
    let text = fs::read_to_string(data.join("fleet.json")).context("read fleet.json")?;
    serde_json::from_str(&text).with_context(|| format!("read {text:?}"))
}

impl ops::Deref for Kept {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

impl ops::DerefMut for Kept {
    fn deref_mut(&mut self) -> &mut Running {
        &mut self.running
    }
}

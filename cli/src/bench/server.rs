//! Server processes pinned to one core, with what they have used.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use serde_json::Value;
use tokio::time::Instant;

use super::operator;

/// The core of the servers, and that of the load.
pub(super) const CORES: (&str, &str) = ("0", "1");

/// A server that answers; killed when dropped.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    listening: Value,
    started_in: Duration,
}

/// What a process holds in memory, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resident(pub(super) u64);

impl Server {
    /// Starts this program with `arguments` and waits for its `listening` line.
    pub(super) fn start<S: AsRef<str>>(arguments: &[S]) -> anyhow::Result<Self> {
        Self::spawn(souk(arguments, Cores::Servers)?)
    }

    /// The same on all cores.
    pub(super) fn start_on_all_cores<S: AsRef<str>>(arguments: &[S]) -> anyhow::Result<Self> {
        Self::spawn(souk(arguments, Cores::All)?)
    }

    /// Starts a command that prints a `listening` line.
    pub(super) fn spawn(mut command: Command) -> anyhow::Result<Self> {
        command.env("TOKEN_KEYS", operator::keys().to_string());
        let begun = Instant::now();
        let mut child = command.stdout(Stdio::piped()).spawn().context("start taskset (Debian: util-linux)")?;
        let stdout = child.stdout.take().context("read the server's output")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = lines.next().context("the server ended before it answered")?.context("read the server's output")?;
        let started_in = begun.elapsed();
        let listening = serde_json::from_str(&line).with_context(|| format!("read {line:?}"))?;
        Ok(Self { child, listening, started_in })
    }

    /// A program of somebody else's that listens at `address` and says nothing.
    pub(super) fn foreign(child: Child, address: &str) -> Self {
        Self { child, listening: serde_json::json!({ "grpc": address }), started_in: Duration::ZERO }
    }

    /// The address it printed under `name`.
    pub(super) fn address(&self, name: &str) -> anyhow::Result<&str> {
        self.listening[name].as_str().with_context(|| format!("the server printed no {name} address"))
    }

    /// From the start of the process to its `listening` line.
    pub(super) fn started_in(&self) -> Duration {
        self.started_in
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// CPU time that all its threads have used. The process' own file counts one thread.
    pub(super) fn cpu(&self) -> anyhow::Result<Duration> {
        cpu_of(Path::new(&format!("/proc/{}/task", self.child.id())))
    }

    /// CPU seconds of each of its threads.
    pub(super) fn threads(&self) -> anyhow::Result<Vec<(String, f64)>> {
        let mut found = Vec::new();
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id())).context("read /proc")? {
            let task = task?.path();
            if let Ok(text) = fs::read_to_string(task.join("schedstat")) {
                let nanos = text.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0);
                found.push((task.display().to_string(), Duration::from_nanos(nanos).as_secs_f64()));
            }
        }
        Ok(found)
    }

    pub(super) fn resident(&self) -> anyhow::Result<Resident> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).context("read /proc")?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB"));
        let kib: u64 = kib.and_then(|text| text.trim().parse().ok()).context("read VmRSS")?;
        Ok(Resident(kib * 1024))
    }
}

impl std::iter::Sum for Resident {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        Self(all.map(|one| one.0).sum())
    }
}

impl Resident {
    /// In MiB.
    pub(super) fn mib(self) -> f64 {
        // Resident sizes are far below 2^32 KiB.
        f64::from(u32::try_from(self.0 / 1024).unwrap_or(u32::MAX)) / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill().and_then(|()| self.child.wait()).is_err();
    }
}

/// Which cores a server may use.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cores {
    /// The servers' own, beside which a load has another.
    Servers,
    /// All there are.
    All,
}

/// This program with these arguments.
pub(super) fn souk<S: AsRef<str>>(arguments: &[S], cores: Cores) -> anyhow::Result<Command> {
    let program = std::env::current_exe().context("find this program")?;
    let mut command = match cores {
        Cores::All => Command::new(program),
        Cores::Servers => {
            let mut command = pinned();
            command.arg(program);
            command
        }
    };
    command.args(arguments.iter().map(AsRef::as_ref)).env("LOG", "error");
    Ok(command)
}

/// A command that will run on the servers' core.
pub(super) fn pinned() -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", CORES.0]);
    command
}

/// CPU time of the threads in a `/proc/…/task` folder.
pub(super) fn cpu_of(tasks: &Path) -> anyhow::Result<Duration> {
    let mut nanos = 0;
    for task in fs::read_dir(tasks).with_context(|| format!("read {}", tasks.display()))? {
        // A thread may end while the folder is read.
        if let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) {
            nanos += text.split_whitespace().next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    Ok(Duration::from_nanos(nanos))
}

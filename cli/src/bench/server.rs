//! A server process pinned to one core, with what it has used.

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
    pub(super) fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("find this program")?;
        let begun = Instant::now();
        let mut child = Command::new("taskset")
            .args(["-c", CORES.0])
            .arg(program)
            .args(arguments)
            .env("LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .context("start taskset (Debian: util-linux)")?;
        let stdout = child.stdout.take().context("read the server's output")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = lines.next().context("the server ended before it answered")?.context("read the server's output")?;
        let started_in = begun.elapsed();
        let listening = serde_json::from_str(&line).with_context(|| format!("read {line:?}"))?;
        Ok(Self { child, listening, started_in })
    }

    /// The address it printed under `name`.
    pub(super) fn address(&self, name: &str) -> anyhow::Result<&str> {
        self.listening[name].as_str().with_context(|| format!("the server printed no {name} address"))
    }

    /// From the start of the process to its `listening` line.
    pub(super) fn started_in(&self) -> Duration {
        self.started_in
    }

    /// CPU time that all its threads have used. The process' own file counts one thread.
    pub(super) fn cpu(&self) -> anyhow::Result<Duration> {
        cpu_of(Path::new(&format!("/proc/{}/task", self.child.id())))
    }

    pub(super) fn resident(&self) -> anyhow::Result<Resident> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).context("read /proc")?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB"));
        let kib: u64 = kib.and_then(|text| text.trim().parse().ok()).context("read VmRSS")?;
        Ok(Resident(kib * 1024))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill().and_then(|()| self.child.wait()).is_err();
    }
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

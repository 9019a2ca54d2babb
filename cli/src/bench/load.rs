//! Load by `h2load`, from a core of its own.

use std::{path::PathBuf, process::Command, rc::Rc, time::Duration};

use anyhow::{Context as _, ensure};

use super::server::{CORES, Server};

/// A request that is made again and again.
#[derive(Clone, Debug)]
pub(super) struct Call {
    path: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// gRPC over HTTP/2, with these files of framed requests in turn.
    Grpc(Vec<PathBuf>),
    /// A page over HTTP/1.1, as proxies and browsers ask for it without TLS.
    Page,
}

/// What a measurement gave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Requests a second of the servers' CPU time.
    pub(super) per_core: f64,
    /// Requests a second of wall time.
    pub(super) per_second: f64,
}

/// Latencies of calls made one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alone {
    pub(super) p50: Duration,
    pub(super) p99: Duration,
}

impl Call {
    /// A gRPC method, `service/method`, called with each of these files of framed requests in turn.
    pub(super) fn grpc(method: &str, requests: Vec<PathBuf>) -> Self {
        Self { path: method.to_owned(), kind: Kind::Grpc(requests) }
    }

    /// A page, by its path without the slash in front.
    pub(super) fn page(path: &str) -> Self {
        Self { path: path.to_owned(), kind: Kind::Page }
    }

    /// 128 requests at once; `servers` are all that work for an answer.
    pub(super) fn load(&self, servers: &[Rc<Server>], address: &str, requests: u32) -> anyhow::Result<Sample> {
        let cpu = || servers.iter().map(|server| server.cpu()).sum::<anyhow::Result<Duration>>();
        let before = cpu()?;
        let per_second = self.run(address, requests)?;
        let used = cpu()?.saturating_sub(before);
        Ok(Sample { per_core: f64::from(requests) / used.as_secs_f64(), per_second })
    }

    /// The same without a look at the servers: requests a second.
    pub(super) fn run(&self, address: &str, requests: u32) -> anyhow::Result<f64> {
        let (connections, streams) = match self.kind {
            Kind::Grpc(_) => (8, "16"),
            Kind::Page => (128, "1"),
        };
        let mut took = 0.0;
        let shares = self.shares(requests);
        for (body, share) in &shares {
            // Each connection has to make a request.
            let connections = connections.min(*share).to_string();
            let out = self.h2load(address, *body, &["-n", &share.to_string(), "-c", &connections, "-m", streams])?;
            let all = format!("{share} succeeded, 0 failed, 0 errored");
            ensure!(out.contains(&all), "not every request succeeded: {out}");
            let finished = out.lines().find_map(|line| line.strip_prefix("finished in "));
            let per_second =
                finished.and_then(|line| line.split(", ").nth(1)?.strip_suffix(" req/s")?.parse::<f64>().ok());
            took += f64::from(*share) / per_second.with_context(|| format!("read h2load's output: {out}"))?;
        }
        Ok(f64::from(shares.iter().map(|(_, share)| share).sum::<u32>()) / took)
    }

    /// One connection, one stream: each call waits for the one before.
    pub(super) fn alone(&self, address: &str, requests: u32) -> anyhow::Result<Alone> {
        let mut micros: Vec<u64> = Vec::new();
        for (body, share) in self.shares(requests) {
            let log = tempfile::NamedTempFile::new().context("make a file for h2load's log")?;
            let path = log.path().to_string_lossy().into_owned();
            self.h2load(address, body, &["-n", &share.to_string(), "-c", "1", "-m", "1", "--log-file", &path])?;
            let text = std::fs::read_to_string(log.path()).context("read h2load's log")?;
            micros.extend(text.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok()));
        }
        ensure!(!micros.is_empty(), "h2load logged no request");
        micros.sort_unstable();
        let at = |share: usize| Duration::from_micros(micros[(micros.len() - 1) * share / 100]);
        Ok(Alone { p50: at(50), p99: at(99) })
    }

    /// What is sent, and how often each.
    fn shares(&self, requests: u32) -> Vec<(Option<&PathBuf>, u32)> {
        match &self.kind {
            Kind::Page => vec![(None, requests)],
            Kind::Grpc(bodies) => {
                let each = requests / u32::try_from(bodies.len()).unwrap_or(u32::MAX).max(1);
                bodies.iter().map(|body| (Some(body), each.max(1))).collect()
            }
        }
    }

    fn h2load(&self, address: &str, body: Option<&PathBuf>, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new("taskset");
        command.args(["-c", CORES.1, "h2load"]).args(arguments);
        match body {
            Some(body) => {
                command.arg("-d").arg(body).args(["-H", "content-type: application/grpc", "-H", "te: trailers"]);
            }
            None => {
                command.arg("--h1");
            }
        }
        let output = command
            .arg(format!("http://{address}/{}", self.path))
            .output()
            .context("start h2load (Debian: nghttp2-client)")?;
        ensure!(output.status.success(), "h2load: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

//! Load by `h2load`, from a core of its own.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context as _, ensure};

use super::server::{CORES, Server};

/// A gRPC call that is made again and again.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) method: &'a str,
    /// A file with the framed request.
    pub(super) body: &'a Path,
}

/// What a measurement gave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Requests a second of the server's CPU time.
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

impl Call<'_> {
    /// 8 connections with 16 streams each.
    pub(super) fn load(&self, server: &Server, address: &str, requests: u32) -> anyhow::Result<Sample> {
        let before = server.cpu()?;
        let out = self.h2load(address, &["-n", &requests.to_string(), "-c", "8", "-m", "16"])?;
        let used = server.cpu()?.saturating_sub(before);
        let all = format!("{requests} succeeded, 0 failed, 0 errored");
        ensure!(out.contains(&all), "not every request succeeded: {out}");
        let finished = out.lines().find_map(|line| line.strip_prefix("finished in "));
        let per_second = finished.and_then(|line| line.split(", ").nth(1)?.strip_suffix(" req/s")?.parse().ok());
        let per_second = per_second.with_context(|| format!("read h2load's output: {out}"))?;
        Ok(Sample { per_core: f64::from(requests) / used.as_secs_f64(), per_second })
    }

    /// One connection, one stream: each call waits for the one before.
    pub(super) fn alone(&self, address: &str, requests: u32) -> anyhow::Result<Alone> {
        let log = tempfile::NamedTempFile::new().context("make a file for h2load's log")?;
        let path = log.path().to_string_lossy().into_owned();
        self.h2load(address, &["-n", &requests.to_string(), "-c", "1", "-m", "1", "--log-file", &path])?;
        let text = std::fs::read_to_string(log.path()).context("read h2load's log")?;
        let mut micros: Vec<u64> =
            text.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse().ok()).collect();
        ensure!(!micros.is_empty(), "h2load logged no request");
        micros.sort_unstable();
        let at = |share: usize| Duration::from_micros(micros[(micros.len() - 1) * share / 100]);
        Ok(Alone { p50: at(50), p99: at(99) })
    }

    fn h2load(&self, address: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new("taskset")
            .args(["-c", CORES.1, "h2load"])
            .args(arguments)
            .arg("-d")
            .arg(self.body)
            .args(["-H", "content-type: application/grpc", "-H", "te: trailers"])
            .arg(format!("http://{address}/{}", self.method))
            .output()
            .context("start h2load (Debian: nghttp2-client)")?;
        ensure!(output.status.success(), "h2load: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

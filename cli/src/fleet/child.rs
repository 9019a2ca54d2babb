//! One process of the fleet, from its start to its end.

use std::{os::unix::process::CommandExt as _, process::Stdio, time::Duration};

use anyhow::Context as _;
use command_fds::{CommandFdExt as _, FdMapping};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{sync::watch, time::Instant, time::timeout};

use super::{launch::Launch, lines, plan::Place, socket::Loan};

/// The first descriptor that is handed down (`sd_listen_fds(3)`).
const FIRST_DESCRIPTOR: i32 = 3;

/// A process that has not been waited for. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Child {
    pid: u32,
    process: tokio::process::Child,
    ready: watch::Receiver<bool>,
    ready_since: Option<Instant>,
    _loans: Vec<Loan>,
}

/// What happens to a process.
#[derive(Debug)]
pub(super) enum Event {
    /// It listens and is ready.
    Ready,
    /// It has ended, and how.
    Ended(String),
}

impl Child {
    /// Starts the process of a replica on its listeners, in a group of its own: Ctrl-C in a terminal goes to a whole group,
    /// and these are to be drained in order.
    pub(super) fn start(launch: &Launch, place: &Place) -> anyhow::Result<Self> {
        let (mut mappings, mut loans, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for (child_fd, (name, socket)) in (FIRST_DESCRIPTOR..).zip(&place.sockets) {
            let (parent_fd, loan) = socket.lend()?;
            mappings.push(FdMapping { parent_fd, child_fd });
            loans.push(loan);
            names.push(*name);
        }
        let (out, write_out) = std::io::pipe().context("make a pipe")?;
        let (err, write_err) = std::io::pipe().context("make a pipe")?;
        let mut command = launch.command(place);
        command.env("LISTEN_FDS", names.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        command.env_remove("LISTEN_PID").env_remove("LISTEN_FDS_FIRST_FD");
        command.stdin(Stdio::null()).stdout(write_out).stderr(write_err).process_group(0).arg0("souk");
        command.fd_mappings(mappings).context("hand the listeners down")?;
        let mut command = tokio::process::Command::from(command);
        let process = command.kill_on_drop(true).spawn().context("start a process")?;
        // The writing ends, which the command has, would keep the streams open.
        drop(command);
        let pid = process.id().context("a process that has just been started is gone")?;
        let (say_ready, ready) = watch::channel(false);
        if let Some(label) = launch.label(place) {
            lines::follow(out, label.clone(), Some(say_ready), launch.reading().clone());
            lines::follow(err, label.clone(), None, launch.reading().clone());
        }
        Ok(Self { pid, process, ready, ready_since: None, _loans: loans })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Resolves when it ends, and before that once when it says that it listens.
    pub(super) async fn next(&mut self) -> Event {
        tokio::select! {
            status = self.process.wait() => Event::Ended(status.map_or_else(
                |error| format!("unknown: {error}"),
                |status| status.to_string(),
            )),
            // A process that has ended says it no more, and then its end comes.
            Ok(_) = self.ready.wait_for(|ready| *ready), if self.ready_since.is_none() => {
                self.ready_since = Some(Instant::now());
                Event::Ready
            }
        }
    }

    /// How long it has been ready, if it is.
    pub(super) fn ready_for(&self) -> Option<Duration> {
        self.ready_since.map(|since| since.elapsed())
    }

    /// Sends it a signal and waits for its end, which `limit` brings at the latest. Returns whether it ended well.
    pub(super) async fn end(mut self, name: &str, signal: Signal, limit: Duration) -> bool {
        // Its number is its own until it has been waited for.
        let pid = self.process.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
        let _gone = pid.is_some_and(|pid| kill_process(pid, signal).is_err());
        match timeout(limit, self.process.wait()).await {
            Ok(ended) => ended.is_ok_and(|status| status.success()),
            Err(_) => {
                tracing::warn!(
                    replica = name,
                    pid = self.pid,
                    limit_s = limit.as_secs_f64(),
                    "did not end and is killed"
                );
                let _gone = self.process.kill().await.is_err();
                false
            }
        }
    }
}

//! A process of the shop, from its start to its end, which comes with the test's at the latest.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read, Write as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, Result, ensure};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use serde_json::Value;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};

use crate::{LIMIT, eventually, souk};

/// A `souk` process. It is killed when this is dropped, and its output shown if the test has failed.
#[derive(Debug)]
pub struct Running {
    command: String,
    child: Child,
    events: UnboundedReceiver<Value>,
    output: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    /// Starts `souk` with these arguments, and these variables as its whole environment.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_as(souk(), arguments, environment)
    }

    /// The same from another file of the program.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start_as(program: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("start souk");
        let (sender, events) = unbounded_channel();
        let output = Arc::new(Mutex::new(String::new()));
        let readers = vec![
            keep(child.stdout.take().expect("its standard output"), &output, Some(sender)),
            keep(child.stderr.take().expect("its standard error"), &output, None),
        ];
        Self { command: arguments.join(" "), child, events, output, readers }
    }

    /// The next JSON object that it prints.
    ///
    /// # Panics
    /// If none comes in time, or it ends instead.
    pub async fn event(&mut self) -> Value {
        match timeout(LIMIT, self.events.recv()).await {
            Ok(Some(event)) => event,
            Ok(None) => panic!("souk {} ended:\n{}", self.command, self.output()),
            Err(_) => panic!("souk {} printed nothing within {LIMIT:?}:\n{}", self.command, self.output()),
        }
    }

    /// Waits until it answers, and gives the line that says where.
    ///
    /// # Panics
    /// If it prints something else first.
    pub async fn listening(&mut self) -> Value {
        let event = self.event().await;
        assert_eq!(event["event"], "listening", "{event}");
        event
    }

    /// Waits until it has ended by itself, and has said all that it had to say.
    ///
    /// # Panics
    /// If it does not in time.
    pub async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        let status = eventually("the process ends", async || child.try_wait()?.context("it still runs")).await;
        for reader in self.readers.drain(..) {
            reader.join().expect("a reader of its output");
        }
        status
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// If it has ended.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("send a signal");
    }

    /// Ends it as a crash would.
    ///
    /// # Panics
    /// If it cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait for a killed process");
    }

    /// Its standard output and standard error so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The memory it has in use now, in KiB.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn resident_kib(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).context("read its status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("it has no memory any more")?;
        let (number, unit) = line.trim().split_once(' ').context("read VmRSS")?;
        ensure!(unit == "kB", "VmRSS is in {unit}");
        Ok(number.parse()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill().and_then(|()| self.child.wait()).is_err();
        for reader in self.readers.drain(..) {
            let _panicked = reader.join().is_err();
        }
        if thread::panicking() {
            let shown = format!("--- souk {}\n{}---\n", self.command, self.output());
            let _closed = std::io::stderr().write_all(shown.as_bytes()).is_err();
        }
    }
}

/// Keeps what a process prints, so that it never waits for a reader, and passes its JSON objects on.
fn keep(
    from: impl Read + Send + 'static,
    output: &Arc<Mutex<String>>,
    events: Option<UnboundedSender<Value>>,
) -> JoinHandle<()> {
    let output = Arc::clone(output);
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if let (Some(events), Ok(event)) = (&events, serde_json::from_str(&line)) {
                let _over = events.send(event).is_err();
            }
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            output.push_str(&line);
            output.push('\n');
        }
    })
}

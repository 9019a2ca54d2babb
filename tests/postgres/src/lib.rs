//! A throw-away PostgreSQL for tests, which needs nothing but Rust and a network.
//!
//! One server a test binary ([`Server::shared`]), a fresh database a test ([`Server::create_database`]); a test that kills
//! or pauses the server starts its own ([`Server::start`]). It listens on a Unix socket alone, keeps its data in a directory
//! of its own, and ends with the process that started it, even if that is killed: a guard holds a pipe to it. PostgreSQL
//! refuses to run as root; root's server runs as `postgres`, or as `nobody` where there is no such user.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

mod binaries;

/// How long a server may take to start or to recover from a crash, on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// What the server says when it accepts connections.
const READY: &str = "database system is ready to accept connections";

/// What it says when it cannot start.
const STOPPED: &str = "database system is shut down";

/// A running server. It is stopped and its data removed when this is dropped, or when the process ends.
#[derive(Debug)]
pub struct Server {
    directory: PathBuf,
    guard: Mutex<Guard>,
    databases: AtomicU32,
}

#[derive(Debug)]
struct Guard {
    process: Child,
    /// Taken to make the guard stop the server and end.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// That the server accepts connections, or its last messages if the guard ended.
    ready: Receiver<Result<(), String>>,
}

/// Whom the server runs as; `None` is whoever runs the test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User(Option<(u32, u32)>);

impl Server {
    /// The server that all tests of this process share. Do not stop it.
    ///
    /// # Errors
    /// There is no PostgreSQL and none could be fetched, or it did not start.
    pub fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<Server, String>> = OnceLock::new();
        let server = SHARED.get_or_init(|| Self::start().map_err(|error| format!("{error:#}")));
        server.as_ref().map_err(|error| anyhow!("{error}"))
    }

    /// Starts a server of one's own.
    ///
    /// # Errors
    /// As [`shared`](Self::shared).
    pub fn start() -> Result<Self> {
        let user = User::for_server()?;
        let binaries = binaries::find_or_fetch(user)?;
        // Short and world-reachable: a socket's path has 107 bytes at most, and the server's user must get there.
        let directory = tempfile::Builder::new().prefix("souk-pg-").tempdir_in("/tmp")?;
        if let User(Some((uid, gid))) = user {
            chown(directory.path(), Some(uid), Some(gid)).context("hand the data directory to the server's user")?;
        }
        initialise(&binaries, directory.path(), user)?;
        let guard = Guard::spawn(&binaries, directory.path(), user)?;
        let server = Self { directory: directory.keep(), guard: Mutex::new(guard), databases: AtomicU32::new(0) };
        server.start_again()?;
        Ok(server)
    }

    /// The address of a database, as `DATABASE_URL` takes it.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://souk@localhost/{database}?host={}", self.directory.display())
    }

    /// Makes an empty database and returns its address.
    ///
    /// # Errors
    /// The server is not running.
    pub async fn create_database(&self) -> Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(&self.url("postgres")).await.context("connect to PostgreSQL")?;
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
        connection.close().await?;
        Ok(self.url(&name))
    }

    /// Kills the server and all its processes at once, as a power cut would.
    ///
    /// # Errors
    /// The guard is gone.
    pub fn kill(&self) -> Result<()> {
        self.command("kill")
    }

    /// Starts the server after [`kill`](Self::kill) and returns once it accepts connections.
    ///
    /// # Errors
    /// It did not start.
    pub fn start_again(&self) -> Result<()> {
        self.command("start")?;
        let guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = guard.ready.recv_timeout(START_TIMEOUT).context("PostgreSQL did not start in time")?;
        ready.map_err(|messages| anyhow!("PostgreSQL did not start: {messages}"))
    }

    /// Stops every process of the server where it stands: connections stay open and nothing answers.
    ///
    /// # Errors
    /// The guard is gone.
    pub fn pause(&self) -> Result<()> {
        self.command("pause")
    }

    /// Goes on after [`pause`](Self::pause).
    ///
    /// # Errors
    /// The guard is gone.
    pub fn resume(&self) -> Result<()> {
        self.command("resume")
    }

    fn command(&self, command: &str) -> Result<()> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner).command(command)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let guard = self.guard.get_mut().unwrap_or_else(PoisonError::into_inner);
        guard.commands = None;
        // Nothing can be done about a guard that fails to end.
        guard.process.wait().ok();
    }
}

impl Guard {
    fn spawn(binaries: &Path, directory: &Path, user: User) -> Result<Self> {
        let mut process = user
            .command("/bin/sh")
            .args(["-c", include_str!("guard.sh"), "guard.sh"])
            .args([binaries, directory])
            .current_dir(directory)
            // A Ctrl-C in the terminal is for the test; the guard ends after it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("start the guard of PostgreSQL")?;
        let streams = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (Some(commands), Some(answers), Some(messages)) = streams else { bail!("the guard has no pipes") };
        let (sender, ready) = channel();
        std::thread::spawn(move || watch(BufReader::new(messages), &sender));
        Ok(Self { process, commands: Some(commands), answers: BufReader::new(answers), ready })
    }

    fn command(&mut self, command: &str) -> Result<()> {
        let commands = self.commands.as_mut().context("the guard was stopped")?;
        writeln!(commands, "{command}").context("the guard of PostgreSQL is gone")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        if answer != "done\n" {
            bail!("the guard of PostgreSQL answered {answer:?}");
        }
        Ok(())
    }
}

impl User {
    fn for_server() -> Result<Self> {
        let ours = std::fs::metadata("/proc/self").map(|it| std::os::unix::fs::MetadataExt::uid(&it));
        // Without /proc, a new file tells whose process this is.
        let uid = match ours {
            Ok(uid) => uid,
            Err(_) => std::os::unix::fs::MetadataExt::uid(&tempfile::tempfile()?.metadata()?),
        };
        if uid != 0 {
            return Ok(Self(None));
        }
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let postgres =
            users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find_map(|fields| match fields[..] {
                ["postgres", _, uid, gid, ..] => Some((uid.parse().ok()?, gid.parse().ok()?)),
                _ => None,
            });
        Ok(Self(Some(postgres.unwrap_or((65_534, 65_534)))))
    }

    pub(crate) fn is_root(self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn command(self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Self(Some((uid, gid))) = self {
            command.uid(uid).gid(gid);
        }
        command
    }
}

fn initialise(binaries: &Path, directory: &Path, user: User) -> Result<()> {
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))?;
    let output = user
        .command(binaries.join("initdb"))
        .args(["--username=souk", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"])
        .arg(directory.join("data"))
        .current_dir(directory)
        .output()
        .context("run initdb")?;
    if !output.status.success() {
        bail!("initdb failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    // The machine may not lose power during a test, and a killed server loses nothing without fsync.
    let settings = format!(
        "listen_addresses = ''\nunix_socket_directories = '{}'\nfsync = off\nmax_connections = 200\n\
         shared_buffers = 32MB\nlog_min_messages = warning\n",
        directory.display()
    );
    let path = directory.join("data/postgresql.auto.conf");
    std::fs::write(path, settings).context("write the server's settings")
}

/// Reads the server's messages, so that its pipe never fills, and tells when it is ready or has failed.
fn watch(messages: impl std::io::BufRead, ready: &Sender<Result<(), String>>) {
    let mut last = String::new();
    for line in messages.lines().map_while(Result::ok) {
        if line.contains(READY) {
            ready.send(Ok(())).ok();
        } else if line.contains(STOPPED) {
            ready.send(Err(std::mem::take(&mut last))).ok();
        } else if line.contains("FATAL") || line.contains("PANIC") {
            last = line;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_killed_server_starts_again_at_once_however_many_processes_it_had() {
        let server = Server::start().unwrap();
        for round in 0..15 {
            let mut connections = Vec::new();
            for _ in 0..30 {
                connections.push(PgConnection::connect(&server.url("postgres")).await.unwrap());
            }
            server.kill().unwrap();
            server.start_again().unwrap_or_else(|error| panic!("round {round}: {error:#}"));
        }
    }
}

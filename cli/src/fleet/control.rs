//! Takes orders for a running fleet, over a Unix socket in its data directory.
//!
//! A client sends one request, a JSON object on one line, and reads answers, a JSON object a line, until the fleet closes:
//!
//! ```text
//! {"command":"status"}                          {"event":"status", …} with what fleet.json holds
//! {"command":"restart"}                         for each process in turn:
//! {"command":"restart","service":"catalog"}       {"event":"rolling","replica":"catalog.1"}
//!                                                 {"event":"rolled","replica":"catalog.1","from":7,"to":9,"drained":true}
//!                                               and at the end {"event":"done","rolled":1},
//!                                               or {"event":"failed","replica":"catalog.1","reason":"…"}
//! anything else                                 {"event":"refused","reason":"…"}
//! ```
//!
//! A restart whose client goes away ends with the process that it is at.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use rustix::{
    fd::AsRawFd as _,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    task::spawn_local,
    time::{sleep, timeout},
};

use super::{board::Board, crew::Crew};
use crate::shop::Data;

pub(super) const SOCKET_FILE: &str = "fleet.sock";

/// Bytes of a request at most.
const REQUEST_BYTES_MAX: u64 = 4096;

/// Clients at a time.
const CLIENTS_MAX: usize = 8;

/// How long a client may take to send its request, or to read an answer.
const CLIENT_MAX: Duration = Duration::from_secs(5);

/// What is waited when a client cannot be accepted for want of resources.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// The longest path that fits into the address of a Unix socket (`unix(7)`).
const PATH_BYTES_MAX: usize = 107;

#[derive(Debug, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase", deny_unknown_fields)]
enum Request {
    Status {},
    Restart {
        #[serde(default)]
        service: Option<String>,
    },
}

/// The socket, removed at the end.
#[derive(Debug)]
pub(super) struct Control {
    path: PathBuf,
    listener: UnixListener,
}

impl Drop for Control {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.path).is_err();
    }
}

impl Control {
    /// Listens, for this user alone. Whoever holds the data directory may replace a socket that a killed fleet left.
    pub(super) fn bind(data: &Data) -> anyhow::Result<Self> {
        let path = data.path().join(SOCKET_FILE);
        let listener = Self::listen(data.path(), &path);
        let listener = listener.with_context(|| format!("--data: listen on {}", path.display()))?;
        Ok(Self { path, listener })
    }

    fn listen(data: &Path, path: &Path) -> io::Result<UnixListener> {
        let _none = fs::remove_file(path).is_err();
        let (address, _folder) = address(data)?;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        bind(&socket, &SocketAddrUnix::new(&address)?)?;
        // Before it listens: nobody else gets in meanwhile.
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        listen(&socket, i32::try_from(CLIENTS_MAX).unwrap_or(i32::MAX))?;
        let listener = std::os::unix::net::UnixListener::from(socket);
        listener.set_nonblocking(true)?;
        UnixListener::from_std(listener)
    }

    /// Answers clients until it is dropped.
    pub(super) async fn serve(self, crew: Rc<Crew>, board: Rc<Board>) {
        let places = Arc::new(Semaphore::new(CLIENTS_MAX));
        loop {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let (mut stream, _) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept orders");
                    sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            };
            let (crew, board) = (Rc::clone(&crew), Rc::clone(&board));
            spawn_local(async move {
                // A client that is gone needs no answer.
                let _gone = talk(&mut stream, &crew, &board).await.is_err();
                drop(place);
            });
        }
    }
}

/// Where the socket of a data directory is. A path that is too long for an address goes by way of the open directory.
pub(super) fn address(data: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let path = data.join(SOCKET_FILE);
    if path.as_os_str().len() <= PATH_BYTES_MAX {
        return Ok((path, None));
    }
    let folder = File::open(data)?;
    Ok((format!("/proc/self/fd/{}/{SOCKET_FILE}", folder.as_raw_fd()).into(), Some(folder)))
}

async fn talk(stream: &mut UnixStream, crew: &Crew, board: &Board) -> io::Result<()> {
    let mut line = Vec::new();
    let mut reader = BufReader::new((&mut *stream).take(REQUEST_BYTES_MAX));
    timeout(CLIENT_MAX, reader.read_until(b'\n', &mut line)).await??;
    match serde_json::from_slice(&line) {
        Ok(Request::Status {}) => {
            let mut status = board.json();
            status["event"] = "status".into();
            say(stream, &status).await
        }
        Ok(Request::Restart { service }) => restart(stream, crew, service.as_deref()).await,
        Err(error) => say(stream, &json!({"event": "refused", "reason": format!("that is no request: {error}")})).await,
    }
}

async fn restart(stream: &mut UnixStream, crew: &Crew, service: Option<&str>) -> io::Result<()> {
    let roll = match crew.roll(service) {
        Ok(roll) => roll,
        Err(reason) => return say(stream, &json!({"event": "refused", "reason": reason})).await,
    };
    let mut rolled = 0;
    for name in roll.names() {
        say(stream, &json!({"event": "rolling", "replica": name})).await?;
        match roll.replace(name).await {
            Ok(done) => {
                let (from, to, drained) = (done.from, done.to, done.drained);
                tracing::info!(replica = name, from, to, drained, "process replaced");
                let event = json!({"event": "rolled", "replica": name, "from": from, "to": to, "drained": drained});
                say(stream, &event).await?;
            }
            Err(reason) => return say(stream, &json!({"event": "failed", "replica": name, "reason": reason})).await,
        }
        rolled += 1;
    }
    say(stream, &json!({"event": "done", "rolled": rolled})).await
}

async fn say(stream: &mut UnixStream, event: &Value) -> io::Result<()> {
    timeout(CLIENT_MAX, stream.write_all(format!("{event}\n").as_bytes())).await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_too_long_for_a_socket_is_reached_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("d".repeat(120));
        fs::create_dir(&deep).unwrap();
        let (listening, _folder) = address(&deep).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(listening).unwrap();
        let (connecting, _folder) = address(&deep).unwrap();
        std::os::unix::net::UnixStream::connect(connecting).unwrap();
        assert!(deep.join(SOCKET_FILE).exists());
    }

    #[test]
    fn requests_are_what_is_written_above() {
        let read = serde_json::from_str::<Request>;
        assert!(matches!(read(r#"{"command":"status"}"#), Ok(Request::Status {})));
        assert!(matches!(read(r#"{"command":"restart"}"#), Ok(Request::Restart { service: None })));
        assert!(matches!(read(r#"{"command":"restart","service":"a"}"#), Ok(Request::Restart { service: Some(_) })));
        for other in ["", "[]", r#"{"command":"stop"}"#, r#"{"command":"restart","servic":"a"}"#] {
            assert!(read(other).is_err(), "{other}");
        }
    }
}

//! A process that has no file descriptor left: it accepts nothing, says so, and goes on when it has one again.
//!
//! Alone in its binary, since the limit is the whole process'.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use mesh::{ListenAddress, Process, process::Stopped};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(20);

/// Takes every descriptor but one, which the caller's own end of a connection needs.
fn take_all_but_one() -> Vec<File> {
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    taken.pop();
    taken
}

fn accept_errors(process: &Process) -> u64 {
    let metrics = process.metrics().encode();
    let line = metrics.lines().find_map(|line| line.strip_prefix(r#"mesh_accept_errors_total{service="admin"} "#));
    line.map_or(0, |count| count.parse().unwrap())
}

async fn until_accepting_fails(process: &Process) {
    let (before, end) = (accept_errors(process), Instant::now() + PATIENCE);
    while accept_errors(process) == before {
        assert!(Instant::now() < end, "accepting does not fail");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn without_a_free_descriptor_accepting_waits_for_one_or_for_the_drain() {
    let process = Process::start("test", mesh::process::Options::default(), None).unwrap();
    let listener = process.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let ListenAddress::Tcp(address) = *listener.address() else { panic!("not TCP") };
    process.serve_admin(listener);
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(128), maximum: limit.maximum }).unwrap();

    let taken = take_all_but_one();
    let mut waiting = TcpStream::connect(address).unwrap();
    until_accepting_fails(&process).await;
    drop(taken);
    waiting.write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    waiting.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let _taken = take_all_but_one();
    let _waiting = TcpStream::connect(address).unwrap();
    until_accepting_fails(&process).await;
    let stopped = timeout(PATIENCE, process.stop(Duration::ZERO)).await.expect("the drain ends the waiting");
    assert_eq!(stopped, Stopped::Drained);
}

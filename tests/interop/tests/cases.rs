#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
//! Every case of ours against a server of ours, over each way that a call can take.

use std::time::Duration;

use interop::client::{Amount, CASES, Subject, TARGET};
use mesh::{Directory, ListenAddress, Process};

/// Enough to see that a case works; the suite with other implementations' servers does as much as the descriptions ask for.
const AMOUNT: Amount = Amount {
    soak_iterations: 3,
    // Whoever tests on a busy machine learns nothing from how long a call took there.
    soak_latency_max: Duration::from_secs(30),
    concurrent_calls: 100,
    callers: 8,
    calling_time: Duration::from_millis(200),
};

fn process(name: &str) -> Process {
    Process::start(name, mesh::process::Options { cores: 2, ..Default::default() }, None).unwrap()
}

/// Runs every case against a server that listens at `address`, and tells the server's process.
fn every_case_passes_at(address: &ListenAddress) -> Process {
    let (server, directory) = (process("interop-server"), Directory::default());
    let listener = server.bind(address).unwrap();
    directory.remote(TARGET.name(), listener.address().dial());
    server.serve_grpc(listener, interop::server::start(&server).unwrap());
    every_case_passes(&Subject::new(process("interop-client"), &directory, AMOUNT).unwrap());
    server
}

fn every_case_passes(subject: &Subject) {
    for (case, _) in CASES {
        let outcome = subject.process().block_on(subject.run(case));
        assert!(outcome.is_ok(), "{case}: {:#}", outcome.unwrap_err());
    }
}

#[test]
fn every_case_passes_over_tcp_and_the_server_hears_of_calls_that_were_given_up() {
    let server = every_case_passes_at(&"127.0.0.1:0".parse().unwrap());
    for method in ["StreamingInputCall", "FullDuplexCall"] {
        let labels = format!("grpc_method=\"grpc.testing.TestService/{method}\",grpc_status=\"CANCELLED\"");
        let heard = || {
            let metrics = server.metrics().encode();
            metrics
                .lines()
                .any(|line| line.starts_with("grpc_server_call_duration_seconds_count") && line.contains(&labels))
        };
        let wait = async {
            while !heard() {
                tokio::task::yield_now().await;
            }
        };
        let waited = server.block_on(async { tokio::time::timeout(Duration::from_secs(30), wait).await });
        assert!(waited.is_ok(), "the server has no CANCELLED call of {method}:\n{}", server.metrics().encode());
    }
}

#[test]
fn every_case_passes_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    every_case_passes_at(&ListenAddress::Unix(folder.path().join("interop.sock")));
}

#[test]
fn every_case_passes_inside_a_process() {
    let (process, directory) = (process("interop"), Directory::default());
    directory.in_process(interop::server::start(&process).unwrap());
    every_case_passes(&Subject::new(process, &directory, AMOUNT).unwrap());
}

#[test]
fn a_server_that_is_not_there_fails_a_case_and_the_reason_says_so() {
    let directory = Directory::default();
    directory.remote(TARGET.name(), "127.0.0.1:1".parse().unwrap());
    let subject = Subject::new(process("interop-client"), &directory, AMOUNT).unwrap();
    for (case, reason) in [("empty_unary", "last error: connect to 127.0.0.1:1"), ("no_case", "there is no case")] {
        let failure = subject.process().block_on(subject.run(case)).unwrap_err();
        assert!(format!("{failure:#}").contains(reason), "{case}: {failure:#}");
    }
}

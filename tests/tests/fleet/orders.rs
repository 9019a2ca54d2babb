//! The socket over which a running fleet is asked.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::Shutdown,
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
};

use serde_json::Value;
use system_tests::{Kept, LIMIT, Running};

fn ask(fleet: &Kept, request: &[u8]) -> String {
    let mut stream = UnixStream::connect(fleet.data().join("fleet.sock")).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    // The fleet may have read enough already.
    let _closed = stream.write_all(request).and_then(|()| stream.shutdown(Shutdown::Write)).is_err();
    let mut answer = String::new();
    // So it is with a reset for what it did not read.
    let _reset = stream.read_to_string(&mut answer).is_err();
    answer
}

#[tokio::test]
async fn garbage_is_refused_in_words_and_hinders_nobody() {
    let fleet = Kept::open(&[]).await;
    let socket = fleet.data().join("fleet.sock").metadata().unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    let endless = vec![b'x'; 100_000];
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\n", b"{\"command\":\"stop\"}\n", b"\xff\xfe\n", &endless, b""] {
        let answer = ask(&fleet, garbage);
        let refused: Value = serde_json::from_str(&answer).unwrap_or_default();
        // A reset may have overtaken the words.
        assert!(refused["event"] == "refused" || (answer.is_empty() && garbage.len() > 4096), "{answer:?}");
    }
    // Some who say nothing at all.
    let _silent: Vec<_> = (0..4).map(|_| UnixStream::connect(fleet.data().join("fleet.sock")).unwrap()).collect();
    let status: Value = serde_json::from_str(&ask(&fleet, b"{\"command\":\"status\"}\n")).unwrap();
    assert_eq!((&status["event"], &status["state"]), (&"status".into(), &"open".into()));
    assert_eq!(status["replicas"], fleet.sheet().unwrap()["replicas"]);
}

#[tokio::test]
async fn whoever_asks_is_told_what_is_wrong_with_the_question() {
    let fleet = Kept::open(&[]).await;
    let mut unknown = fleet.restart(Some("catalogue"));
    assert_eq!(unknown.ended().await.code(), Some(1));
    let output = unknown.output();
    assert!(
        output.contains("the services are storefront, search, checkout, cart, catalog, inventory, payment, acquirer"),
        "{output}"
    );

    let nowhere = tempfile::tempdir().unwrap();
    let mut nobody = Running::start(&["fleet", "status", "--data", nowhere.path().to_str().unwrap()], &[]);
    assert_eq!(nobody.ended().await.code(), Some(1));
    assert!(nobody.output().starts_with("souk: --data: no fleet runs on /"), "{}", nobody.output());
    assert!(fs::read_dir(nowhere.path()).unwrap().next().is_none());
}

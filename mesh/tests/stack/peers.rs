//! Peers that accept a connection and then do not behave, and calls that reach their target all the same.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mesh::{Clients, Directory, ListenAddress, client::ClientConfig, health::pb::health_client::HealthClient};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Instant, timeout},
};
use tonic::Code;

use crate::fixture::{Client, Fixture, PROBE, Probe, Way, process, question};

/// More than any of these takes, even on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(20);

fn client(process: &mesh::Process, target: &str, config: ClientConfig) -> Client {
    let directory = Directory::default();
    directory.remote(PROBE.name(), target.parse().unwrap());
    let clients = Clients::new(process, &directory, "caller", &[PROBE], &[], config).unwrap();
    HealthClient::new(clients.channel(PROBE).unwrap())
}

fn tcp(fixture: &Fixture) -> std::net::SocketAddr {
    match fixture.address {
        Some(ListenAddress::Tcp(address)) => address,
        _ => panic!("the fixture does not listen on TCP"),
    }
}

#[tokio::test]
async fn a_peer_that_accepts_and_hangs_up_is_tried_again_only_after_the_backoff() {
    const WAIT: Duration = Duration::from_millis(50);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (accepted, mut accepts) = mpsc::unbounded_channel();
    let process = process();
    let config = ClientConfig { backoff_min: WAIT, backoff_max: WAIT, ..Default::default() };
    let mut client = client(&process, &listener.local_addr().unwrap().to_string(), config);
    tokio::spawn(async move {
        loop {
            drop(listener.accept().await.unwrap());
            accepted.send(Instant::now()).unwrap();
        }
    });
    assert_eq!(client.check(question()).await.unwrap_err().code(), Code::Unavailable);
    let first = accepts.recv().await.unwrap();
    let mut last = first;
    for _ in 1..10 {
        last = timeout(PATIENCE, accepts.recv()).await.expect("it is tried again").unwrap();
    }
    // Ten tries of two connections: one of them has waited four times, each time a fifth less than told at most.
    assert!(last - first >= WAIT.mul_f64(4.0 * 0.8 * 0.9), "ten tries in {:?}", last - first);
}

#[tokio::test]
async fn a_peer_that_accepts_and_never_speaks_is_unavailable_after_the_connect_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let process = process();
    let config = ClientConfig { connect_timeout: Duration::from_millis(100), ..Default::default() };
    let mut client = client(&process, &listener.local_addr().unwrap().to_string(), config);
    let status = timeout(PATIENCE, client.check(question())).await.expect("it fails").unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("took more than 100 ms"), "{}", status.message());
}

#[tokio::test]
async fn an_endpoint_that_swallows_everything_does_not_keep_calls_from_another_one() {
    let hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let fixture = Fixture::new(Way::Tcp, Probe::unary(async |_| Ok(())));
    let target = format!("ipv4:{},{}", hole.local_addr().unwrap(), tcp(&fixture));
    let config = ClientConfig {
        connect_timeout: Duration::from_millis(100),
        backoff_max: Duration::from_millis(50),
        connections_per_loop: 1,
        ..Default::default()
    };
    let mut client = client(&fixture.process, &target, config);
    let end = Instant::now() + PATIENCE;
    while let Err(status) = client.check(question()).await {
        assert_eq!(status.code(), Code::Unavailable);
        assert!(Instant::now() < end, "{}", status.message());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn many_event_loops_use_more_than_the_first_endpoints_of_a_target() {
    let process = process();
    let (used, mut endpoints) = (Arc::new(AtomicUsize::new(0)), Vec::new());
    for _ in 0..8 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        endpoints.push(listener.local_addr().unwrap().to_string());
        let used = Arc::clone(&used);
        tokio::spawn(async move {
            let mut kept = vec![listener.accept().await.unwrap()];
            used.fetch_add(1, Ordering::Relaxed);
            loop {
                kept.push(listener.accept().await.unwrap());
            }
        });
    }
    let target = format!("ipv4:{}", endpoints.join(","));
    // A client has connections of its own, as every event loop has. The peers never speak: their accepts are all.
    let config = ClientConfig { connect_timeout: Duration::from_millis(50), ..Default::default() };
    let calls = (0..16).map(|_| {
        let mut client = client(&process, &target, config);
        async move { client.check(question()).await.is_ok() }
    });
    assert!(futures_util::future::join_all(calls).await.iter().all(|answered| !answered));
    // Each failure moves a connection on by one, so that two neighbours would be three here.
    assert!(used.load(Ordering::Relaxed) > 3, "{} endpoints were used", used.load(Ordering::Relaxed));
}

/// SETTINGS with MAX_CONCURRENT_STREAMS 0: requests wait at the client.
const NO_STREAMS: [u8; 15] = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0];

#[tokio::test]
async fn a_request_that_never_left_is_sent_on_another_connection() {
    let fixture = Fixture::new(Way::Tcp, Probe::unary(async |_| Ok(())));
    let (upstream, listener) = (tcp(&fixture), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap().to_string();
    let (speaks, mut spoken) = mpsc::unbounded_channel();
    let (hang_up, mut hanging) = mpsc::unbounded_channel::<()>();
    tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        first.write_all(&NO_STREAMS).await.unwrap();
        // The client's preface and its acknowledgement: from here on it takes requests and sends none.
        let mut received = Vec::new();
        while !received.ends_with(&[0, 0, 0, 4, 1, 0, 0, 0, 0]) {
            assert_ne!(first.read_buf(&mut received).await.unwrap(), 0);
        }
        speaks.send(()).unwrap();
        hanging.recv().await.unwrap();
        drop(first);
        loop {
            let (mut down, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut up = TcpStream::connect(upstream).await.unwrap();
                let _ended = copy_bidirectional(&mut down, &mut up).await.is_ok();
            });
        }
    });
    let config = ClientConfig { connections_per_loop: 1, ..Default::default() };
    let mut client = client(&fixture.process, &address, config);
    // The first occupies the connection's only place to wait for a stream; the second has not even got there.
    let calls: Vec<_> = (0..2)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { client.check(question()).await })
        })
        .collect();
    spoken.recv().await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    hang_up.send(()).unwrap();
    let mut answers = Vec::new();
    for call in calls {
        answers
            .push(timeout(PATIENCE, call).await.expect("it ends").unwrap().map(drop).map_err(|status| status.code()));
    }
    assert!(answers.contains(&Ok(())), "{answers:?}");
    client.check(question()).await.unwrap();
}

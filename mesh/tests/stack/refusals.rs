//! Peers that refuse streams, allow few of them, or go away in the middle: what is sent again, and what is not.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use mesh::{Clients, Directory, Process, client::ClientConfig, health::pb::health_client::HealthClient};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::{Instant, timeout},
};
use tonic::Code;

use crate::fixture::{Client, PROBE, eventually, process, question};

const PATIENCE: Duration = Duration::from_secs(20);

type Respond = h2::server::SendResponse<Bytes>;
type Stream = (Request<h2::RecvStream>, Respond);

/// A server of frames: `serve` has each connection, with its number.
async fn peer<F, A>(builder: h2::server::Builder, serve: F) -> SocketAddr
where
    F: Fn(usize, h2::server::Connection<tokio::net::TcpStream, Bytes>) -> A + Clone + Send + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let (io, _) = listener.accept().await.unwrap();
            let (builder, serve) = (builder.clone(), serve.clone());
            tokio::spawn(async move {
                if let Ok(connection) = builder.handshake(io).await {
                    serve(number, connection).await;
                }
            });
        }
    });
    address
}

/// Answers a `Check` with SERVING, once the whole request is there.
async fn answer((request, mut respond): Stream) {
    let mut body = request.into_body();
    while let Some(data) = body.data().await {
        let Ok(data) = data else { return };
        let _released = body.flow_control().release_capacity(data.len()).is_ok();
    }
    let headers = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let Ok(mut stream) = respond.send_response(headers, false) else { return };
    let _sent = stream.send_data(Bytes::from_static(&[0, 0, 0, 0, 2, 8, 1]), false).is_ok();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let _ended = stream.send_trailers(trailers).is_ok();
}

fn client(process: &Process, endpoints: &[SocketAddr], config: ClientConfig) -> Client {
    let directory = Directory::default();
    let list: Vec<_> = endpoints.iter().map(ToString::to_string).collect();
    directory.remote(PROBE.name(), format!("ipv4:{}", list.join(",")).parse().unwrap());
    let clients = Clients::new(process, &directory, "caller", &[PROBE], &[], config).unwrap();
    HealthClient::new(clients.channel(PROBE).unwrap())
}

fn one_connection() -> ClientConfig {
    ClientConfig { connections_per_loop: 1, ..Default::default() }
}

fn retries(process: &Process) -> usize {
    let metrics = process.metrics().encode();
    let name = r#"grpc_client_call_transparent_retries_total{service="caller",grpc_target="probe"} "#;
    metrics.lines().find_map(|line| line.strip_prefix(name)).map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn a_refused_stream_is_sent_once_more_and_to_another_endpoint() {
    let asked: [Arc<AtomicUsize>; 2] = Default::default();
    let mut endpoints = Vec::new();
    // Whoever is asked first refuses, and the other one answers.
    let refused = Arc::new(AtomicBool::new(false));
    for asked in &asked {
        let (asked, refused) = (Arc::clone(asked), Arc::clone(&refused));
        let serve = move |_, mut connection: h2::server::Connection<_, _>| {
            let (asked, refused) = (Arc::clone(&asked), Arc::clone(&refused));
            async move {
                while let Some(Ok(stream)) = connection.accept().await {
                    let mut stream: Stream = stream;
                    asked.fetch_add(1, Ordering::Relaxed);
                    if refused.swap(true, Ordering::Relaxed) {
                        assert!(!stream.0.headers().contains_key("grpc-previous-rpc-attempts"));
                        tokio::spawn(answer(stream));
                    } else {
                        stream.1.send_reset(h2::Reason::REFUSED_STREAM);
                    }
                }
            }
        };
        endpoints.push(peer(h2::server::Builder::new(), serve).await);
    }
    let process = process();
    let mut client = client(&process, &endpoints, one_connection());
    client.check(question()).await.unwrap();
    assert_eq!(asked.map(|asked| asked.load(Ordering::Relaxed)), [1, 1]);
    assert_eq!(retries(&process), 1);
}

#[tokio::test]
async fn a_call_that_everybody_refuses_fails_after_the_second_time() {
    let asked = Arc::new(AtomicUsize::new(0));
    let serve = {
        let asked = Arc::clone(&asked);
        move |_, mut connection: h2::server::Connection<_, _>| {
            let asked = Arc::clone(&asked);
            async move {
                while let Some(Ok(stream)) = connection.accept().await {
                    let (_, mut respond): Stream = stream;
                    asked.fetch_add(1, Ordering::Relaxed);
                    respond.send_reset(h2::Reason::REFUSED_STREAM);
                }
            }
        }
    };
    let process = process();
    let endpoint = peer(h2::server::Builder::new(), serve).await;
    let status = client(&process, &[endpoint], one_connection()).check(question()).await.unwrap_err();
    assert_eq!((status.code(), asked.load(Ordering::Relaxed)), (Code::Unavailable, 2));
}

#[tokio::test]
async fn a_stream_that_was_reset_for_another_reason_is_not_sent_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let serve = {
        let asked = Arc::clone(&asked);
        move |_, mut connection: h2::server::Connection<_, _>| {
            let asked = Arc::clone(&asked);
            async move {
                while let Some(Ok(stream)) = connection.accept().await {
                    let (_, mut respond): Stream = stream;
                    asked.fetch_add(1, Ordering::Relaxed);
                    respond.send_reset(h2::Reason::INTERNAL_ERROR);
                }
            }
        }
    };
    let process = process();
    let endpoint = peer(h2::server::Builder::new(), serve).await;
    let status = client(&process, &[endpoint], one_connection()).check(question()).await.unwrap_err();
    assert_eq!((status.code(), asked.load(Ordering::Relaxed)), (Code::Internal, 1));
}

/// The frames of an answer with SERVING on a stream: headers, message, trailers.
fn answer_frames(stream: u32) -> Vec<u8> {
    const HEADERS: &[u8] = b"\x88\x00\x0ccontent-type\x10application/grpc";
    const TRAILERS: &[u8] = b"\x00\x0bgrpc-status\x010";
    let parts: [(u8, u8, &[u8]); 3] = [(1, 4, HEADERS), (0, 0, &[0, 0, 0, 0, 2, 8, 1]), (1, 5, TRAILERS)];
    parts.iter().flat_map(|(kind, flags, payload)| frame(*kind, *flags, stream, payload)).collect()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// On each connection: takes five requests, answers three, and goes away without a word about the others.
async fn leaves_after_three(mut io: tokio::net::TcpStream, answered: Arc<AtomicUsize>) -> std::io::Result<()> {
    let mut preface = [0; 24];
    io.read_exact(&mut preface).await?;
    io.write_all(&frame(4, 0, 0, &[])).await?;
    let mut streams = Vec::new();
    while streams.len() < 5 {
        let mut head = [0; 9];
        io.read_exact(&mut head).await?;
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        io.read_exact(&mut payload).await?;
        match head[3] {
            1 => streams.push(u32::from_be_bytes([head[5], head[6], head[7], head[8]])),
            4 if head[4] == 0 => io.write_all(&frame(4, 1, 0, &[])).await?,
            _ => {}
        }
    }
    // The last stream, and NO_ERROR.
    let last = [streams[2].to_be_bytes(), [0; 4]].concat();
    io.write_all(&frame(7, 0, 0, &last)).await?;
    for stream in &streams[..3] {
        io.write_all(&answer_frames(*stream)).await?;
        answered.fetch_add(1, Ordering::Relaxed);
    }
    // Until the client hangs up, which has no more to expect.
    let mut rest = Vec::new();
    io.read_to_end(&mut rest).await.map(drop)
}

#[tokio::test]
async fn calls_above_the_last_stream_of_a_goaway_are_sent_again_and_those_below_finish() {
    const CALLS: usize = 30;
    let answered = Arc::new(AtomicUsize::new(0));
    let mut endpoints = Vec::new();
    for _ in 0..2 {
        let (listener, answered) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Arc::clone(&answered));
        endpoints.push(listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (io, _) = listener.accept().await.unwrap();
                let answered = Arc::clone(&answered);
                tokio::spawn(leaves_after_three(io, answered));
            }
        });
    }
    let process = process();
    let client = client(&process, &endpoints, one_connection());
    let calls = (0..CALLS).map(|_| {
        let mut client = client.clone();
        async move { timeout(PATIENCE, client.check(question())).await.expect("it ends").map(drop) }
    });
    let answers = futures_util::future::join_all(calls).await;
    let failures: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert!(failures.iter().all(|status| status.code() == Code::Unavailable), "{failures:?}");
    // What the peers answered is answered, once; the rest met two of them, and is sent no third time.
    assert_eq!(CALLS - failures.len(), answered.load(Ordering::Relaxed));
    assert!(retries(&process) > 0 && answered.load(Ordering::Relaxed) >= 6);
}

#[tokio::test]
async fn a_peer_that_allows_one_stream_serves_calls_side_by_side_on_more_connections() {
    const CONNECTIONS: usize = 10;
    let (open, most, connections) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::default());
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let serve = {
        let (open, most, connections) = (Arc::clone(&open), Arc::clone(&most), Arc::clone(&connections));
        let gate = Arc::clone(&gate);
        move |_, mut connection: h2::server::Connection<_, _>| {
            let (open, most, gate) = (Arc::clone(&open), Arc::clone(&most), Arc::clone(&gate));
            let connections: Arc<AtomicUsize> = Arc::clone(&connections);
            connections.fetch_add(1, Ordering::Relaxed);
            async move {
                while let Some(Ok(stream)) = connection.accept().await {
                    let (open, most, gate) = (Arc::clone(&open), Arc::clone(&most), Arc::clone(&gate));
                    tokio::spawn(async move {
                        most.fetch_max(open.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                        drop(gate.acquire().await.unwrap());
                        open.fetch_sub(1, Ordering::Relaxed);
                        answer(stream).await;
                    });
                }
            }
        }
    };
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(1);
    let process = process();
    let endpoint = peer(builder, serve).await;
    let client = client(&process, &[endpoint], ClientConfig { connections_max: CONNECTIONS, ..Default::default() });
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { client.check(question()).await.map(drop) })
        })
        .collect();
    eventually("a call on every connection", || most.load(Ordering::Relaxed) == CONNECTIONS).await;
    gate.add_permits(1_000);
    let begun = Instant::now();
    for call in calls {
        timeout(PATIENCE, call).await.expect("it has its turn").unwrap().unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(connections.load(Ordering::Relaxed), CONNECTIONS);
}

#[tokio::test]
async fn whoever_waits_for_a_stream_has_it_before_those_that_come_later() {
    let serve = |_, mut connection: h2::server::Connection<_, _>| async move {
        while let Some(Ok(stream)) = connection.accept().await {
            tokio::spawn(answer(stream));
        }
    };
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(1);
    let process = process();
    let endpoint = peer(builder, serve).await;
    let client = client(&process, &[endpoint], ClientConfig { connections_max: 1, ..one_connection() });
    // Ten callers that call again at once must not keep an eleventh out.
    let done = Arc::new(AtomicBool::new(false));
    for _ in 0..10 {
        let (mut client, done) = (client.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                client.check(question()).await.unwrap();
            }
        });
    }
    let mut late = client.clone();
    for _ in 0..20 {
        timeout(PATIENCE, late.check(question())).await.expect("it has its turn").unwrap();
    }
    done.store(true, Ordering::Relaxed);
}

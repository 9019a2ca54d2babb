//! Sockets: what goes wrong on them and what a caller is told.

use std::{convert::Infallible, time::Duration};

use http::{HeaderMap, HeaderValue, Response};
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh::{Directory, ListenAddress, server::ConnectionConfig};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tonic::Code;

use crate::fixture::{Fixture, PROBE, Probe, Way, client, inbound, process, process_with, question};

async fn dial(address: &ListenAddress) -> TcpStream {
    let ListenAddress::Tcp(address) = address else { panic!("not TCP") };
    TcpStream::connect(address).await.unwrap()
}

#[tokio::test]
async fn a_target_that_is_away_fails_at_once_with_its_name_and_the_reason_and_comes_back_by_itself() {
    let (process, directory) = (process(), Directory::default());
    // A port that was free a moment ago.
    let address = process.bind(&"127.0.0.1:0".parse().unwrap()).unwrap().address().clone();
    directory.remote(PROBE.name(), address.dial());
    let mut client = client(&process, &directory);
    let begun = Instant::now();
    let status = client.check(question()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("probe: no connection to"), "{}", status.message());
    assert!(status.message().to_lowercase().contains("connection refused"), "{}", status.message());
    assert!(begun.elapsed() < Duration::from_secs(1));
    process
        .serve_grpc(process.bind(&address).unwrap(), inbound(&process, PROBE.name(), Probe::unary(async |_| Ok(()))));
    let end = Instant::now() + Duration::from_secs(10);
    while let Err(status) = client.check(question()).await {
        assert_eq!(status.code(), Code::Unavailable);
        assert!(Instant::now() < end, "it did not come back");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_of_a_call_is_unavailable_and_not_cancelled() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (process, directory) = (process(), Directory::default());
    directory.remote(PROBE.name(), listener.local_addr().unwrap().to_string().parse().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut peer, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                // An empty SETTINGS, so that the call is sent; then the peer is gone.
                peer.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
                let mut received = Vec::new();
                while !has_headers(&received) {
                    peer.read_buf(&mut received).await.unwrap();
                }
            });
        }
    });
    let status = client(&process, &directory).check(question()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
}

/// Whether a HEADERS frame is among the frames after the preface.
fn has_headers(received: &[u8]) -> bool {
    const HEADERS: u8 = 1;
    let mut rest = received.get(24..).unwrap_or_default();
    while let Some((head, tail)) = rest.split_at_checked(9) {
        if head[3] == HEADERS {
            return true;
        }
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        rest = tail.get(length..).unwrap_or_default();
    }
    false
}

/// An HTTP/2 server that answers every call with these headers and trailers.
async fn answering(
    headers: &'static [(&'static str, &'static str)],
    trailers: Option<&'static [(&'static str, &'static str)]>,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let map = |pairs: &[(&'static str, &'static str)]| {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect::<HeaderMap>()
    };
    let (headers, trailers) = (map(headers), trailers.map(map));
    tokio::spawn(async move {
        loop {
            let (io, _) = listener.accept().await.unwrap();
            let (headers, trailers) = (headers.clone(), trailers.clone());
            let service = hyper::service::service_fn(move |_| {
                let body = http_body_util::Empty::<bytes::Bytes>::new()
                    .with_trailers(std::future::ready(trailers.clone().map(Ok)));
                let mut response = Response::new(body);
                *response.headers_mut() = headers.clone();
                async move { Ok::<_, Infallible>(response) }
            });
            tokio::spawn(
                hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(io), service),
            );
        }
    });
    address
}

#[tokio::test]
async fn details_that_are_not_base64_cost_the_details_and_nothing_else() {
    const STATUS: &[(&str, &str)] =
        &[("content-type", "application/grpc"), ("grpc-status", "5"), ("grpc-status-details-bin", "%")];
    for (headers, trailers) in [(STATUS, None), (&STATUS[..1], Some(&STATUS[1..]))] {
        let (process, directory) = (process(), Directory::default());
        directory.remote(PROBE.name(), answering(headers, trailers).await.parse().unwrap());
        let status = client(&process, &directory).check(question()).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
    }
}

#[tokio::test]
async fn an_answer_that_ends_without_a_status_is_internal() {
    let (process, directory) = (process(), Directory::default());
    directory.remote(PROBE.name(), answering(&[("content-type", "application/grpc")], None).await.parse().unwrap());
    let status = client(&process, &directory).check(question()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Internal, "probe: the answer ended without a status"));
}

#[tokio::test]
async fn http1_on_the_grpc_port_is_told_what_the_port_speaks() {
    let fixture = Fixture::new(Way::Tcp, Probe::unary(async |_| Ok(())));
    let mut peer = dial(fixture.address.as_ref().unwrap()).await;
    peer.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 505"), "{answer}");
    assert!(answer.contains("speaks gRPC over HTTP/2"), "{answer}");
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_hung_up_on() {
    let brief = Duration::from_millis(50);
    let config = ConnectionConfig { handshake_timeout: brief, http1_idle_max: brief, ..Default::default() };
    let fixture = Fixture::on(process_with(config), Way::Tcp, Probe::unary(async |_| Ok(())));
    for first in [&b""[..], b"PRI * HT", b"GET / HTTP/1.1\r\nx: "] {
        let mut peer = dial(fixture.address.as_ref().unwrap()).await;
        peer.write_all(first).await.unwrap();
        let mut rest = Vec::new();
        tokio::time::timeout(Duration::from_secs(10), peer.read_to_end(&mut rest)).await.expect("hung up").unwrap();
    }
}

#[tokio::test]
async fn an_idle_http1_connection_is_kept_for_longer_than_a_handshake_may_take() {
    const BRIEF: Duration = Duration::from_millis(50);
    let process = process_with(ConnectionConfig { handshake_timeout: BRIEF, ..Default::default() });
    let listener = process.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let mut peer = dial(listener.address()).await;
    process.serve_admin(listener);
    let mut received = [0; 4096];
    for pause in [BRIEF * 3, Duration::ZERO] {
        peer.write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let read = peer.read(&mut received).await.unwrap();
        assert!(received[..read].starts_with(b"HTTP/1.1 200"));
        // Longer than the limit that it must not hit.
        tokio::time::sleep(pause).await;
    }
}

#[tokio::test]
async fn a_page_that_panics_is_500_and_counted_and_its_connection_goes_on() {
    let process = process();
    let listener = process.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let mut peer = dial(listener.address()).await;
    let page = tower::service_fn(async |request: http::Request<mesh::Body>| {
        assert_ne!(request.uri().path(), "/broken", "secret detail");
        Ok::<_, Infallible>(Response::new(mesh::Body::empty()))
    });
    process.serve_http(listener, "web", page);
    let mut received = [0; 4096];
    for (path, status) in [("/broken", "HTTP/1.1 500"), ("/", "HTTP/1.1 200")] {
        peer.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
        let read = peer.read(&mut received).await.unwrap();
        let answer = std::str::from_utf8(&received[..read]).unwrap();
        assert!(answer.starts_with(status) && !answer.contains("secret"), "{answer}");
    }
    assert!(process.metrics().encode().contains(r#"grpc_server_panics_total{service="web"} 1"#));
}

#[tokio::test]
async fn a_connection_that_grows_old_is_replaced_and_no_call_fails() {
    let config = ConnectionConfig { age: Duration::from_millis(100), ..Default::default() };
    let fixture = Fixture::on(process_with(config), Way::Tcp, Probe::unary(async |_| Ok(())));
    let mut client = fixture.client();
    let accepted = || {
        let metrics = fixture.process.metrics().encode();
        let line =
            metrics.lines().find_map(|line| line.strip_prefix(r#"mesh_connections_accepted_total{service="probe"} "#));
        line.map_or(0, |count| count.parse::<u32>().unwrap())
    };
    let end = Instant::now() + Duration::from_secs(20);
    while accepted() < 10 {
        client.check(question()).await.unwrap();
        assert!(Instant::now() < end, "connections are not replaced");
    }
}

#[tokio::test]
async fn the_admin_port_answers_probes_over_grpc_and_http1_alike() {
    let fixture = Fixture::new(Way::Tcp, Probe::unary(async |_| Ok(())));
    let listener = fixture.process.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.address().clone();
    fixture.process.serve_admin(listener);
    fixture.directory.remote(PROBE.name(), address.dial());
    let ask = async |path: &str| {
        let mut peer = dial(&address).await;
        peer.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        peer.read_to_string(&mut answer).await.unwrap();
        answer
    };
    assert!(ask("/livez").await.starts_with("HTTP/1.1 200"));
    assert!(ask("/readyz").await.starts_with("HTTP/1.1 503"));
    fixture.process.health().set("a.A", true);
    let ready = ask("/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 200") && ready.ends_with("a.A: ready\n"), "{ready}");
    assert!(ask("/metrics").await.contains("mesh_connections_accepted_total"));
    assert!(ask("/nope").await.starts_with("HTTP/1.1 404"));
    let mut request = question();
    request.get_mut().service = "readiness".into();
    let answer = fixture.client().check(request).await.unwrap().into_inner();
    assert_eq!(answer.status(), mesh::health::pb::health_check_response::ServingStatus::Serving);
}

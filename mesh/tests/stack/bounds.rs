//! Limits: what a peer may ask for, and what happens past it.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use mesh::{ListenAddress, server::ConnectionConfig};
use tokio::{net::TcpStream, time::timeout};
use tonic::{Code, Status};

use crate::fixture::{Fixture, METHOD, Probe, Way, process_with, question};

/// More than any of these takes, even on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(20);

/// An HTTP/2 connection of our own, to do with as no client of the mesh would.
async fn connect(fixture: &Fixture, window: u32) -> h2::client::SendRequest<Bytes> {
    let Some(ListenAddress::Tcp(address)) = fixture.address else { panic!("not TCP") };
    let io = TcpStream::connect(address).await.unwrap();
    let (sender, connection) =
        h2::client::Builder::new().initial_window_size(window).handshake::<_, Bytes>(io).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn ask(path: &str) -> http::request::Builder {
    Request::post(format!("http://a{path}")).header("content-type", "application/grpc")
}

/// Sends a request with an empty message; the answer's headers, or what came instead.
async fn send(
    sender: &h2::client::SendRequest<Bytes>,
    request: http::request::Builder,
) -> Result<http::Response<h2::RecvStream>, h2::Error> {
    let mut sender = sender.clone().ready().await?;
    let (answer, mut body) = sender.send_request(request.body(()).unwrap(), false)?;
    body.send_data(Bytes::from_static(&[0; 5]), true)?;
    timeout(PATIENCE, answer).await.expect("it is answered")
}

#[tokio::test]
async fn a_reader_that_takes_nothing_does_not_keep_its_call_beyond_the_deadline() {
    let fixture = Fixture::new(Way::Tcp, Probe::unary(async |_| Ok(())));
    let sender = connect(&fixture, 0).await;
    let request = ask("/grpc.health.v1.Health/Check").header("grpc-timeout", "100m");
    let unread = send(&sender, request).await.unwrap();
    assert_eq!(unread.status(), StatusCode::OK);
    let labels = format!(r#"service="probe",grpc_method="{METHOD}",grpc_status="DEADLINE_EXCEEDED""#);
    fixture.metric(&format!("grpc_server_call_duration_seconds_count{{{labels}}} 1")).await;
    drop(unread);
}

#[tokio::test]
async fn a_status_message_of_any_length_arrives_with_its_code() {
    for letter in ["x", "é"] {
        for length in [1_000, 8_000, 17_000, 100_000] {
            let fixture = Fixture::new(
                Way::Tcp,
                Probe::unary(move |_| async move { Err(Status::not_found(letter.repeat(length))) }),
            );
            let status = timeout(PATIENCE, fixture.client().check(question())).await.expect("answered").unwrap_err();
            assert_eq!(status.code(), Code::NotFound, "{length} times {letter}: {}", status.message());
            let kept = status.message().chars().count();
            assert!(kept >= 500 && status.message() == letter.repeat(kept), "{length} times {letter}: {kept} kept");
        }
    }
}

#[tokio::test]
async fn a_long_path_is_no_method_and_a_header_block_beyond_the_limit_is_refused() {
    let fixture = Fixture::new(Way::Tcp, Probe::unary(async |_| Ok(())));
    let sender = connect(&fixture, 65_535).await;
    let unknown = send(&sender, ask(&format!("/made.Up/{}", "x".repeat(8_000)))).await.unwrap();
    assert_eq!(unknown.headers()["grpc-status"], "12");
    let long = send(&sender, ask("/grpc.health.v1.Health/Check").header("x-long", "x".repeat(20_000))).await;
    match long {
        Ok(refused) => assert_eq!(refused.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        Err(error) => assert!(error.is_reset() || error.is_go_away(), "{error}"),
    }
    // Neither cost anybody anything, and nothing of the path became a series.
    fixture.client().check(question()).await.unwrap();
    assert!(!fixture.process.metrics().encode().contains("made.Up"));
}

#[tokio::test]
async fn a_header_block_that_never_ends_ends_its_connection() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let fixture = Fixture::new(Way::Tcp, Probe::unary(async |_| Ok(())));
    let Some(ListenAddress::Tcp(address)) = fixture.address else { panic!("not TCP") };
    let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    let flood = tokio::spawn(async move {
        // The preface, an empty SETTINGS, then HEADERS and CONTINUATION frames without END_HEADERS.
        write.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
        write.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await?;
        // One header of 2 kB a frame: a literal, not indexed, with a new name.
        let mut header = vec![0, 1, b'x', 0x7f, 0xd1, 0x0e];
        header.resize(6 + 2_000, b'x');
        let length = u16::try_from(header.len()).unwrap().to_be_bytes();
        for kind in std::iter::once(1).chain(std::iter::repeat(9)) {
            write.write_all(&[0, length[0], length[1], kind, 0, 0, 0, 0, 1]).await?;
            write.write_all(&header).await?;
        }
        std::io::Result::Ok(())
    });
    let mut received = Vec::new();
    // A reset is as good an end as a GOAWAY.
    let _ended = timeout(PATIENCE, read.read_to_end(&mut received)).await.expect("the connection ends").is_ok();
    drop(read);
    assert!(timeout(PATIENCE, flood).await.expect("writing ends").unwrap().is_err());
    fixture.client().check(question()).await.unwrap();
}

#[tokio::test]
async fn at_the_limit_of_connections_the_next_one_waits_until_another_ends() {
    let config = ConnectionConfig { connections_max: 1, ..Default::default() };
    let fixture = Fixture::on(process_with(config), Way::Tcp, Probe::unary(async |_| Ok(())));
    let first = connect(&fixture, 65_535).await;
    let check = || ask("/grpc.health.v1.Health/Check");
    send(&first, check()).await.unwrap();
    let second = connect(&fixture, 65_535).await;
    let waiting = tokio::spawn(async move { send(&second, check()).await });
    // It is in the kernel's queue by now, and stays there while the first one is served.
    for _ in 0..10 {
        send(&first, check()).await.unwrap();
    }
    assert!(!waiting.is_finished());
    fixture.metric(r#"mesh_connections_accepted_total{service="probe"} 1"#).await;
    drop(first);
    assert_eq!(timeout(PATIENCE, waiting).await.expect("it gets in").unwrap().unwrap().status(), StatusCode::OK);
}

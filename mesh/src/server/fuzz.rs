//! The fuzz target of a whole inbound connection.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{HeaderValue, Request, Version, header};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::{
    config::ConnectionConfig,
    connection::{Protocol, serve},
};
use crate::{
    Body,
    drain::Drain,
    identity::{Peer, Principal, Transport},
};

/// How long a connection may outlive its peer. Nothing in here waits for a clock.
const PATIENCE: Duration = Duration::from_secs(20);

/// Everything that a peer sends on one connection to a gRPC port, after which it says no more. The connection ends by
/// itself, what it answers are whole frames, and only gRPC requests reach a handler.
pub fn connection(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // A handler's panic would end its stream and nothing else.
    let strange = Arc::new(AtomicBool::new(false));
    let answered = runtime.block_on(async {
        let (near, far) = tokio::io::duplex(1024);
        let peer = Peer { principal: Principal::anonymous(), transport: Transport::Tcp(([127, 0, 0, 1], 1).into()) };
        let config = ConnectionConfig::default();
        let strange = Arc::clone(&strange);
        let handler = tower::service_fn(move |request: Request<Body>| {
            strange.fetch_or(!is_grpc(&request), Ordering::Relaxed);
            std::future::ready(Ok::<_, Infallible>(crate::status::response_of(&tonic::Status::ok(""))))
        });
        let serving = serve(far, peer, handler, Protocol::Grpc { pages: None }, config, Drain::default());
        let serving = tokio::spawn(serving);
        let (mut read, mut write) = tokio::io::split(near);
        let speak = async {
            // A server that hangs up early is right to.
            let _hung_up = write.write_all(bytes).await.is_err() || write.shutdown().await.is_err();
        };
        let listen = async {
            let mut answer = Vec::new();
            let _reset = read.read_to_end(&mut answer).await.is_err();
            answer
        };
        let both = async { tokio::join!(speak, listen).1 };
        let answered = timeout(PATIENCE, both).await.expect("the connection goes on without its peer");
        timeout(PATIENCE, serving).await.expect("the connection is never given up").expect("the connection panicked");
        answered
    });
    assert!(!strange.load(Ordering::Relaxed), "what is no gRPC reached a handler");
    if bytes.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") {
        whole_frames(&answered);
    } else if !answered.is_empty() {
        assert!(answered.starts_with(b"HTTP/1."), "it is answered in a language of its own");
    }
}

/// What handlers rely on.
fn is_grpc(request: &Request<Body>) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    request.version() == Version::HTTP_2
        && content_type.is_some_and(|kind| kind.starts_with(b"application/grpc"))
        && request.extensions().get::<Peer>().is_some()
}

fn whole_frames(mut answer: &[u8]) {
    const FRAME_MAX: usize = 16 * 1024;
    while let Some((head, rest)) = answer.split_at_checked(9) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        assert!(length <= FRAME_MAX, "a frame of {length} bytes");
        // The last one may be cut short where the peer is given up.
        answer = rest.get(length..).unwrap_or_default();
    }
}

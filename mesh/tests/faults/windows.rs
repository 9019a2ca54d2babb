//! Flow control: windows that never open, open byte by byte, and are overrun.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Request, header};
use http_body::Frame as BodyFrame;
use http_body_util::StreamBody;
use mesh::{Body, Clients, Directory, server::ConnectionConfig};
use tokio::time::{Instant, timeout};
use tonic::{Code, Status};
use tower::Service as _;

use crate::{
    PATIENCE,
    fixture::{PROBE, eventually, process},
    frames::{
        ACK, CANCEL, DATA, EMPTY, END_STREAM, FLOW_CONTROL_ERROR, Frame, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE,
        PROTOCOL_ERROR, RST_STREAM, Raw, SETTINGS,
    },
    peer::{Caller, Peer, answer_all, config, first_call, gone},
    served::{CHECK, Served, WATCH},
};

/// Messages of a `Watch` that fit into what may wait for a reader: a stream's buffer, and the piece that is being made.
const MADE_MAX: usize = (256 * 1024 + 64 * 1024) / 7;

#[tokio::test]
async fn a_reader_whose_window_never_opens_costs_a_bounded_buffer_and_its_stream_ends_at_its_deadline() {
    let mut served = Served::answering(ConnectionConfig::default());
    let mut raw = Raw::dial(served.address, &[(INITIAL_WINDOW_SIZE, 0)]).await;
    raw.send([Frame::asking(1, WATCH, &[("grpc-timeout", "300m")]), Frame::data(1, END_STREAM, EMPTY)]).await.unwrap();
    served.begins().await;
    served.drops().await;
    assert!(served.made() <= MADE_MAX, "{} messages were made for nobody", served.made());
    // The connection goes on.
    raw.send([Frame::window(0, 1 << 20)]).await.unwrap();
    raw.send(Frame::call(3, CHECK)).await.unwrap();
    raw.until(HEADERS, 3).await;
    drop(raw);
    served.left_nothing().await;
}

#[tokio::test]
async fn a_reader_without_a_deadline_costs_a_bounded_buffer_until_it_gives_up() {
    let mut served = Served::answering(ConnectionConfig::default());
    let mut raw = Raw::dial(served.address, &[(INITIAL_WINDOW_SIZE, 1_000)]).await;
    raw.send(Frame::call(1, WATCH)).await.unwrap();
    let mut read = 0;
    while read < 1_000 {
        read += raw.until(DATA, 1).await.payload.len();
    }
    // The stream is stuck by now. An answer on another one has passed all that it had to say.
    raw.send([Frame::call(3, CHECK), Frame::call(5, CHECK)].concat()).await.unwrap();
    raw.until(HEADERS, 5).await;
    assert!(served.made() <= MADE_MAX, "{} messages were made for nobody", served.made());
    raw.send([Frame::reset(1, CANCEL)]).await.unwrap();
    served.drops().await;
    drop(raw);
    served.left_nothing().await;
}

#[tokio::test]
async fn an_answer_goes_out_byte_by_byte_where_that_is_all_the_window_there_is() {
    let served = Served::answering(ConnectionConfig::default());
    let mut raw = Raw::dial(served.address, &[(INITIAL_WINDOW_SIZE, 0)]).await;
    raw.send(Frame::call(1, CHECK)).await.unwrap();
    raw.until(HEADERS, 1).await;
    let mut message = Vec::new();
    // Its prefix and its one field.
    while message.len() < 7 {
        raw.send([Frame::window(1, 1)]).await.unwrap();
        let data = raw.until(DATA, 1).await;
        assert!(data.payload.len() <= 1, "{} bytes in a window of one", data.payload.len());
        message.extend(data.payload);
    }
    assert_eq!(message, [0, 0, 0, 0, 2, 8, 1]);
    assert!(raw.until(HEADERS, 1).await.ends_stream());
    drop(raw);
    served.left_nothing().await;
}

#[tokio::test]
async fn a_client_that_overruns_a_window_loses_its_stream_or_its_connection_and_nobody_else_does() {
    let config = ConnectionConfig { stream_window: 1_000, ..Default::default() };
    let served = Served::answering(config);
    let mut raw = Raw::dial(served.address, &[]).await;
    // A window counts once it is acknowledged.
    raw.rest_until(|frame| frame.kind == SETTINGS && frame.flags & ACK == 0).await.unwrap();
    raw.send([Frame::new(SETTINGS, ACK, 0, [])]).await.unwrap();
    raw.send([Frame::asking(1, CHECK, &[]), Frame::data(1, 0, &[0; 2_000])]).await.unwrap();
    let end = raw.rest_until(|frame| matches!(frame.kind, RST_STREAM | GOAWAY)).await;
    assert_eq!(end.and_then(|frame| frame.code()), Some(FLOW_CONTROL_ERROR));
    drop(raw);

    // More than a window can be, for the connection and for a stream.
    for (stream, more) in [(0, 0x7fff_ffff), (1, 0x7fff_ffff)] {
        let mut raw = Raw::dial(served.address, &[(INITIAL_WINDOW_SIZE, 100)]).await;
        raw.send([Frame::asking(1, CHECK, &[]), Frame::window(stream, more)]).await.unwrap();
        let end = raw.rest_until(|frame| matches!(frame.kind, RST_STREAM | GOAWAY)).await;
        assert_eq!(end.and_then(|frame| frame.code()), Some(FLOW_CONTROL_ERROR), "stream {stream}");
    }
    // Nothing at all is a mistake too.
    let mut raw = Raw::dial(served.address, &[]).await;
    raw.send([Frame::asking(1, CHECK, &[]), Frame::window(1, 0)]).await.unwrap();
    let end = raw.rest_until(|frame| matches!(frame.kind, RST_STREAM | GOAWAY)).await;
    assert_eq!(end.and_then(|frame| frame.code()), Some(PROTOCOL_ERROR));
    drop(raw);
    served.left_nothing().await;
}

#[tokio::test]
async fn a_request_that_finds_no_window_ends_at_its_deadline_and_the_next_one_is_sent() {
    let peer = Peer::ill_once(|mut raw| async move {
        raw.send([Frame::settings(&[(INITIAL_WINDOW_SIZE, 0)])]).await.unwrap();
        // The client gives the stream up; only then the window opens.
        raw.until(RST_STREAM, 1).await;
        raw.send([Frame::settings(&[(INITIAL_WINDOW_SIZE, 65_535)])]).await.unwrap();
        answer_all(&mut raw).await;
    })
    .await;
    let caller = Caller::of(peer.address, config());
    let status = caller.check_within(Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    caller.check().await.unwrap();
    assert_eq!(peer.accepted(), 1);
    caller.left_nothing(peer).await;
}

#[tokio::test]
async fn a_request_goes_out_byte_by_byte_where_that_is_all_the_window_there_is() {
    let peer = Peer::start(|_, mut raw| async move {
        raw.send([Frame::settings(&[(INITIAL_WINDOW_SIZE, 0)])]).await.unwrap();
        raw.until(HEADERS, 1).await;
        let mut message: Vec<u8> = Vec::new();
        loop {
            raw.send([Frame::window(1, 1)]).await.unwrap();
            let data = raw.until(DATA, 1).await;
            assert!(data.payload.len() <= 1, "{} bytes in a window of one", data.payload.len());
            message.extend(&data.payload);
            if data.ends_stream() || message.len() == EMPTY.len() {
                break;
            }
        }
        assert_eq!(message, EMPTY);
        raw.send([Frame::settings(&[(INITIAL_WINDOW_SIZE, 65_535)])]).await.unwrap();
        raw.send(Frame::answer(1)).await.unwrap();
        answer_all(&mut raw).await;
    })
    .await;
    let caller = Caller::of(peer.address, config());
    caller.check().await.unwrap();
    caller.left_nothing(peer).await;
}

/// An upload that never ends, of messages of a KiB, and how many of them were asked for.
fn upload() -> (Request<Body>, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let makes = Arc::clone(&made);
    let messages = futures_util::stream::repeat_with(move || {
        makes.fetch_add(1, Ordering::SeqCst);
        Ok::<_, Status>(BodyFrame::data(Bytes::from_static(&[0; 1024])))
    });
    let mut request = Request::new(Body::new(StreamBody::new(messages)));
    *request.uri_mut() = "/a.Store/Upload".parse().unwrap();
    request.headers_mut().insert(header::CONTENT_TYPE, "application/grpc".parse().unwrap());
    (request, made)
}

#[tokio::test]
async fn an_upload_to_a_peer_that_reads_nothing_waits_with_a_bounded_buffer_and_ends_at_its_deadline() {
    for window in [0, 65_535] {
        let peer = Peer::start(move |_, mut raw| async move {
            raw.send([Frame::settings(&[(INITIAL_WINDOW_SIZE, window)])]).await.unwrap();
            gone(&mut raw).await;
        })
        .await;
        let (process, directory) = (process(), Directory::default());
        directory.remote(PROBE.name(), peer.address.to_string().parse().unwrap());
        let clients = Clients::new(&process, &directory, "caller", &[PROBE], &[], config()).unwrap();
        let mut channel = clients.channel(PROBE).unwrap();
        let (mut request, made) = upload();
        request.headers_mut().insert("grpc-timeout", "500m".parse().unwrap());
        let begun = Instant::now();
        let answer =
            timeout(PATIENCE, channel.call(request)).await.expect("it ends").unwrap_or_else(|never| match never {});
        assert_eq!(answer.headers()["grpc-status"], "4", "DEADLINE_EXCEEDED");
        assert!(begun.elapsed() >= Duration::from_millis(500));
        // What one stream may have waiting, the window, and one piece.
        let most = 256 + usize::try_from(window).unwrap() / 1024 + 64;
        assert!(made.load(Ordering::SeqCst) <= most, "{made:?} KiB were made for nobody");
        drop((channel, clients));
        // The stream is reset: what the body held is free.
        eventually("the end of the upload", || Arc::strong_count(&made) == 1).await;
    }
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_held_back_at_its_sender() {
    let (sends, sent) = tokio::sync::watch::channel(0_usize);
    let peer = Peer::start(move |_, mut raw| {
        let sends = sends.clone();
        async move {
            let stream = first_call(&mut raw, &[]).await;
            raw.send(Frame::answer(stream).into_iter().take(1)).await.unwrap();
            // As much as the windows let: those that were announced, of the stream and of the connection.
            let window = 1024 * 1024;
            let message = [&[0, 0, 0, 64, 0][..], &[0; 16_000]].concat();
            while *sends.borrow() + message.len() <= window {
                raw.send([Frame::data(stream, 0, &message[..16_000])]).await.unwrap();
                sends.send_modify(|sent| *sent += 16_000);
            }
            // No window comes while nobody reads; the client only says that it gives up.
            while let Some(frame) = raw.next_of_stream().await {
                assert!(
                    !frame.is(crate::frames::WINDOW_UPDATE, stream),
                    "the window of an answer that nobody reads opens"
                );
            }
        }
    })
    .await;
    let caller = Caller::of(peer.address, config());
    let mut client = caller.client.clone();
    let answer = timeout(PATIENCE, client.watch(crate::fixture::question())).await.unwrap().unwrap();
    eventually("the whole window", || *sent.borrow() > 1_000_000).await;
    drop((answer, client));
    caller.ends(&peer).await;
}

#[tokio::test]
async fn a_peer_that_is_well_is_read_to_the_end_of_a_long_answer() {
    let served = Served::answering(ConnectionConfig::default());
    let mut caller = Caller::of(served.address, config());
    let mut answer =
        timeout(PATIENCE, caller.client.watch(crate::fixture::question())).await.unwrap().unwrap().into_inner();
    // Several windows of a stream.
    for _ in 0..300_000 {
        assert!(Pin::new(&mut answer).next().await.unwrap().is_ok());
    }
    drop((answer, caller));
    served.left_nothing().await;
}

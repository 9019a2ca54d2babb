//! Clients that attack the protocol itself: more of something than anybody needs. Their connection ends or costs a bounded
//! amount, and others are served meanwhile.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use crate::{
    PATIENCE,
    frames::{
        CANCEL, CONTINUATION, DATA, EMPTY, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frame, GOAWAY,
        HEADER_TABLE_SIZE, HEADERS, PROTOCOL_ERROR, RST_STREAM, Raw, block, integer,
    },
    served::{CHECK, Served},
};

/// What a client can make the server take without reading what it answers: what kernels buffer, with much to spare.
const UNREAD_MAX: usize = 64 * 1024 * 1024;

/// Sends `first` and then `again`, over and over, until the server takes no more: it has hung up, or stopped reading.
async fn flood(raw: Raw, first: Vec<u8>, again: &[u8]) {
    let (mut read, mut write) = raw.into_split();
    let piece = again.repeat(64 * 1024 / again.len());
    let (mut next, mut taken) = (first, 0);
    // Whoever takes nothing for so long has stopped reading.
    while let Ok(Ok(())) = timeout(Duration::from_secs(2), write.write_all(&next)).await {
        taken += next.len();
        assert!(taken <= UNREAD_MAX, "it took {taken} bytes");
        next.clone_from(&piece);
    }
    // What is read now is what was buffered.
    drop(write);
    let mut rest = Vec::new();
    let _reset = timeout(PATIENCE, read.read_to_end(&mut rest)).await.expect("the connection ends").is_ok();
}

/// The reason with which a connection is ended.
async fn reason(raw: &mut Raw) -> Option<u32> {
    raw.rest_until(|frame| frame.kind == GOAWAY).await.and_then(|frame| frame.code())
}

#[tokio::test]
async fn calls_that_are_reset_as_fast_as_they_are_made_end_their_connection() {
    // CVE-2023-44487.
    let mut served = Served::waiting(Default::default());
    let mut raw = Raw::dial(served.address, &[]).await;
    let attack: Vec<Frame> = (0..10_000)
        .flat_map(|turn| [Frame::asking(1 + 2 * turn, CHECK, &[]), Frame::reset(1 + 2 * turn, CANCEL)])
        .collect();
    let sent = attack.into_iter().flat_map(|frame| frame.encode()).collect::<Vec<u8>>();
    let (others, _hung_up) = tokio::join!(served.serves_others(), raw.write(&sent));
    let () = others;
    assert!(matches!(reason(&mut raw).await, Some(ENHANCE_YOUR_CALM) | None));
    // None of them was complete.
    assert_eq!(served.begun(), 0);
    served.left_nothing().await;
}

#[tokio::test]
async fn complete_calls_that_are_reset_leave_no_handler_behind() {
    let mut served = Served::waiting(Default::default());
    let mut raw = Raw::dial(served.address, &[]).await;
    let mut made = 0;
    for turn in 0..2_000 {
        let stream = 1 + 2 * turn;
        let [asking, data] = Frame::call(stream, CHECK);
        if raw.send([asking, data, Frame::reset(stream, CANCEL)]).await.is_err() {
            break;
        }
        made += 1;
    }
    served.serves_others().await;
    drop(raw);
    let mut begun = 0;
    served.connections(0).await;
    while served.begun() > 0 {
        begun += 1;
    }
    assert!(begun <= made);
    served.left_nothing().await;
}

#[tokio::test]
async fn a_client_that_makes_the_server_reset_its_streams_ends_its_connection() {
    // CVE-2025-8671: the server does the resetting, so that the limit on the client's resets does not see it.
    let served = Served::waiting(Default::default());
    // A window that is too large is the stream's mistake; one of nothing is the connection's, so that it ends at once.
    for (more, ends_with) in [(0x7fff_ffff, ENHANCE_YOUR_CALM), (0, PROTOCOL_ERROR)] {
        let mut raw = Raw::dial(served.address, &[]).await;
        let attack = (0..3_000).flat_map(|turn| {
            let stream = 1 + 2 * turn;
            [Frame::asking(stream, CHECK, &[]), Frame::window(stream, more)]
        });
        let attack: Vec<u8> = attack.flat_map(|frame| frame.encode()).collect();
        let (others, _hung_up) = tokio::join!(served.serves_others(), raw.write(&attack));
        let () = others;
        assert!(reason(&mut raw).await.is_none_or(|reason| reason == ends_with), "a window of {more}");
    }
    served.left_nothing().await;
}

#[tokio::test]
async fn headers_that_never_end_end_their_connection() {
    // CVE-2024-27316 and its family, with frames of any size, empty ones too.
    for size in [0, 1, 1_000] {
        let served = Served::waiting(Default::default());
        let raw = Raw::dial(served.address, &[]).await;
        let field = block(&[("x", &"y".repeat(size))]);
        let first = Frame::new(HEADERS, 0, 1, block(&[(":method", "POST")])).encode();
        let again = Frame::new(CONTINUATION, 0, 1, if size == 0 { Vec::new() } else { field }).encode();
        let ((), ()) = tokio::join!(flood(raw, first, &again), served.serves_others());
        served.left_nothing().await;
    }
}

#[tokio::test]
async fn frames_that_have_to_be_answered_are_not_taken_from_a_client_that_reads_no_answers() {
    // CVE-2019-9512 and CVE-2019-9515.
    for frame in [Frame::ping([1; 8]), Frame::settings(&[])] {
        let served = Served::waiting(Default::default());
        let raw = Raw::dial(served.address, &[]).await;
        let again = frame.encode();
        let ((), ()) = tokio::join!(flood(raw, Vec::new(), &again), served.serves_others());
        served.left_nothing().await;
    }
}

#[tokio::test]
async fn a_header_that_is_repeated_by_reference_is_counted_each_time() {
    // One long value in the table, and then a byte for each further copy: 64 MB of headers in 16 kB.
    let mut served = Served::waiting(Default::default());
    let mut raw = Raw::dial(served.address, &[(HEADER_TABLE_SIZE, 4_096)]).await;
    let value = "v".repeat(4_000);
    let mut bomb = [vec![0x40, 1, b'x'], integer(value.len()), value.into_bytes()].concat();
    bomb.resize(16_000, 0x80 | 62);
    let fields = [(":method", "POST"), (":scheme", "http"), (":path", CHECK), (":authority", "a")];
    let whole = [block(&fields), bomb].concat();
    let (first, rest) = whole.split_at(16_000);
    raw.send([
        Frame::new(HEADERS, 0, 1, first),
        Frame::new(CONTINUATION, END_HEADERS, 1, rest),
        Frame::data(1, END_STREAM, EMPTY),
    ])
    .await
    .unwrap();
    let end = raw.rest_until(|frame| matches!(frame.kind, HEADERS | RST_STREAM | GOAWAY)).await;
    assert!(end.is_some());
    served.serves_others().await;
    assert_eq!(served.begun(), 0, "it was handled");
    drop(raw);
    served.left_nothing().await;
}

#[tokio::test]
async fn empty_frames_of_a_message_that_never_ends_hold_up_nobody_else() {
    // CVE-2019-9518.
    let mut served = Served::answering(Default::default());
    let mut raw = Raw::dial(served.address, &[]).await;
    raw.send([Frame::asking(1, CHECK, &[])]).await.unwrap();
    let empty = Frame::data(1, 0, &[]).encode().repeat(100_000);
    let (others, sent) = tokio::join!(served.serves_others(), raw.write(&empty));
    let () = others;
    // If it is still there, it is answered as soon as it has said what it wants.
    if sent.is_ok() && raw.send([Frame::data(1, END_STREAM, EMPTY)]).await.is_ok() {
        let answered = raw.rest_until(|frame| frame.is(DATA, 1)).await.is_some();
        assert_eq!(answered, served.begun() == 1);
    }
    drop(raw);
    served.left_nothing().await;
}

#[tokio::test]
async fn many_connections_that_say_nothing_hold_up_nobody_else() {
    let served = Served::answering(Default::default());
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(tokio::net::TcpStream::connect(served.address).await.unwrap());
    }
    served.serves_others().await;
    drop(silent);
    served.left_nothing().await;
}

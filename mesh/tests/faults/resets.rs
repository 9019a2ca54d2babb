//! Streams that are reset, by the client and by the server, with every reason that matters.

use tonic::Code;

use crate::{
    frames::{
        CANCEL, DATA, EMPTY, END_STREAM, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, Frame, INADEQUATE_SECURITY,
        INTERNAL_ERROR, MAX_CONCURRENT_STREAMS, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, RST_STREAM, Raw, SETTINGS,
    },
    peer::{Caller, Peer, answer_all, config, first_call, next_call},
    served::{CHECK, Served, WATCH},
};

/// What a reset means to a caller (gRPC over HTTP/2, *Errors*).
const CODES: [(u32, Code); 8] = [
    (NO_ERROR, Code::Internal),
    (PROTOCOL_ERROR, Code::Internal),
    (INTERNAL_ERROR, Code::Internal),
    (FLOW_CONTROL_ERROR, Code::Internal),
    (REFUSED_STREAM, Code::Unavailable),
    (CANCEL, Code::Cancelled),
    (ENHANCE_YOUR_CALM, Code::ResourceExhausted),
    (INADEQUATE_SECURITY, Code::PermissionDenied),
];

#[tokio::test]
async fn a_call_that_its_client_resets_ends_its_handler_and_nothing_else() {
    let mut served = Served::waiting(Default::default());
    let mut raw = Raw::dial(served.address, &[]).await;
    for (index, (reason, _)) in CODES.into_iter().enumerate() {
        let stream = 1 + 2 * u32::try_from(index).unwrap();
        raw.send(Frame::call(stream, CHECK)).await.unwrap();
        served.begins().await;
        raw.send([Frame::reset(stream, reason)]).await.unwrap();
        served.drops().await;
        served.ended("CANCELLED", index + 1).await;
    }
    // The same connection goes on.
    raw.send(Frame::call(101, WATCH)).await.unwrap();
    raw.until(DATA, 101).await;
    raw.send([Frame::reset(101, CANCEL)]).await.unwrap();
    served.drops().await;
    drop(raw);
    served.left_nothing().await;
}

#[tokio::test]
async fn a_call_that_is_reset_before_its_message_is_complete_reaches_no_handler() {
    let mut served = Served::waiting(Default::default());
    let mut raw = Raw::dial(served.address, &[]).await;
    let asking = |stream| Frame::asking(stream, CHECK, &[]);
    raw.send([asking(1), Frame::reset(1, CANCEL)]).await.unwrap();
    raw.send([asking(3), Frame::data(3, 0, &EMPTY[..3]), Frame::reset(3, CANCEL)]).await.unwrap();
    raw.send(Frame::call(5, CHECK)).await.unwrap();
    served.begins().await;
    assert_eq!(served.begun(), 0);
    drop(raw);
    served.drops().await;
    served.left_nothing().await;
}

#[tokio::test]
async fn a_message_that_ends_too_early_is_an_error_of_its_call_alone() {
    let mut served = Served::answering(Default::default());
    let mut raw = Raw::dial(served.address, &[]).await;
    // A message of seven bytes, of which three come.
    raw.send([Frame::asking(1, CHECK, &[]), Frame::data(1, END_STREAM, &[0, 0, 0, 0, 7, 1, 2, 3])]).await.unwrap();
    raw.until(crate::frames::HEADERS, 1).await;
    raw.send(Frame::call(3, CHECK)).await.unwrap();
    raw.until(DATA, 3).await;
    served.begins().await;
    assert_eq!(served.begun(), 0);
    drop(raw);
    served.left_nothing().await;
}

#[tokio::test]
async fn a_call_beyond_the_streams_of_a_connection_is_refused_and_the_others_go_on() {
    let config = mesh::server::ConnectionConfig { streams_max: 1, ..Default::default() };
    let mut served = Served::answering(config);
    let mut raw = Raw::dial(served.address, &[]).await;
    let said = raw.next().await.unwrap();
    assert!(said.kind == SETTINGS && said.payload.windows(6).any(|one| one == [0, 3, 0, 0, 0, 1]), "{said:?}");
    assert_eq!(MAX_CONCURRENT_STREAMS, 3);
    // The endless stream has a window of its own, and leaves something of the connection's.
    raw.send([Frame::window(0, 1 << 20)]).await.unwrap();
    raw.send(Frame::call(1, WATCH)).await.unwrap();
    served.begins().await;
    raw.send(Frame::call(3, CHECK)).await.unwrap();
    // Of the stream that goes on there may be much before.
    assert_eq!(raw.until(RST_STREAM, 3).await.code(), Some(REFUSED_STREAM));
    raw.send([Frame::reset(1, CANCEL)]).await.unwrap();
    served.drops().await;
    raw.send(Frame::call(5, CHECK)).await.unwrap();
    raw.until(DATA, 5).await;
    drop(raw);
    served.begins().await;
    assert_eq!(served.begun(), 0, "the refused one was handled");
    served.left_nothing().await;
}

#[tokio::test]
async fn a_stream_that_is_refused_before_its_headers_is_tried_again() {
    let peer = Peer::start(|number, mut raw| async move {
        let stream = first_call(&mut raw, &[]).await;
        if number == 0 {
            raw.send([Frame::reset(stream, REFUSED_STREAM)]).await.unwrap();
        } else {
            raw.send(Frame::answer(stream)).await.unwrap();
        }
        answer_all(&mut raw).await;
    })
    .await;
    let caller = Caller::of(peer.address, config());
    caller.check().await.unwrap();
    caller.left_nothing(peer).await;
}

#[tokio::test]
async fn a_peer_that_refuses_every_stream_is_unavailable_at_once_after_a_few_tries() {
    let (tries, tried) = tokio::sync::watch::channel(0);
    let peer = Peer::start(move |_, mut raw| {
        let tries = tries.clone();
        async move {
            raw.send([Frame::settings(&[])]).await.unwrap();
            while let Some(frame) = raw.next_of_stream().await {
                if frame.ends_stream() {
                    tries.send_modify(|tries| *tries += 1);
                    raw.send([Frame::reset(frame.stream, REFUSED_STREAM)]).await.unwrap();
                }
            }
        }
    })
    .await;
    let caller = Caller::of(peer.address, config());
    let status = caller.fails_at_once().await;
    assert_eq!(status.code(), Code::Unavailable);
    let tries = *tried.borrow();
    assert!((2..=5).contains(&tries), "{tries} tries");
    caller.ends(&peer).await;
}

#[tokio::test]
async fn a_reset_is_the_status_that_its_reason_stands_for_before_and_after_the_headers_and_in_the_message() {
    for (reason, code) in CODES {
        for sent in 0..=2 {
            if (reason, sent) == (REFUSED_STREAM, 0) {
                continue;
            }
            let peer = Peer::start(move |_, mut raw| async move {
                let stream = first_call(&mut raw, &[]).await;
                let mut answer = Frame::answer(stream);
                answer[1].payload.truncate(3);
                raw.send(answer.into_iter().take(sent)).await.unwrap();
                raw.send([Frame::reset(stream, reason)]).await.unwrap();
                answer_all(&mut raw).await;
            })
            .await;
            let caller = Caller::of(peer.address, config());
            let status = caller.fails_at_once().await;
            assert_eq!(status.code(), code, "reason {reason} after {sent} frames: {status:?}");
            // The connection is well: only the stream was reset.
            caller.check().await.unwrap();
            assert_eq!(peer.accepted(), 1, "reason {reason} after {sent} frames");
            caller.left_nothing(peer).await;
        }
    }
}

#[tokio::test]
async fn a_reset_after_the_trailers_takes_nothing_from_the_answer() {
    let peer = Peer::start(|_, mut raw| async move {
        raw.send([Frame::settings(&[])]).await.unwrap();
        loop {
            let stream = next_call(&mut raw).await;
            raw.send(Frame::answer(stream)).await.unwrap();
            raw.send([Frame::reset(stream, NO_ERROR)]).await.unwrap();
            if stream > 3 {
                break;
            }
        }
        answer_all(&mut raw).await;
    })
    .await;
    let caller = Caller::of(peer.address, config());
    for _ in 0..3 {
        caller.check().await.unwrap();
    }
    caller.left_nothing(peer).await;
}

#[tokio::test]
async fn a_caller_that_gives_up_resets_its_stream_and_keeps_its_connection() {
    let (asked, mut asks) = tokio::sync::mpsc::unbounded_channel();
    let peer = Peer::ill_once(move |mut raw| {
        let asked = asked.clone();
        async move {
            let stream = first_call(&mut raw, &[]).await;
            asked.send(None).unwrap();
            let reset = raw.until(RST_STREAM, stream).await;
            asked.send(reset.code()).unwrap();
            answer_all(&mut raw).await;
        }
    })
    .await;
    let caller = Caller::of(peer.address, config());
    tokio::select! {
        _ = caller.check() => panic!("it is answered"),
        asked = asks.recv() => assert_eq!(asked, Some(None)),
    }
    assert_eq!(asks.recv().await, Some(Some(CANCEL)));
    caller.check().await.unwrap();
    assert_eq!(peer.accepted(), 1);
    caller.left_nothing(peer).await;
}

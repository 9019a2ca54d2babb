//! Peers whose socket is there and who say nothing: half-open connections, and peers that never begin.
//!
//! A link that is cut here acknowledges at the kernel's level what it swallows, as the kernel of a stopped process does. What
//! the kernel itself does about a peer that is gone (TCP_USER_TIMEOUT) needs lost packets: `tests/peers/partition`.

use std::time::Duration;

use mesh::{client::ClientConfig, server::ConnectionConfig};
use tokio::{sync::mpsc, time::Instant};
use tonic::Code;

use crate::{
    fixture::eventually,
    frames::{ACK, DATA, EMPTY, Frame, HEADERS, PING, PREFACE, Raw},
    link::{Link, Quality},
    peer::{Caller, Peer, answer_all, config, first_call, gone, well},
    served::{CHECK, Served, WATCH},
};

/// How long a peer may say nothing before it is asked, and how long it may take for the answer: more than a busy machine
/// does.
const BRIEF: Duration = Duration::from_millis(100);
const UNANSWERED: Duration = Duration::from_millis(500);

fn attentive() -> ConnectionConfig {
    ConnectionConfig { keepalive_interval: BRIEF, keepalive_timeout: UNANSWERED, ..Default::default() }
}

#[tokio::test]
async fn a_client_that_falls_silent_while_its_call_is_handled_ends_the_handler() {
    let mut served = Served::waiting(attentive());
    let link = Link::to(served.address, Quality::Good).await;
    let mut raw = Raw::dial(link.address, &[]).await;
    raw.send(Frame::call(1, CHECK)).await.unwrap();
    served.begins().await;
    link.becomes(Quality::Cut);
    served.drops().await;
    served.ended("CANCELLED", 1).await;
    served.left_nothing().await;
}

#[tokio::test]
async fn a_client_that_falls_silent_in_the_middle_of_an_answer_ends_its_stream() {
    let mut served = Served::answering(attentive());
    let link = Link::to(served.address, Quality::Good).await;
    let mut raw = Raw::dial(link.address, &[]).await;
    raw.send(Frame::call(1, WATCH)).await.unwrap();
    raw.until(DATA, 1).await;
    link.becomes(Quality::Cut);
    served.begins().await;
    served.drops().await;
    served.left_nothing().await;
}

#[tokio::test]
async fn a_client_that_stops_before_or_in_the_middle_of_a_frame_is_given_up() {
    let (settings, asking) = (Frame::settings(&[]).encode(), Frame::asking(1, CHECK, &[]).encode());
    let served = Served::waiting(attentive());
    let mut silent = Vec::new();
    for said in
        [&[PREFACE][..], &[PREFACE, &settings[..4]], &[PREFACE, &settings], &[PREFACE, &settings, &asking[..30]]]
    {
        let mut raw = Raw::new(tokio::net::TcpStream::connect(served.address).await.unwrap());
        raw.write(&said.concat()).await.unwrap();
        silent.push(raw);
    }
    for raw in &mut silent {
        raw.rest().await;
    }
    served.left_nothing().await;
}

#[tokio::test]
async fn a_client_that_only_answers_pings_is_kept() {
    let served = Served::answering(ConnectionConfig { keepalive_timeout: crate::PATIENCE, ..attentive() });
    let mut raw = Raw::dial(served.address, &[]).await;
    for _ in 0..5 {
        let ping = raw.rest_until(|frame| frame.kind == PING).await.expect("it is kept");
        raw.send([Frame::new(PING, ACK, 0, ping.payload)]).await.unwrap();
    }
    raw.send(Frame::call(1, CHECK)).await.unwrap();
    raw.until(DATA, 1).await;
    drop(raw);
    served.left_nothing().await;
}

#[tokio::test]
async fn a_peer_that_falls_silent_in_the_middle_of_a_call_is_unavailable_once_a_ping_is_not_answered() {
    let upstream = Peer::start(|number, mut raw| async move {
        if number == 0 {
            let stream = first_call(&mut raw, &[]).await;
            raw.send(Frame::answer(stream).into_iter().take(2)).await.unwrap();
            gone(&mut raw).await;
        } else {
            well(raw).await;
        }
    })
    .await;
    let link = Link::to(upstream.address, Quality::Good).await;
    let config = ClientConfig { keepalive_interval: BRIEF, keepalive_timeout: UNANSWERED, ..config() };
    let caller = Caller::of(link.address, config);
    let call = {
        let mut client = caller.client.clone();
        tokio::spawn(async move { client.check(crate::fixture::question()).await.map(drop) })
    };
    eventually("a connection", || upstream.accepted() == 1).await;
    link.becomes(Quality::Cut);
    let status = tokio::time::timeout(crate::PATIENCE, call).await.expect("it ends").unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    link.becomes(Quality::Good);
    caller.recovers().await;
    caller.ends(&upstream).await;
}

#[tokio::test]
async fn a_call_to_a_peer_that_falls_silent_ends_by_its_deadline_whatever_the_keepalive_is() {
    let peer = Peer::ill_once(|mut raw| async move {
        first_call(&mut raw, &[]).await;
        gone(&mut raw).await;
    })
    .await;
    let caller = Caller::of(peer.address, config());
    let begun = Instant::now();
    let status = caller.check_within(BRIEF).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert!(begun.elapsed() >= BRIEF);
    drop(caller);
    drop(peer);
}

#[tokio::test]
async fn a_peer_that_never_sends_settings_is_unavailable_and_named_and_never_gets_a_call() {
    let (calls, mut called) = mpsc::unbounded_channel();
    let peer = Peer::start(move |_, mut raw| {
        let calls = calls.clone();
        async move {
            while let Some(frame) = raw.next().await {
                if frame.kind == HEADERS {
                    calls.send(()).unwrap();
                }
            }
        }
    })
    .await;
    let caller = Caller::of(peer.address, ClientConfig { connect_timeout: BRIEF, ..config() });
    let status = caller.fails_at_once().await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().contains("took more than 100 ms"), "{}", status.message());
    caller.ends(&peer).await;
    assert!(called.try_recv().is_err(), "it was sent a call");
}

#[tokio::test]
async fn a_peer_that_speaks_something_else_is_unavailable_at_once_and_named() {
    const HTTP1: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    let data = Frame::data(1, 0, EMPTY).encode();
    for said in [HTTP1, b"SSH-2.0-OpenSSH_9.2\r\n", &[0; 64], &[0xff; 64], &data].map(<[u8]>::to_vec) {
        let says = said.clone();
        let peer = Peer::start(move |_, mut raw| {
            let says = says.clone();
            async move {
                raw.write(&says).await.unwrap();
                gone(&mut raw).await;
            }
        })
        .await;
        let caller = Caller::of(peer.address, config());
        let status = caller.fails_at_once().await;
        assert_eq!(status.code(), Code::Unavailable, "{}: {status:?}", said.escape_ascii());
        assert!(status.message().contains(&peer.address.to_string()), "{}", status.message());
        caller.ends(&peer).await;
    }
}

#[tokio::test]
async fn a_peer_that_never_acknowledges_settings_is_called_all_the_same() {
    let peer = Peer::start(|_, mut raw| async move {
        raw.send([Frame::settings(&[])]).await.unwrap();
        while let Some(frame) = raw.next().await {
            if frame.ends_stream() && raw.send(Frame::answer(frame.stream)).await.is_err() {
                return;
            }
        }
    })
    .await;
    let caller = Caller::of(peer.address, config());
    for _ in 0..3 {
        caller.check().await.unwrap();
    }
    caller.left_nothing(peer).await;
}

#[tokio::test]
async fn a_peer_that_answers_later_than_a_ping_is_not_given_up() {
    let peer = Peer::start(|_, mut raw| async move {
        let stream = first_call(&mut raw, &[]).await;
        // Three times as long as silence may last; pings are answered meanwhile.
        for _ in 0..3 {
            let ping = raw.rest_until(|frame| frame.kind == PING).await.expect("a ping");
            raw.send([Frame::new(PING, ACK, 0, ping.payload)]).await.unwrap();
        }
        raw.send(Frame::answer(stream)).await.unwrap();
        answer_all(&mut raw).await;
    })
    .await;
    let config = ClientConfig { keepalive_interval: BRIEF, keepalive_timeout: crate::PATIENCE, ..config() };
    let caller = Caller::of(peer.address, config);
    caller.check().await.unwrap();
    assert_eq!(peer.accepted(), 1);
    caller.left_nothing(peer).await;
}

//! MAX_CONCURRENT_STREAMS of peers: few, one, and none.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use mesh::client::ClientConfig;
use tokio::sync::watch;
use tonic::Code;

use crate::{
    frames::{Frame, HEADERS, MAX_CONCURRENT_STREAMS, REFUSED_STREAM, Raw},
    peer::{Caller, Peer, answer_all, config, gone},
};

/// Answers every call, and refuses those beyond the limit that it announced; the most that were open at once.
async fn strict(mut raw: Raw, limit: u32, worst: Arc<watch::Sender<usize>>) {
    raw.send([Frame::settings(&[(MAX_CONCURRENT_STREAMS, limit)])]).await.unwrap();
    let mut open: Vec<u32> = Vec::new();
    while let Some(frame) = raw.next_of_stream().await {
        if frame.kind == HEADERS {
            open.push(frame.stream);
            worst.send_modify(|worst| *worst = (*worst).max(open.len()));
        }
        if frame.ends_stream() {
            let beyond = open.len() > usize::try_from(limit).unwrap();
            open.retain(|stream| *stream != frame.stream);
            let sent = if beyond {
                raw.send([Frame::reset(frame.stream, REFUSED_STREAM)]).await
            } else {
                raw.send(Frame::answer(frame.stream)).await
            };
            if sent.is_err() {
                return;
            }
        }
    }
}

#[tokio::test]
async fn a_peer_that_takes_one_call_at_a_time_gets_no_more_and_every_call_is_answered() {
    let worst = Arc::new(watch::Sender::new(0));
    let seen = Arc::clone(&worst);
    let peer = Peer::start(move |_, raw| strict(raw, 1, Arc::clone(&seen))).await;
    let caller = Caller::of(peer.address, config());
    let answers = join_all((0..50).map(|_| caller.check())).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(*worst.borrow(), 1);
    caller.left_nothing(peer).await;
}

#[tokio::test]
async fn calls_beyond_a_connections_streams_go_to_more_connections() {
    // Each connection takes one call and answers it only once there are three calls on three connections.
    let calls = Arc::new(watch::Sender::new(0));
    let counted = Arc::clone(&calls);
    let peer = Peer::start(move |_, mut raw| {
        let calls = Arc::clone(&counted);
        async move {
            raw.send([Frame::settings(&[(MAX_CONCURRENT_STREAMS, 1)])]).await.unwrap();
            while let Some(frame) = raw.next_of_stream().await {
                if frame.ends_stream() {
                    calls.send_modify(|calls| *calls += 1);
                    calls.subscribe().wait_for(|calls| *calls >= 3).await.unwrap();
                    raw.send(Frame::answer(frame.stream)).await.unwrap();
                }
            }
        }
    })
    .await;
    let caller = Caller::of(peer.address, config());
    let answers = join_all((0..3).map(|_| caller.check())).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert!(peer.accepted() >= 3);
    caller.left_nothing(peer).await;
}

#[tokio::test]
async fn a_peer_that_takes_no_call_ends_each_at_its_deadline_and_is_called_once_it_takes_some() {
    let opens = Arc::new(watch::Sender::new(false));
    let told = Arc::clone(&opens);
    let peer = Peer::start(move |_, mut raw| {
        let mut told = told.subscribe();
        async move {
            raw.send([Frame::settings(&[(MAX_CONCURRENT_STREAMS, 0)])]).await.unwrap();
            tokio::select! {
                _ = told.wait_for(|open| *open) => {}
                () = gone(&mut raw) => return,
            }
            raw.send([Frame::settings(&[(MAX_CONCURRENT_STREAMS, 100)])]).await.unwrap();
            answer_all(&mut raw).await;
        }
    })
    .await;
    let caller = Caller::of(peer.address, config());
    let status = caller.check_within(Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert!(peer.accepted() <= 12, "{} connections to a peer that takes none of them", peer.accepted());
    opens.send_replace(true);
    caller.check().await.unwrap();
    caller.left_nothing(peer).await;
}

#[tokio::test]
async fn a_limit_that_is_lowered_while_calls_are_open_fails_none_of_them() {
    let peer = Peer::ill_once(|mut raw| async move {
        raw.send([Frame::settings(&[])]).await.unwrap();
        let mut asked = Vec::new();
        while asked.len() < 4 {
            asked.push(crate::peer::next_call(&mut raw).await);
        }
        raw.send([Frame::settings(&[(MAX_CONCURRENT_STREAMS, 1)])]).await.unwrap();
        for stream in asked {
            raw.send(Frame::answer(stream)).await.unwrap();
        }
        answer_all(&mut raw).await;
    })
    .await;
    let caller = Caller::of(peer.address, ClientConfig { connections_per_loop: 1, ..config() });
    let answers = join_all((0..4).map(|_| caller.check())).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    for _ in 0..3 {
        caller.check().await.unwrap();
    }
    caller.left_nothing(peer).await;
}

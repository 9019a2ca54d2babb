//! GOAWAY, from both sides: what was handled counts, what was not is done elsewhere, and no call is made twice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mesh::server::ConnectionConfig;
use tokio::sync::{mpsc, watch};
use tonic::Code;

use crate::{
    frames::{ENHANCE_YOUR_CALM, Frame, GOAWAY, HEADERS, INTERNAL_ERROR, NO_ERROR, PING, PROTOCOL_ERROR, Raw},
    peer::{Caller, Peer, answer_all, config, first_call, gone, next_call},
    served::{CHECK, Served},
};

/// The last stream of a GOAWAY that only announces another one.
const ANNOUNCED: u32 = 0x7fff_ffff;

#[tokio::test]
async fn a_call_that_a_peer_ignores_as_it_goes_away_is_made_on_another_connection() {
    for reason in [NO_ERROR, INTERNAL_ERROR, ENHANCE_YOUR_CALM] {
        for hangs_up in [true, false] {
            let peer = Peer::ill_once(move |mut raw| async move {
                first_call(&mut raw, &[]).await;
                raw.send([Frame::goaway(0, reason)]).await.unwrap();
                if !hangs_up {
                    gone(&mut raw).await;
                }
            })
            .await;
            let caller = Caller::of(peer.address, config());
            caller.check().await.unwrap_or_else(|status| panic!("reason {reason}, hangs up {hangs_up}: {status:?}"));
            assert_eq!(peer.accepted(), 2);
            caller.left_nothing(peer).await;
        }
    }
}

#[tokio::test]
async fn calls_up_to_the_last_stream_finish_where_they_are_and_later_ones_elsewhere() {
    let peer = Peer::ill_once(|mut raw| async move {
        let first = first_call(&mut raw, &[]).await;
        let (second, third) = (next_call(&mut raw).await, next_call(&mut raw).await);
        assert_eq!((first, second, third), (1, 3, 5));
        raw.send([Frame::goaway(3, NO_ERROR)]).await.unwrap();
        raw.send([Frame::answer(3), Frame::answer(1)].concat()).await.unwrap();
        // Nobody waits for the third one here, so the client has nothing left on this connection.
        gone(&mut raw).await;
    })
    .await;
    let caller = Caller::of(peer.address, config());
    let (one, two, three) = tokio::join!(caller.check(), caller.check(), caller.check());
    assert!(one.is_ok() && two.is_ok() && three.is_ok(), "{one:?} {two:?} {three:?}");
    assert_eq!(peer.accepted(), 2);
    caller.left_nothing(peer).await;
}

#[tokio::test]
async fn a_goaway_in_two_steps_fails_no_call() {
    let peer = Peer::ill_once(|mut raw| async move {
        let stream = first_call(&mut raw, &[]).await;
        raw.send([Frame::goaway(ANNOUNCED, NO_ERROR), Frame::ping([7; 8])]).await.unwrap();
        raw.rest_until(|frame| frame.kind == PING && frame.payload == [7; 8]).await.expect("the PING's answer");
        raw.send([Frame::goaway(stream, NO_ERROR)]).await.unwrap();
        raw.send(Frame::answer(stream)).await.unwrap();
        gone(&mut raw).await;
    })
    .await;
    let caller = Caller::of(peer.address, config());
    for _ in 0..3 {
        caller.check().await.unwrap();
    }
    assert_eq!(peer.accepted(), 2);
    caller.left_nothing(peer).await;
}

#[tokio::test]
async fn a_peer_that_announces_its_end_gets_no_further_calls_and_finishes_those_it_has() {
    let ((announces, mut announced), (answers, answer)) = (mpsc::unbounded_channel(), watch::channel(false));
    let peer = Peer::ill_once(move |mut raw| {
        let (announces, mut answer) = (announces.clone(), answer.clone());
        async move {
            let stream = first_call(&mut raw, &[]).await;
            raw.send([Frame::goaway(ANNOUNCED, NO_ERROR), Frame::ping([7; 8])]).await.unwrap();
            raw.rest_until(|frame| frame.kind == PING && frame.payload == [7; 8]).await.expect("the PING's answer");
            announces.send(()).unwrap();
            loop {
                tokio::select! {
                    answer = answer.wait_for(|answer| *answer) => break drop(answer.unwrap()),
                    frame = raw.next_of_stream() => {
                        let frame = frame.expect("the connection was given up with a call on it");
                        assert_ne!(frame.kind, HEADERS, "it got a call after it had said that it goes");
                    }
                }
            }
            raw.send(Frame::answer(stream)).await.unwrap();
            gone(&mut raw).await;
        }
    })
    .await;
    let caller = Caller::of(peer.address, config());
    let others = async {
        announced.recv().await.unwrap();
        for _ in 0..20 {
            caller.check().await.unwrap();
        }
        answers.send_replace(true);
    };
    let (first, ()) = tokio::join!(caller.check(), others);
    first.unwrap();
    assert_eq!(peer.accepted(), 2);
    caller.left_nothing(peer).await;
}

#[tokio::test]
async fn a_call_that_a_peer_may_have_handled_before_it_broke_down_is_unavailable_and_not_made_twice() {
    for reason in [NO_ERROR, INTERNAL_ERROR, PROTOCOL_ERROR, ENHANCE_YOUR_CALM] {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let peer = Peer::start(move |number, mut raw| {
            let counted = Arc::clone(&counted);
            async move {
                let stream = first_call(&mut raw, &[]).await;
                counted.fetch_add(1, Ordering::SeqCst);
                if number == 0 {
                    // The call's own stream is among those that were seen; then the connection is gone.
                    raw.send([Frame::goaway(stream, reason)]).await.unwrap();
                    return;
                }
                raw.send(Frame::answer(stream)).await.unwrap();
                answer_all(&mut raw).await;
            }
        })
        .await;
        let caller = Caller::of(peer.address, config());
        let status = caller.fails_at_once().await;
        assert_eq!(status.code(), Code::Unavailable, "reason {reason}: {status:?}");
        assert_eq!(calls.load(Ordering::SeqCst), 1, "reason {reason}: the call was made twice");
        caller.left_nothing(peer).await;
    }
}

#[tokio::test]
async fn a_peer_that_goes_away_whenever_it_is_called_is_unavailable_at_once_and_not_called_for_ever() {
    let peer = Peer::start(|_, mut raw| async move {
        first_call(&mut raw, &[]).await;
        raw.send([Frame::goaway(0, NO_ERROR)]).await.unwrap();
        gone(&mut raw).await;
    })
    .await;
    let caller = Caller::of(peer.address, config());
    let status = caller.fails_at_once().await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(peer.accepted() <= 6, "{} connections for one call", peer.accepted());
    caller.ends(&peer).await;
}

#[tokio::test]
async fn a_peer_that_goes_away_before_it_is_called_is_unavailable_at_most_and_says_so() {
    let peer = Peer::ill_once(|mut raw| async move {
        raw.send([Frame::settings(&[]), Frame::goaway(0, NO_ERROR)]).await.unwrap();
        gone(&mut raw).await;
    })
    .await;
    let caller = Caller::of(peer.address, config());
    if let Err(status) = caller.check().await {
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().contains("that it goes away"), "{}", status.message());
    }
    caller.left_nothing(peer).await;
}

#[tokio::test]
async fn an_old_connection_is_told_twice_and_its_calls_are_answered() {
    let config = ConnectionConfig { age: Duration::from_millis(20), ..Default::default() };
    let mut served = Served::answering(config);
    let mut raw = Raw::dial(served.address, &[]).await;
    let announced = raw.rest_until(|frame| frame.kind == GOAWAY).await.unwrap();
    assert_eq!((announced.payload[..4].to_vec(), announced.code()), (ANNOUNCED.to_be_bytes().to_vec(), Some(NO_ERROR)));
    // A call that crossed the announcement on its way.
    raw.send(Frame::call(1, CHECK)).await.unwrap();
    let ping = raw.rest_until(|frame| frame.kind == PING).await.unwrap();
    raw.send([Frame::new(PING, crate::frames::ACK, 0, ping.payload)]).await.unwrap();
    let rest = raw.rest().await;
    let last = rest.iter().find(|frame| frame.kind == GOAWAY).expect("the second GOAWAY");
    assert_eq!((&last.payload[..4], last.code()), (&1_u32.to_be_bytes()[..], Some(NO_ERROR)));
    assert!(rest.iter().any(|frame| frame.is(HEADERS, 1) && frame.ends_stream()), "{rest:?}");
    served.begins().await;
    served.connections(0).await;
}

#[tokio::test]
async fn a_client_that_goes_away_gets_the_answers_to_what_it_asked() {
    let mut served = Served::answering(Default::default());
    let mut raw = Raw::dial(served.address, &[]).await;
    raw.send(Frame::call(1, CHECK).into_iter().chain([Frame::goaway(0, NO_ERROR)])).await.unwrap();
    assert!(raw.rest().await.iter().any(|frame| frame.is(HEADERS, 1) && frame.ends_stream()));
    served.begins().await;
    served.left_nothing().await;
}

#[tokio::test]
async fn an_idle_connection_that_goes_away_is_replaced_before_anybody_calls() {
    let peer = Peer::ill_once(|mut raw| async move {
        let stream = first_call(&mut raw, &[]).await;
        raw.send(Frame::answer(stream)).await.unwrap();
        raw.send([Frame::goaway(stream, NO_ERROR)]).await.unwrap();
        gone(&mut raw).await;
    })
    .await;
    let caller = Caller::of(peer.address, config());
    caller.check().await.unwrap();
    crate::fixture::eventually("another connection", || peer.accepted() == 2).await;
    caller.check().await.unwrap();
    caller.left_nothing(peer).await;
}

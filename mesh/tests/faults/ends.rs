//! Connections that end: with a FIN or a RST, at every moment.

use tonic::Code;

use crate::{
    fixture::eventually,
    frames::{EMPTY, END_STREAM, Frame, PING, PREFACE, Raw},
    peer::{Caller, Peer, config, first_call, well},
    served::{CHECK, Served, WATCH},
};

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// FIN: nothing more comes from this side.
    Finish,
    /// RST.
    Abort,
}

const ENDS: [End; 2] = [End::Finish, End::Abort];

async fn end(mut raw: Raw, how: End) {
    match how {
        End::Finish => {
            raw.finish().await;
            // Whatever the other side still has to say; then it ends too.
            raw.rest().await;
        }
        End::Abort => raw.abort(),
    }
}

#[tokio::test]
async fn a_client_that_goes_away_before_its_call_is_complete_costs_nothing() {
    let settings = Frame::settings(&[]).encode();
    let asking = Frame::asking(1, CHECK, &[]).encode();
    let body = Frame::data(1, END_STREAM, EMPTY).encode();
    let moments: [(&str, &[&[u8]]); 8] = [
        ("at once", &[]),
        ("in its preface", &[&PREFACE[..10]]),
        ("before its SETTINGS", &[PREFACE]),
        ("after its SETTINGS", &[PREFACE, &settings]),
        ("in the head of a frame", &[PREFACE, &settings, &asking[..5]]),
        ("in the headers", &[PREFACE, &settings, &asking[..40]]),
        ("after the headers", &[PREFACE, &settings, &asking]),
        ("in the message", &[PREFACE, &settings, &asking, &body[..11]]),
    ];
    let served = Served::waiting(Default::default());
    for how in ENDS {
        for (moment, said) in moments {
            let mut raw = Raw::new(tokio::net::TcpStream::connect(served.address).await.unwrap());
            raw.write(&said.concat()).await.unwrap_or_else(|error| panic!("{moment}: {error}"));
            end(raw, how).await;
        }
    }
    served.left_nothing().await;
}

#[tokio::test]
async fn a_client_that_goes_away_while_its_call_is_handled_ends_the_handler() {
    for how in ENDS {
        let mut served = Served::waiting(Default::default());
        let mut raw = Raw::dial(served.address, &[]).await;
        raw.send(Frame::call(1, CHECK)).await.unwrap();
        served.begins().await;
        end(raw, how).await;
        served.drops().await;
        served.ended("CANCELLED", 1).await;
        served.left_nothing().await;
    }
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_of_an_answer_ends_its_stream() {
    for how in ENDS {
        let mut served = Served::answering(Default::default());
        let mut raw = Raw::dial(served.address, &[]).await;
        raw.send(Frame::call(1, WATCH)).await.unwrap();
        raw.until(crate::frames::DATA, 1).await;
        end(raw, how).await;
        served.begins().await;
        served.drops().await;
        served.left_nothing().await;
    }
}

#[tokio::test]
async fn a_peer_that_goes_away_before_its_settings_is_unavailable_with_the_reason() {
    for how in ENDS {
        let peer = Peer::start(move |_, raw| end(raw, how)).await;
        let caller = Caller::of(peer.address, config());
        let status = caller.fails_at_once().await;
        assert_eq!(status.code(), Code::Unavailable, "{how:?}");
        assert!(status.message().contains(&peer.address.to_string()), "{how:?}: {}", status.message());
        caller.ends(&peer).await;
    }
}

#[tokio::test]
async fn a_peer_that_goes_away_right_after_its_settings_is_unavailable_at_most_and_tried_again() {
    for how in ENDS {
        let peer = Peer::ill_once(move |mut raw| async move {
            let _gone_already = raw.send([Frame::settings(&[])]).await.is_err();
            end(raw, how).await;
        })
        .await;
        let caller = Caller::of(peer.address, config());
        if let Err(status) = caller.check().await {
            assert_eq!(status.code(), Code::Unavailable, "{how:?}: {status:?}");
            assert!(status.message().contains(&peer.address.to_string()), "{how:?}: {}", status.message());
        }
        caller.left_nothing(peer).await;
    }
}

#[tokio::test]
async fn a_peer_that_goes_away_while_nobody_calls_costs_the_next_call_nothing() {
    for how in ENDS {
        let peer = Peer::ill_once(move |mut raw| async move {
            let stream = first_call(&mut raw, &[]).await;
            raw.send(Frame::answer(stream)).await.unwrap();
            // A PING's answer says that the client has all of it.
            raw.send([Frame::ping([7; 8])]).await.unwrap();
            raw.rest_until(|frame| frame.kind == PING && frame.payload == [7; 8]).await.expect("the PING's answer");
            end(raw, how).await;
        })
        .await;
        let caller = Caller::of(peer.address, config());
        caller.check().await.unwrap();
        eventually("another connection", || peer.accepted() == 2).await;
        caller.check().await.unwrap_or_else(|status| panic!("{how:?}: {status:?}"));
        caller.left_nothing(peer).await;
    }
}

#[tokio::test]
async fn a_peer_that_goes_away_in_the_middle_of_a_call_is_unavailable_at_once_and_the_call_is_not_made_twice() {
    let [headers, data, trailers] = Frame::answer(1).map(|frame| frame.encode());
    let moments: [(&str, Vec<u8>); 6] = [
        ("after the request", Vec::new()),
        ("in the headers", headers[..20].to_vec()),
        ("after the headers", headers.clone()),
        ("in the message", [&headers[..], &data[..11]].concat()),
        ("before the trailers", [&headers[..], &data].concat()),
        ("in the trailers", [&headers[..], &data, &trailers[..15]].concat()),
    ];
    for how in ENDS {
        for (moment, said) in moments.clone() {
            let peer = Peer::ill_once(move |mut raw| {
                let said = said.clone();
                async move {
                    first_call(&mut raw, &[]).await;
                    raw.write(&said).await.unwrap();
                    end(raw, how).await;
                }
            })
            .await;
            let caller = Caller::of(peer.address, config());
            let status = caller.fails_at_once().await;
            assert_eq!(status.code(), Code::Unavailable, "{how:?} {moment}: {status:?}");
            caller.left_nothing(peer).await;
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_complete_counts_though_its_connection_ends_right_after_it() {
    let peer = Peer::ill_once(|mut raw| async move {
        let stream = first_call(&mut raw, &[]).await;
        raw.send(Frame::answer(stream)).await.unwrap();
        end(raw, End::Finish).await;
    })
    .await;
    let caller = Caller::of(peer.address, config());
    caller.check().await.unwrap();
    caller.left_nothing(peer).await;
}

#[tokio::test]
async fn a_peer_that_is_well_is_called_on_one_connection() {
    let peer = Peer::start(|_, raw| well(raw)).await;
    let caller = Caller::of(peer.address, config());
    for _ in 0..100 {
        caller.check().await.unwrap();
    }
    assert_eq!(peer.accepted(), 1);
    caller.left_nothing(peer).await;
}

//! NOT_SENT, which tells a caller whose calls must not be made twice that this one was not made: said wherever it is proved,
//! and never where the peer may have done something.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mesh::{Clients, Directory, client::ClientConfig, health::pb::health_client::HealthClient};
use tokio::net::TcpListener;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    fixture::{Fixture, PROBE, Probe, WAYS, process, question},
    frames::{CANCEL, Frame, INTERNAL_ERROR, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, Raw},
    peer::{Caller, Peer, config, first_call, gone},
};

/// Of whom the mesh says that the call did not reach it.
fn proof(status: &Status) -> Option<String> {
    let details = status.get_error_details();
    let info =
        details.error_info().filter(|info| (info.domain.as_str(), info.reason.as_str()) == ("mesh", "NOT_SENT"))?;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    info.metadata.get("target").cloned()
}

#[tokio::test]
async fn a_call_without_anybody_who_could_take_it_was_not_sent() {
    let process = process();
    let port = process.bind(&"127.0.0.1:0".parse().unwrap()).unwrap().address().to_string();
    let refused = Caller::of(port.parse().unwrap(), config()).check().await.unwrap_err();
    assert_eq!(proof(&refused).as_deref(), Some("probe"), "{refused:?}");
    // Nobody has said where it is.
    let clients = Clients::new(&process, &Directory::default(), "caller", &[PROBE], &[], config()).unwrap();
    let nowhere = HealthClient::new(clients.channel(PROBE).unwrap()).check(question()).await.unwrap_err();
    assert_eq!(proof(&nowhere).as_deref(), Some("probe"), "{nowhere:?}");
    // It takes connections and says nothing on them.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = ClientConfig { connecting_wait_max: Duration::from_millis(100), queue_max: 1, ..config() };
    let caller = Caller::of(silent.local_addr().unwrap(), config);
    let (one, other) = tokio::join!(caller.check(), caller.check());
    for waited in [one, other] {
        let waited = waited.unwrap_err();
        assert_eq!(proof(&waited).as_deref(), Some("probe"), "{waited:?}");
    }
}

#[tokio::test]
async fn a_call_that_a_peer_says_it_has_done_nothing_with_was_not_sent() {
    for refusal in [|stream| Frame::reset(stream, REFUSED_STREAM), |_| Frame::goaway(0, NO_ERROR)] {
        let peer = Peer::start(move |_, mut raw| async move {
            let mut stream = first_call(&mut raw, &[]).await;
            while raw.send([refusal(stream)]).await.is_ok() {
                let Some(frame) = raw.next_of_stream().await else { return };
                stream = frame.stream;
            }
        })
        .await;
        let caller = Caller::of(peer.address, config());
        let status = caller.fails_at_once().await;
        assert_eq!(proof(&status).as_deref(), Some("probe"), "{status:?}");
    }
}

/// What a peer does with a call that it has read.
#[derive(Clone, Copy, Debug)]
enum Then {
    Resets(u32),
    /// After so many frames of its answer.
    Breaks(usize, u32),
    /// It had seen the call, and goes.
    Leaves,
    HangsUp,
    Aborts,
    Answers(&'static str),
    Says503,
}

async fn then(mut raw: Raw, what: Then) {
    let stream = first_call(&mut raw, &[]).await;
    let frames = match what {
        Then::Resets(reason) => vec![Frame::reset(stream, reason)],
        Then::Breaks(sent, reason) => {
            let answer = Frame::answer(stream).into_iter().take(sent);
            answer.chain([Frame::reset(stream, reason)]).collect()
        }
        Then::Leaves => vec![Frame::goaway(stream, INTERNAL_ERROR)],
        Then::HangsUp => return,
        Then::Aborts => return raw.abort(),
        Then::Answers(status) => {
            let fields = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", status)];
            vec![Frame::headers(stream, END_OF_ALL, &fields)]
        }
        Then::Says503 => vec![Frame::headers(stream, END_OF_ALL, &[(":status", "503")])],
    };
    raw.send(frames).await.unwrap();
    if !matches!(what, Then::Leaves) {
        gone(&mut raw).await;
    }
}

const END_OF_ALL: u8 = crate::frames::END_STREAM | crate::frames::END_HEADERS;

#[tokio::test]
async fn a_call_that_a_peer_may_have_done_something_with_is_never_said_not_to_be_sent() {
    let all = [
        Then::Resets(INTERNAL_ERROR),
        Then::Resets(CANCEL),
        Then::Resets(PROTOCOL_ERROR),
        Then::Breaks(1, REFUSED_STREAM),
        Then::Breaks(2, REFUSED_STREAM),
        Then::Leaves,
        Then::HangsUp,
        Then::Aborts,
        Then::Answers("14"),
        Then::Says503,
    ];
    for what in all {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let peer = Peer::start(move |_, raw| {
            counted.fetch_add(1, Ordering::SeqCst);
            then(raw, what)
        })
        .await;
        let status = Caller::of(peer.address, config()).check().await.unwrap_err();
        assert_eq!(proof(&status), None, "{what:?}: {status:?}");
        assert_eq!(calls.load(Ordering::SeqCst), 1, "{what:?}: it was made twice");
    }
}

#[tokio::test]
async fn a_handler_that_is_unavailable_or_late_proves_nothing_whatever_the_way() {
    for way in WAYS {
        let unavailable = Fixture::new(way, Probe::unary(async |_| Err(Status::unavailable("it is away"))));
        let status = unavailable.client().check(question()).await.unwrap_err();
        assert_eq!((status.code(), proof(&status)), (Code::Unavailable, None), "{way:?}");
        let never = Fixture::new(way, Probe::unary(async |_| std::future::pending().await));
        let mut request = question();
        request.set_timeout(Duration::from_millis(50));
        let status = never.client().check(request).await.unwrap_err();
        assert_eq!((status.code(), proof(&status)), (Code::DeadlineExceeded, None), "{way:?}");
    }
}

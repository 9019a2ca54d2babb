//! Header blocks that are too long or wrong, in requests, answers and trailers.

use tonic::Code;

use crate::{
    frames::{DATA, EMPTY, END_STREAM, Frame, GOAWAY, HEADERS, RST_STREAM, Raw, request},
    peer::{Caller, Peer, answer_all, config, first_call},
    served::{CHECK, Served},
};

const CONTENT_TYPE: (&str, &str) = ("content-type", "application/grpc");

#[tokio::test]
async fn a_request_whose_headers_are_too_long_is_refused_and_its_connection_goes_on() {
    let mut served = Served::answering(Default::default());
    let mut raw = Raw::dial(served.address, &[]).await;
    let long = "x".repeat(4_000);
    let fields = [("a", long.as_str()), ("b", &long), ("c", &long), ("d", &long), ("e", &long)];
    raw.send(Frame::long_headers(1, 0, &[&request(CHECK)[..], &fields].concat())).await.unwrap();
    raw.send([Frame::data(1, END_STREAM, EMPTY)]).await.unwrap();
    let refused = raw.rest_until(|frame| frame.stream == 1).await.expect("an answer");
    assert!(matches!(refused.kind, HEADERS | RST_STREAM), "{refused:?}");
    raw.send(Frame::call(3, CHECK)).await.unwrap();
    raw.until(DATA, 3).await;
    served.begins().await;
    assert_eq!(served.begun(), 0, "the refused one was handled");
    drop(raw);
    served.left_nothing().await;
}

#[tokio::test]
async fn requests_that_http_forbids_reach_no_handler_and_nobody_else_hears_of_them() {
    let served = Served::answering(Default::default());
    let mut forbidden: Vec<Vec<(&str, &str)>> = vec![
        vec![("Upper-Case", "1")],
        vec![("connection", "close")],
        vec![("transfer-encoding", "chunked")],
        vec![("te", "gzip")],
        vec![("a", "line\r\nend")],
        vec![("a", "nul\0")],
        vec![(":path", "/twice")],
        vec![(":unknown", "1")],
        vec![("", "no name")],
    ];
    forbidden.push(vec![("content-length", "99")]);
    for fields in forbidden {
        let mut raw = Raw::dial(served.address, &[]).await;
        raw.send([Frame::asking(1, CHECK, &fields), Frame::data(1, END_STREAM, EMPTY)]).await.unwrap();
        let end = raw.rest_until(|frame| matches!(frame.kind, HEADERS | RST_STREAM | GOAWAY)).await;
        assert!(end.is_none_or(|frame| frame.kind != HEADERS), "{fields:?} was answered");
    }
    let mut served = served;
    assert_eq!(served.begun(), 0);
    served.left_nothing().await;
}

#[tokio::test]
async fn an_answer_whose_headers_or_trailers_are_too_long_fails_its_call_alone() {
    let long = "x".repeat(4_000);
    for trailers in [false, true] {
        let long = long.clone();
        let peer = Peer::start(move |_, mut raw| {
            let long = long.clone();
            async move {
                let stream = first_call(&mut raw, &[]).await;
                let [headers, data, _] = Frame::answer(stream);
                let fields = [("a", long.as_str()), ("b", &long), ("c", &long), ("d", &long), ("e", &long)];
                if trailers {
                    raw.send([headers, data]).await.unwrap();
                    let fields = [&fields[..], &[("grpc-status", "0")]].concat();
                    raw.send(Frame::long_headers(stream, END_STREAM, &fields)).await.unwrap();
                } else {
                    let fields = [&[(":status", "200"), CONTENT_TYPE][..], &fields].concat();
                    raw.send(Frame::long_headers(stream, 0, &fields)).await.unwrap();
                }
                answer_all(&mut raw).await;
            }
        })
        .await;
        let caller = Caller::of(peer.address, config());
        let status = caller.fails_at_once().await;
        assert!(matches!(status.code(), Code::Internal | Code::ResourceExhausted), "trailers {trailers}: {status:?}");
        caller.left_nothing(peer).await;
    }
}

#[tokio::test]
async fn an_answer_that_is_no_grpc_has_the_status_that_its_http_status_stands_for() {
    type Fields = &'static [(&'static str, &'static str)];
    let cases: [(Fields, Code); 6] = [
        (&[(":status", "503"), ("content-type", "text/html")], Code::Unavailable),
        (&[(":status", "404"), ("content-type", "text/html")], Code::Unimplemented),
        (&[(":status", "401")], Code::Unauthenticated),
        (&[(":status", "302"), ("location", "/login")], Code::Unknown),
        (&[(":status", "200"), ("content-type", "text/html")], Code::Unknown),
        (&[(":status", "200"), CONTENT_TYPE, ("grpc-status", "8"), ("grpc-message", "full")], Code::ResourceExhausted),
    ];
    for (fields, code) in cases {
        let peer = Peer::start(move |_, mut raw| async move {
            let stream = first_call(&mut raw, &[]).await;
            raw.send([Frame::headers(stream, END_STREAM, fields)]).await.unwrap();
            answer_all(&mut raw).await;
        })
        .await;
        let caller = Caller::of(peer.address, config());
        let status = caller.check().await.expect_err("it fails");
        assert_eq!(status.code(), code, "{fields:?}: {status:?}");
        caller.check().await.unwrap();
        assert_eq!(peer.accepted(), 1);
        caller.left_nothing(peer).await;
    }
}

//! What goes through the edge, and what does not.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, Request, Response, header};
use http_body::Frame;
use http_body_util::BodyExt as _;
use mesh::{Body, Builder, Channel, Clients, Directory, Process, Target, client::ClientConfig, server::InboundConfig};
use rpc::access::Access;
use storefront::edge::Edge;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    contracts::{DESCRIPTORS, PROBE},
    raw::{
        Answer, PATIENCE, WAYS, Way, answer, call, caller, enter, full, headers, process, read, request, serve,
        status_of, streamed,
    },
};

const CALLS: &[Target] = &[Target::new("catalog")];

/// An edge with one service behind it, and a caller before it.
struct Fixture {
    caller: Channel,
    _process: Process,
}

impl Fixture {
    fn new<F>(way: Way, upstream: F) -> Self
    where
        F: Fn(Request<Body>) -> Answer + Clone + Send + Sync + 'static,
    {
        let (process, directory) = (process("edge-test"), Directory::default());
        serve(&process, &directory, way, "catalog", &DESCRIPTORS, upstream);
        let clients =
            Clients::new(&process, &directory, "storefront", CALLS, &[&DESCRIPTORS], ClientConfig::default()).unwrap();
        let edge = Edge::new(&clients, Access::read(&DESCRIPTORS).unwrap()).unwrap();
        let builder = Builder::new("storefront").descriptors(&DESCRIPTORS).fallback(edge);
        enter(&process, &directory, way, builder.build(&process, InboundConfig::default()).unwrap());
        Self { caller: caller(&process, &directory, &DESCRIPTORS), _process: process }
    }

    async fn call(&self, method: &str, headers: &[(&'static str, &str)], body: Body) -> Response<Body> {
        call(&self.caller, request(&format!("{PROBE}/{method}"), headers, body)).await
    }
}

/// An upstream that tells what it was sent and answers with `body`.
fn recording() -> (impl Fn(Request<Body>) -> Answer + Clone + Send + Sync, mpsc::Receiver<(String, HeaderMap)>) {
    let (seen, requests) = mpsc::channel(64);
    let upstream = move |request: Request<Body>| -> Answer {
        let seen = seen.clone();
        Box::pin(async move {
            seen.send((request.uri().path().to_owned(), request.headers().clone())).await.unwrap();
            Ok(Status::ok("").into_http())
        })
    };
    (upstream, requests)
}

#[tokio::test]
async fn bodies_and_trailers_pass_byte_for_byte_though_they_are_no_messages() {
    for way in WAYS {
        let edge = Fixture::new(way, |request| {
            Box::pin(async move {
                let echo = request.into_body().collect().await.unwrap().to_bytes();
                let trailers = headers(&[
                    ("grpc-status", "0"),
                    ("proof-bin", "AP9/gA"),
                    ("proof-bin", "//8="),
                    ("x-note", "as it was sent"),
                ]);
                let frames = [Ok(Frame::data(echo)), Ok(Frame::trailers(trailers))];
                let mut answer = answer(streamed(futures_util::stream::iter(frames)));
                answer.headers_mut().insert("early-bin", "AAEC".parse().unwrap());
                Ok(answer)
            })
        });
        let sent: Vec<u8> = (0..=255).cycle().take(3 << 20).collect();
        let answer = edge.call("BothStream", &[], full(sent.clone())).await;
        assert_eq!(answer.headers()["early-bin"], "AAEC", "{way:?}");
        let (bytes, trailers) = read(answer).await;
        assert!(bytes == sent, "{way:?}: {} bytes came back of {}", bytes.len(), sent.len());
        assert_eq!(trailers.get_all("proof-bin").iter().collect::<Vec<_>>(), ["AP9/gA", "//8="], "{way:?}");
        assert_eq!(
            (trailers["grpc-status"].as_bytes(), &trailers["x-note"]),
            (&b"0"[..], &"as it was sent".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn an_error_comes_back_as_the_service_wrote_it() {
    const ERROR: &[(&str, &str)] = &[
        ("grpc-status", "9"),
        ("grpc-message", "caf%C3%A9 is 100%25 closed"),
        ("grpc-status-details-bin", "CAkSA2Zvbw"),
        ("x-reason", "closed"),
        ("trail-bin", "/wA"),
    ];
    for way in WAYS {
        let edge = Fixture::new(way, |_| {
            Box::pin(async {
                let mut response = answer(Body::empty());
                response.headers_mut().extend(headers(ERROR));
                Ok(response)
            })
        });
        let answer = edge.call("Unary", &[], full("")).await;
        for (name, value) in ERROR {
            assert_eq!(answer.headers()[*name], *value, "{way:?}");
        }
    }
}

#[tokio::test]
async fn both_directions_stream_at_once() {
    for way in WAYS {
        let edge = Fixture::new(way, |request| {
            Box::pin(async move {
                Ok(answer(streamed(request.into_body().into_data_stream().map(|data| data.map(Frame::data)))))
            })
        });
        let (sender, sent) = mpsc::channel(1);
        let answer = edge.call("BothStream", &[], streamed(ReceiverStream::new(sent))).await;
        let mut echo = answer.into_body().into_data_stream();
        for turn in 0..100_u8 {
            sender.send(Ok(Frame::data(Bytes::from(vec![turn; 10])))).await.unwrap();
            let back = tokio::time::timeout(PATIENCE, echo.next()).await.unwrap().unwrap().unwrap();
            assert_eq!(back, vec![turn; 10], "{way:?}");
        }
    }
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_stream_comes_after_what_was_sent_before_it() {
    for way in WAYS {
        let edge = Fixture::new(way, |_| {
            let details = Bytes::from_static(b"\x08\x0f\x12\x03foo");
            let frames = [
                Ok(Frame::data(Bytes::from_static(b"one"))),
                Ok(Frame::data(Bytes::from_static(b"two"))),
                Err(Status::with_details(Code::DataLoss, "the tape tore", details)),
            ];
            Box::pin(async { Ok(answer(streamed(futures_util::stream::iter(frames)))) })
        });
        let (bytes, trailers) = read(edge.call("ServerStream", &[], full("")).await).await;
        let status = Status::from_header_map(&trailers).unwrap();
        assert_eq!(bytes, "onetwo", "{way:?}");
        assert_eq!((status.code(), status.message()), (Code::DataLoss, "the tape tore"), "{way:?}");
        assert_eq!(status.details(), b"\x08\x0f\x12\x03foo", "{way:?}");
    }
}

/// An upstream that never ends, and says when it begins and when it is dropped.
fn endless(
    streams: bool,
) -> (impl Fn(Request<Body>) -> Answer + Clone + Send + Sync, mpsc::UnboundedReceiver<&'static str>) {
    struct Dropped(mpsc::UnboundedSender<&'static str>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            let _nobody_asks_any_more = self.0.send("dropped").is_err();
        }
    }
    let (events, seen) = mpsc::unbounded_channel();
    let upstream = move |_request| -> Answer {
        let guard = Dropped(events.clone());
        Box::pin(async move {
            guard.0.send("begun").unwrap();
            if !streams {
                std::future::pending::<()>().await;
            }
            let first = futures_util::stream::iter([Ok(Frame::data(Bytes::from_static(b"first")))]);
            let rest = first.chain(futures_util::stream::pending()).map(move |frame| {
                let _kept = &guard;
                frame
            });
            Ok(answer(streamed(rest)))
        })
    };
    (upstream, seen)
}

async fn next(events: &mut mpsc::UnboundedReceiver<&'static str>) -> &'static str {
    tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_caller_who_goes_away_ends_the_handler_before_its_answer() {
    for way in WAYS {
        let (upstream, mut events) = endless(false);
        let edge = Fixture::new(way, upstream);
        tokio::select! {
            _ = edge.call("Unary", &[], full("")) => panic!("{way:?}: an answer"),
            begun = next(&mut events) => assert_eq!(begun, "begun", "{way:?}"),
        }
        assert_eq!(next(&mut events).await, "dropped", "{way:?}");
    }
}

#[tokio::test]
async fn a_caller_who_goes_away_ends_the_stream_at_the_service() {
    for way in WAYS {
        let (upstream, mut events) = endless(true);
        let edge = Fixture::new(way, upstream);
        let mut stream = edge.call("ServerStream", &[], full("")).await.into_body().into_data_stream();
        assert_eq!(stream.next().await.unwrap().unwrap(), "first", "{way:?}");
        assert_eq!(next(&mut events).await, "begun", "{way:?}");
        drop(stream);
        assert_eq!(next(&mut events).await, "dropped", "{way:?}");
    }
}

#[tokio::test]
async fn a_deadline_goes_on_with_what_is_left_of_it_and_ends_the_handler() {
    for way in WAYS {
        let (upstream, mut requests) = recording();
        let edge = Fixture::new(way, upstream);
        edge.call("Unary", &[("grpc-timeout", "5S")], full("")).await;
        let (_, seen) = requests.recv().await.unwrap();
        let left = mesh::deadline::read(&seen).unwrap().unwrap();
        assert!(left < Duration::from_secs(5) && left > Duration::from_secs(1), "{way:?}: {left:?}");

        let (upstream, mut events) = endless(false);
        let edge = Fixture::new(way, upstream);
        let status = status_of(edge.call("Unary", &[("grpc-timeout", "200m")], full("")).await).await;
        assert_eq!(status.code(), Code::DeadlineExceeded, "{way:?}");
        assert_eq!((next(&mut events).await, next(&mut events).await), ("begun", "dropped"), "{way:?}");
    }
}

#[tokio::test]
async fn a_caller_keeps_its_token_its_trace_and_its_metadata_and_cannot_speak_as_the_shop() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    for way in WAYS {
        let (upstream, mut requests) = recording();
        let edge = Fixture::new(way, upstream);
        let token = format!("Bearer {}", test_operator::token_of("any"));
        let sent = [
            ("authorization", &*token),
            ("traceparent", &format!("00-{TRACE}-b7ad6b7169203331-01")),
            ("x-note", "one"),
            ("x-note", "two"),
            ("data-bin", "AP8"),
            ("user-agent", "somebody/1"),
            ("x-souk-role", "operator"),
            ("x-souk-role", "admin"),
            ("x-souk-subject-bin", "AP8"),
        ];
        edge.call("Operate", &sent, full("")).await;
        let (path, seen) = requests.recv().await.unwrap();
        assert_eq!(path, format!("{PROBE}/Operate"));
        assert!(seen.keys().all(|name| !name.as_str().starts_with("x-souk-")), "{way:?}: {seen:?}");
        assert_eq!(seen[header::AUTHORIZATION], token, "{way:?}");
        assert!(seen["traceparent"].to_str().unwrap().contains(TRACE), "{way:?}");
        assert_eq!(seen.get_all("x-note").iter().collect::<Vec<_>>(), ["one", "two"], "{way:?}");
        assert_eq!(
            (&seen["data-bin"], &seen[header::USER_AGENT]),
            (&"AP8".parse().unwrap(), &"somebody/1".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn what_services_say_among_themselves_is_forwarded_for_operators_and_nobody_else() {
    for way in WAYS {
        let (upstream, mut requests) = recording();
        let edge = Fixture::new(way, upstream);
        let bearer = |role: &str| format!("Bearer {}", test_operator::token_of(role));
        for (token, refused) in [
            (None, Some((Code::PermissionDenied, "RPC_INTERNAL"))),
            (Some(bearer("courier")), Some((Code::PermissionDenied, "RPC_INTERNAL"))),
            (Some("Bearer a.b.c".to_owned()), Some((Code::Unauthenticated, "TOKEN_INVALID"))),
            (Some(bearer("operator")), None),
        ] {
            let headers: Vec<_> = token.iter().map(|token| ("authorization", token.as_str())).collect();
            let status = status_of(edge.call("Whisper", &headers, full("")).await).await;
            let reason = status.get_details_error_info().map(|info| info.reason);
            let Some((code, expected)) = refused else {
                assert_eq!(status.code(), Code::Ok, "{way:?}: {status:?}");
                continue;
            };
            assert_eq!((status.code(), reason.as_deref()), (code, Some(expected)), "{way:?} {token:?}");
        }
        let (_, seen) = requests.try_recv().unwrap();
        assert_eq!(seen.get_all(header::AUTHORIZATION).iter().count(), 1, "{way:?}: the caller's and nothing more");
        assert!(requests.try_recv().is_err(), "{way:?}: more than one was forwarded");
        // What nobody may call, an operator may not either.
        let operator = bearer("operator");
        let status = status_of(edge.call("Unclassed", &[("authorization", &operator)], full("")).await).await;
        assert_eq!(status.code(), Code::PermissionDenied, "{way:?}");
        // The edge shows no token that it was not shown.
        edge.call("Operate", &[], full("")).await;
        assert!(!requests.recv().await.unwrap().1.contains_key(header::AUTHORIZATION), "{way:?}");
    }
}

#[tokio::test]
async fn what_is_not_for_the_public_or_not_here_never_leaves_the_edge() {
    for way in WAYS {
        let (upstream, mut requests) = recording();
        let edge = Fixture::new(way, upstream);
        for (path, code, reason) in [
            ("/souk.catalog.v1.ProbeService/Whisper", Code::PermissionDenied, "RPC_INTERNAL"),
            ("/souk.catalog.v1.ProbeService/Unclassed", Code::PermissionDenied, "RPC_INTERNAL"),
            ("/souk.catalog.v1.ProbeService/Unary?x=1", Code::Unimplemented, "RPC_UNKNOWN"),
            ("/souk.catalog.v1.ProbeService/unary", Code::Unimplemented, "RPC_UNKNOWN"),
            ("/souk.catalog.v1.ProbeService/Unary/", Code::Unimplemented, "RPC_UNKNOWN"),
            ("/souk.catalog.v1.ProbeService/", Code::Unimplemented, "RPC_UNKNOWN"),
            ("/souk.cart.v1.CartService/GetCart", Code::Unimplemented, "SERVICE_ABSENT"),
            ("/souk.cart.v1.CartService/Other", Code::Unimplemented, "SERVICE_ABSENT"),
            ("/mesh.catalog.v1.ProbeService/Sign", Code::Unimplemented, "SERVICE_UNKNOWN"),
            ("/souk.catalog.v2.ProbeService/Unary", Code::Unimplemented, "SERVICE_UNKNOWN"),
            ("//souk.catalog.v1.ProbeService/Unary", Code::Unimplemented, "SERVICE_UNKNOWN"),
            ("/", Code::Unimplemented, "SERVICE_UNKNOWN"),
        ] {
            let status = status_of(call(&edge.caller, request(path, &[], full(""))).await).await;
            assert_eq!(status.code(), code, "{way:?} {path}: {status:?}");
            let info = status.get_details_error_info().unwrap();
            assert_eq!(
                (info.reason.as_str(), info.domain.as_str(), info.metadata),
                (reason, "storefront", HashMap::new())
            );
        }
        assert!(requests.try_recv().is_err(), "{way:?}: something was forwarded");
    }
}

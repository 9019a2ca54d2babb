//! What every call carries, and what is recorded of it.

use std::sync::{Arc, Mutex};

use futures_util::{StreamExt as _, stream};
use mesh::{Clients, Directory, Principal, Target, client::ClientConfig, context};
use tokio::sync::mpsc;
use tonic::{Code, Status};

use crate::fixture::{
    DropReport, Fixture, METHOD, PROBE, Probe, WAYS, Way, client, eventually, inbound, process, question, serving,
};

#[tokio::test]
async fn a_call_is_answered_and_counted_on_both_sides() {
    for way in WAYS {
        let fixture = Fixture::new(way, Probe::unary(async |_| Ok(())));
        fixture.client().check(question()).await.unwrap();
        let labels = format!(r#"grpc_method="{METHOD}",grpc_status="OK""#);
        fixture.metric(&format!(r#"grpc_server_call_duration_seconds_count{{service="probe",{labels}}} 1"#)).await;
        let caller = r#"service="caller",grpc_target="probe""#;
        fixture.metric(&format!(r#"grpc_client_call_duration_seconds_count{{{caller},{labels}}} 1"#)).await;
    }
}

#[tokio::test]
async fn an_error_arrives_with_its_code_message_and_details_and_is_counted_as_what_it_is() {
    for way in WAYS {
        let fixture = Fixture::new(
            way,
            Probe::unary(async |_| {
                Err(Status::with_details(Code::NotFound, "no «such» thing", bytes::Bytes::from_static(b"\0\xff")))
            }),
        );
        let status = fixture.client().check(question()).await.unwrap_err();
        assert_eq!(
            (status.code(), status.message(), status.details()),
            (Code::NotFound, "no «such» thing", &b"\0\xff"[..])
        );
        let labels = format!(r#"grpc_method="{METHOD}",grpc_status="NOT_FOUND""#);
        fixture.metric(&format!(r#"grpc_server_call_duration_seconds_count{{service="probe",{labels}}} 1"#)).await;
    }
}

#[tokio::test]
async fn the_callers_principal_is_known_in_process_and_anonymous_on_a_plaintext_wire() {
    for way in WAYS {
        let seen: Arc<Mutex<Option<Principal>>> = Arc::default();
        let fixture = Fixture::new(way, {
            let seen = Arc::clone(&seen);
            Probe::unary(move |_| {
                *seen.lock().unwrap() = context::current().map(|context| context.principal);
                async { Ok(()) }
            })
        });
        fixture.client().check(question()).await.unwrap();
        let expected = match way {
            Way::InProcess => Principal::service("souk", "souk", "caller"),
            Way::Tcp | Way::Unix => Principal::anonymous(),
        };
        assert_eq!(seen.lock().unwrap().take(), Some(expected), "{way:?}");
    }
}

#[tokio::test]
async fn a_callers_trace_reaches_what_the_handler_calls_without_its_code_passing_anything() {
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for way in WAYS {
        let (sender, mut seen) = mpsc::unbounded_channel();
        let behind = Fixture::new(
            way,
            Probe::unary(move |request| {
                sender.send(request.metadata().get("traceparent").unwrap().to_str().unwrap().to_owned()).unwrap();
                async { Ok(()) }
            }),
        );
        let next = behind.client();
        let front = Fixture::new(
            way,
            Probe::unary(move |_| {
                let mut next = next.clone();
                async move { mesh::spawn(async move { next.check(question()).await }).await.unwrap().map(drop) }
            }),
        );
        let mut request = question();
        request.metadata_mut().insert("traceparent", PARENT.parse().unwrap());
        front.client().check(request).await.unwrap();
        assert_eq!(seen.recv().await.unwrap(), PARENT, "{way:?}");
    }
}

#[tokio::test]
async fn a_caller_that_gives_up_ends_the_handler_and_is_counted_as_cancelled() {
    for way in WAYS {
        let (started, mut starts) = mpsc::unbounded_channel();
        let (dropped, mut drops) = mpsc::unbounded_channel();
        let fixture = Fixture::new(
            way,
            Probe::unary(move |_| {
                let (started, report) = (started.clone(), DropReport(dropped.clone()));
                async move {
                    let _report = report;
                    started.send(()).unwrap();
                    std::future::pending().await
                }
            }),
        );
        let mut client = fixture.client();
        let call = tokio::spawn(async move { client.check(question()).await });
        starts.recv().await.unwrap();
        call.abort();
        drops.recv().await.unwrap();
        let labels = format!(r#"grpc_method="{METHOD}",grpc_status="CANCELLED""#);
        fixture.metric(&format!(r#"grpc_server_call_duration_seconds_count{{service="probe",{labels}}} 1"#)).await;
    }
}

#[tokio::test]
async fn a_panic_is_internal_for_one_call_and_says_nothing_on_the_wire() {
    for way in WAYS {
        let fixture = Fixture::new(
            way,
            Probe::unary(async |request| {
                assert!(request.get_ref().service.is_empty(), "secret detail");
                Ok(())
            }),
        );
        let mut client = fixture.client();
        let mut bad = question();
        bad.get_mut().service = "bad".into();
        let status = client.check(bad).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"), "{way:?}");
        client.check(question()).await.unwrap();
        fixture.metric(r#"grpc_server_panics_total{service="probe"} 1"#).await;
    }
}

#[tokio::test]
async fn a_panic_in_the_middle_of_a_stream_ends_it_with_internal() {
    for way in WAYS {
        let fixture = Fixture::new(
            way,
            Probe::streaming(|_| {
                // The codec puts what is ready into one frame, so the second answer has to be waited for.
                let answers = stream::iter([true, false]).then(async |whole| {
                    tokio::task::yield_now().await;
                    assert!(whole, "broken");
                    Ok(serving())
                });
                Ok(Box::pin(answers))
            }),
        );
        let mut answers = fixture.client().watch(question()).await.unwrap().into_inner();
        assert_eq!(answers.message().await.unwrap(), Some(serving()));
        assert_eq!(answers.message().await.unwrap_err().code(), Code::Internal, "{way:?}");
    }
}

#[tokio::test]
async fn a_method_that_nobody_serves_is_unimplemented_and_has_no_series_of_its_own() {
    for way in WAYS {
        let fixture = Fixture::new(way, Probe::unary(async |_| Ok(())));
        let clients =
            Clients::new(&fixture.process, &fixture.directory, "caller", &[PROBE], &[], ClientConfig::default());
        let mut grpc = tonic::client::Grpc::new(clients.unwrap().channel(PROBE).unwrap());
        let path = http::uri::PathAndQuery::from_static("/made.Up/Name");
        let codec = tonic_prost::ProstCodec::<(), ()>::default();
        let status = grpc.unary(tonic::Request::new(()), path, codec).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{way:?}");
        let labels = r#"grpc_method="other",grpc_status="UNIMPLEMENTED""#;
        fixture.metric(&format!(r#"grpc_server_call_duration_seconds_count{{service="probe",{labels}}} 1"#)).await;
        assert!(!fixture.process.metrics().encode().contains("made.Up"));
    }
}

#[tokio::test]
async fn a_target_that_is_not_declared_gives_no_channel() {
    let process = process();
    let clients =
        Clients::new(&process, &Directory::default(), "caller", &[PROBE], &[], ClientConfig::default()).unwrap();
    let error = clients.channel(Target::new("payment")).unwrap_err();
    assert_eq!(error.to_string(), "caller does not declare that it calls payment: add it to its CALLS");
}

#[tokio::test]
async fn a_target_without_a_place_is_unavailable_until_it_has_one() {
    let (process, directory) = (process(), Directory::default());
    let mut client = client(&process, &directory);
    let status = client.check(question()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "probe: it is not said where this service is"));
    directory.in_process(inbound(&process, PROBE.name(), Probe::unary(async |_| Ok(()))));
    client.check(question()).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_is_over_and_has_no_status_is_recorded_as_unknown() {
    for way in [Way::InProcess, Way::Tcp] {
        let (process, directory) = (process(), Directory::default());
        let silent = tower::service_fn(async |_: http::Request<mesh::Body>| {
            let mut answer = http::Response::new(mesh::Body::empty());
            answer.headers_mut().insert("content-type", http::HeaderValue::from_static("application/grpc"));
            Ok::<_, std::convert::Infallible>(answer)
        });
        let inbound = mesh::Builder::new(PROBE.name()).without_health().fallback(silent);
        let inbound = inbound.build(&process, mesh::server::InboundConfig::default()).unwrap();
        if way == Way::InProcess {
            directory.in_process(inbound);
        } else {
            let listener = process.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
            directory.remote(PROBE.name(), listener.address().dial());
            process.serve_grpc(listener, inbound);
        }
        client(&process, &directory).check(question()).await.unwrap_err();
        let labels = format!(r#"service="probe",grpc_method="{METHOD}",grpc_status="UNKNOWN""#);
        let line = format!("grpc_server_call_duration_seconds_count{{{labels}}} 1");
        let recorded = || process.metrics().encode().lines().any(|found| found.starts_with(&line));
        eventually(&line, recorded).await;
    }
}

//! Deadlines, from the header to the last byte, through every hop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use mesh::context;
use tokio::{sync::mpsc, time::Instant};
use tonic::Code;

use crate::fixture::{DropReport, Fixture, METHOD, Probe, WAYS, question, serving};

#[tokio::test]
async fn a_handler_is_dropped_at_its_callers_deadline() {
    for way in WAYS {
        let (dropped, mut drops) = mpsc::unbounded_channel();
        let entered = Arc::new(AtomicBool::new(false));
        let fixture = Fixture::new(
            way,
            Probe::unary({
                let entered = Arc::clone(&entered);
                move |_| {
                    let report = DropReport(dropped.clone());
                    entered.store(true, Ordering::Relaxed);
                    async move {
                        let _report = report;
                        std::future::pending().await
                    }
                }
            }),
        );
        let mut client = fixture.client();
        // On a busy machine the time may be up before the connection is made.
        while !entered.load(Ordering::Relaxed) {
            let mut request = question();
            request.set_timeout(Duration::from_millis(50));
            let status = client.check(request).await.unwrap_err();
            assert_eq!(status.code(), Code::DeadlineExceeded, "{way:?}");
        }
        drops.recv().await.unwrap();
    }
}

#[tokio::test]
async fn a_stream_that_stalls_ends_at_its_callers_deadline() {
    for way in WAYS {
        let fixture = Fixture::new(
            way,
            Probe::streaming(|_| Ok(Box::pin(stream::iter([Ok(serving())]).chain(stream::pending())))),
        );
        let mut client = fixture.client();
        client.check(question()).await.unwrap();
        let mut request = question();
        request.set_timeout(Duration::from_millis(500));
        let mut answers = client.watch(request).await.unwrap().into_inner();
        assert_eq!(answers.message().await.unwrap(), Some(serving()));
        assert_eq!(answers.message().await.unwrap_err().code(), Code::DeadlineExceeded, "{way:?}");
    }
}

#[tokio::test]
async fn a_unary_call_without_a_deadline_gets_the_default_and_a_stream_gets_none() {
    for way in WAYS {
        let (sender, mut seen) = mpsc::unbounded_channel();
        let of_stream = sender.clone();
        let mut probe = Probe::streaming(move |_| {
            of_stream.send(context::deadline()).unwrap();
            Ok(Box::pin(stream::empty()))
        });
        probe = probe.with_unary(move |_| {
            sender.send(context::deadline()).unwrap();
            async { Ok(()) }
        });
        let fixture = Fixture::new(way, probe);
        let before = Instant::now();
        fixture.client().check(question()).await.unwrap();
        let deadline = seen.recv().await.unwrap().unwrap();
        assert!(deadline > before + Duration::from_secs(10) && deadline < before + Duration::from_secs(20));
        fixture.client().watch(question()).await.unwrap();
        assert_eq!(seen.recv().await.unwrap(), None, "{way:?}");
    }
}

#[tokio::test]
async fn the_next_hop_gets_what_is_left_and_never_more() {
    for way in WAYS {
        let (sender, mut seen) = mpsc::unbounded_channel();
        let behind = Fixture::new(
            way,
            Probe::unary(move |_| {
                sender.send(context::deadline()).unwrap();
                async { Ok(()) }
            }),
        );
        let next = behind.client();
        let front = Fixture::new(
            way,
            Probe::unary(move |_| {
                let mut next = next.clone();
                async move { next.check(question()).await.map(drop) }
            }),
        );
        let mut request = question();
        request.set_timeout(Duration::from_secs(5));
        let end = Instant::now() + Duration::from_secs(5);
        front.client().check(request).await.unwrap();
        let deadline = seen.recv().await.unwrap().unwrap();
        // The wire rounds down to a microsecond; a hop takes time, and neither adds any.
        assert!(deadline < end + Duration::from_secs(1) && deadline > end - Duration::from_secs(4), "{way:?}");
    }
}

#[tokio::test]
async fn an_expired_call_never_reaches_the_handler_and_a_malformed_timeout_is_named() {
    for way in WAYS {
        let (sender, mut seen) = mpsc::unbounded_channel();
        let fixture = Fixture::new(
            way,
            Probe::unary(move |_| {
                sender.send(()).unwrap();
                async { Ok(()) }
            }),
        );
        for (value, code) in [("0S", Code::DeadlineExceeded), ("soon", Code::InvalidArgument)] {
            let mut request = question();
            request.metadata_mut().insert("grpc-timeout", value.parse().unwrap());
            assert_eq!(fixture.client().check(request).await.unwrap_err().code(), code, "{way:?} {value}");
        }
        assert!(seen.try_recv().is_err());
    }
}

#[tokio::test]
async fn a_deadline_is_recorded_as_one_on_both_sides_whoevers_timer_was_first() {
    for way in WAYS {
        let fixture = Fixture::new(way, Probe::unary(async |_| std::future::pending().await));
        let labels = format!(r#"grpc_method="{METHOD}",grpc_status="DEADLINE_EXCEEDED""#);
        let of_server = format!(r#"grpc_server_call_duration_seconds_count{{service="probe",{labels}}} "#);
        let recorded = || {
            let metrics = fixture.process.metrics().encode();
            let count = metrics.lines().find_map(|line| line.strip_prefix(&of_server)?.parse().ok());
            count.unwrap_or(0_u32)
        };
        let (mut client, mut calls) = (fixture.client(), 0);
        // A call that was long on its way is reset long before its deadline, as its server reckons it, and that is one
        // that its caller cancelled. Most are not.
        while calls < 5 || (calls < 100 && recorded() < 5) {
            let mut request = question();
            request.set_timeout(Duration::from_millis(50));
            assert_eq!(client.check(request).await.unwrap_err().code(), Code::DeadlineExceeded, "{way:?}");
            calls += 1;
        }
        assert!(recorded() >= 5, "{way:?}: {} of {calls}", recorded());
        let caller = r#"service="caller",grpc_target="probe""#;
        fixture.metric(&format!(r#"grpc_client_call_duration_seconds_count{{{caller},{labels}}} {calls}"#)).await;
    }
}

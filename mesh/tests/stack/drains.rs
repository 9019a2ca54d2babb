//! How a process stops under load.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use mesh::{drain::Phase, process::Stopped, server::ConnectionConfig};
use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};
use tonic::Code;

use crate::fixture::{
    Answers, DropReport, Fixture, Probe, Way, eventually, process, process_that_waits, process_with, question, serving,
};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_drain_is_said_at_once_and_calls_are_still_taken_for_the_delay() {
    let fixture = Fixture::new(Way::Tcp, Probe::unary(async |_| Ok(())));
    fixture.process.health().set("probe", true);
    let mut client = fixture.client();
    client.check(question()).await.unwrap();
    let stop = fixture.process.stop(Duration::from_millis(300));
    let calls = async {
        fixture.process.drain().reached(Phase::Leaving).await;
        assert_eq!(fixture.process.health().get("probe"), Some(false));
        client.check(question()).await.unwrap();
        // A connection that was not there before is taken too.
        fixture.client().check(question()).await.unwrap();
        fixture.process.drain().reached(Phase::Closing).await;
    };
    let (stopped, ()) = tokio::join!(stop, calls);
    assert_eq!(stopped, Stopped::Drained);
    let refused = fixture.client().check(question()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_call_in_flight_finishes_and_a_stream_is_told_to_go_elsewhere() {
    let (entered, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let probe =
        Probe::streaming(|_| Ok(Box::pin(stream::iter([Ok(serving())]).chain(stream::pending())))).with_unary({
            let (entered, finish) = (Arc::clone(&entered), Arc::clone(&finish));
            move |_| {
                let (entered, finish) = (Arc::clone(&entered), Arc::clone(&finish));
                async move {
                    entered.notify_one();
                    finish.notified().await;
                    Ok(())
                }
            }
        });
    let fixture = Fixture::new(Way::Tcp, probe);
    let mut client = fixture.client();
    let mut answers = client.watch(question()).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap(), Some(serving()));
    let call = tokio::spawn(async move { client.check(question()).await });
    entered.notified().await;
    let stop = fixture.process.stop(Duration::ZERO);
    let rest = async {
        assert_eq!(answers.message().await.unwrap_err().code(), Code::Unavailable);
        finish.notify_one();
        call.await.unwrap().unwrap();
    };
    let (stopped, ()) = tokio::join!(stop, rest);
    assert_eq!(stopped, Stopped::Drained);
}

#[tokio::test]
async fn a_stream_that_is_never_idle_ends_at_a_drain_too() {
    let (seen, mut first) = mpsc::unbounded_channel();
    let fixture =
        Fixture::new(Way::InProcess, Probe::streaming(|_| Ok(Box::pin(stream::repeat_with(|| Ok(serving()))))));
    let mut answers = fixture.client().watch(question()).await.unwrap().into_inner();
    let reader = tokio::spawn(async move {
        loop {
            match answers.message().await {
                Ok(_) => seen.send(()).unwrap(),
                Err(status) => return status.code(),
            }
            tokio::task::yield_now().await;
        }
    });
    first.recv().await.unwrap();
    fixture.process.stop(Duration::ZERO).await;
    assert_eq!(reader.await.unwrap(), Code::Unavailable);
}

#[tokio::test]
async fn a_watch_on_the_admin_port_does_not_hold_a_drain_up() {
    let fixture = Fixture::new(Way::Tcp, Probe::unary(async |_| Ok(())));
    let listener = fixture.process.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    fixture.directory.remote("probe", listener.address().dial());
    fixture.process.serve_admin(listener);
    fixture.process.health().set("a.A", true);
    let mut seen = fixture.client().watch(question()).await.unwrap().into_inner();
    assert_eq!(seen.message().await.unwrap(), Some(serving()));
    assert_eq!(fixture.process.stop(Duration::ZERO).await, Stopped::Drained);
}

#[tokio::test]
async fn a_stream_whose_handler_has_not_answered_is_told_to_go_elsewhere_too() {
    let (entered, mut entries) = mpsc::unbounded_channel();
    let probe = Probe::opening(move |_| {
        entered.send(()).unwrap();
        std::future::pending::<Result<Answers, _>>()
    });
    let fixture = Fixture::new(Way::Tcp, probe);
    let mut client = fixture.client();
    let call = tokio::spawn(async move { client.watch(question()).await.map(drop) });
    entries.recv().await.unwrap();
    assert_eq!(fixture.process.stop(Duration::ZERO).await, Stopped::Drained);
    assert_eq!(call.await.unwrap().unwrap_err().code(), Code::Unavailable);
}

/// A probe whose handler never answers: it says that it was entered, and that it was dropped.
fn stuck() -> (Probe, mpsc::UnboundedReceiver<()>, mpsc::UnboundedReceiver<()>) {
    let ((entered, entries), (dropped, drops)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
    let probe = Probe::unary(move |_| {
        let (entered, report) = (entered.clone(), DropReport(dropped.clone()));
        async move {
            let _report = report;
            entered.send(()).unwrap();
            std::future::pending().await
        }
    });
    (probe, entries, drops)
}

#[tokio::test]
async fn a_call_that_outlasts_the_grace_is_cut_and_the_stop_says_so() {
    let (probe, mut entries, mut drops) = stuck();
    let fixture = Fixture::on(process_that_waits(Duration::from_millis(50)), Way::Tcp, probe);
    let mut client = fixture.client();
    let call = tokio::spawn(async move { client.check(question()).await });
    entries.recv().await.unwrap();
    assert_eq!(fixture.process.stop(Duration::ZERO).await, Stopped::Cut);
    let status = timeout(PATIENCE, call).await.expect("it is cut").unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    timeout(PATIENCE, drops.recv()).await.expect("the handler is dropped");
}

#[tokio::test]
async fn a_call_on_a_connection_that_is_too_old_is_cut_after_the_grace_of_its_age() {
    let (probe, mut entries, mut drops) = stuck();
    let (age, age_grace) = (Duration::from_millis(20), Duration::from_millis(50));
    let config = ConnectionConfig { age, age_grace, ..Default::default() };
    let fixture = Fixture::on(process_with(config), Way::Tcp, probe);
    let mut client = fixture.client();
    let call = tokio::spawn(async move { client.check(question()).await });
    entries.recv().await.unwrap();
    let status = timeout(PATIENCE, call).await.expect("it is cut").unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    timeout(PATIENCE, drops.recv()).await.expect("the handler is dropped");
}

#[tokio::test]
async fn a_process_that_is_dropped_closes_its_listeners_whatever_they_serve() {
    for admin in [false, true] {
        let process = process();
        let listener = process.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
        let mesh::ListenAddress::Tcp(address) = *listener.address() else { panic!("not TCP") };
        if admin {
            process.serve_admin(listener);
        } else {
            process.serve_grpc(listener, crate::fixture::inbound(&process, "probe", Probe::unary(async |_| Ok(()))));
        }
        // One that is served holds on to whatever serves it.
        let kept = std::net::TcpStream::connect(address).unwrap();
        let accepted = || process.metrics().encode().contains("mesh_connections_accepted_total{");
        eventually("an accepted connection", accepted).await;
        drop(process);
        eventually("the end of the listener", || std::net::TcpStream::connect(address).is_err()).await;
        drop(kept);
    }
}

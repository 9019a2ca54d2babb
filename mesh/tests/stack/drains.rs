//! How a process stops under load.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use mesh::drain::Phase;
use tokio::sync::{Notify, mpsc};
use tonic::Code;

use crate::fixture::{Fixture, Probe, Way, question, serving};

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
    assert_eq!(stopped, mesh::process::Stopped::Drained);
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
    assert_eq!(stopped, mesh::process::Stopped::Drained);
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

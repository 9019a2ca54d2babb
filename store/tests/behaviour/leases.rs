//! One replica works at a feed at a time.

use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt, stream};
use store::feed::{Kind, Message};
use store::follow::{Role, Sink as _, SinkError};
use store::{Follow, Inbox, Interrupted};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::feeds::{Connecting, Copying, connect, copying, equal, event, pair, put, quick, running, things};
use crate::harness::{Db, eventually, on_both_databases};

on_both_databases! {
    of_two_replicas_one_works_and_the_other_takes_over_when_it_dies,
    a_holder_whose_lease_was_taken_commits_nothing_more,
    a_stop_finishes_what_is_being_applied_and_lets_go,
}

async fn of_two_replicas_one_works_and_the_other_takes_over_when_it_dies(db: Db) {
    let (own, source, copy) = pair(&db).await;
    let replicas = [copy.clone(), own.open().await];
    let follows = replicas.each_ref().map(|copy| copying(&source, copy, Copying::default()));
    let statuses = follows.each_ref().map(Follow::status);
    let works = |index: usize| statuses[index].borrow().role != Role::Standby;
    let [first, second] = follows;
    let (_stop, first) = running!(first);
    eventually("the first works", async || works(0)).await;
    let (stop_second, second) = running!(second);
    for n in 0..50 {
        source.write(put(&format!("k{n}"), n)).await.unwrap();
        assert!(!works(1), "two work at the same time");
    }
    equal(&source, &copy).await;
    assert_eq!(statuses[1].borrow().applied, 0);
    // It dies, and says nothing.
    first.abort();
    drop(first.await);
    source.write(put("after", 1)).await.unwrap();
    equal(&source, &copy).await;
    assert!(works(1));
    // One that stops by itself lets go: the next need not wait for the lease to run out.
    let third = Inbox::new(replicas[0].clone(), "things", Copying::default()).with_lease(Duration::from_secs(3_600));
    let third = Follow::new("things", connect(&source), third).with_options(quick());
    stop_second.send(()).unwrap();
    second.await.unwrap();
    let (stop_third, third) = running!(third);
    source.write(put("third", 1)).await.unwrap();
    equal(&source, &copy).await;
    stop_third.send(()).unwrap();
    third.await.unwrap();
    let (_stop, _fourth) = running!(copying(&source, &copy, Copying::default()));
    source.write(put("fourth", 1)).await.unwrap();
    equal(&source, &copy).await;
}

async fn a_holder_whose_lease_was_taken_commits_nothing_more(db: Db) {
    let copy = db.open().await;
    let inbox = || Inbox::new(copy.clone(), "things", Copying::default()).with_lease(Duration::from_millis(50));
    let (mut frozen, mut next) = (inbox(), inbox());
    frozen.resume().await.unwrap().unwrap();
    frozen.changes(&[event("a", 1, 1)], "one").await.unwrap();
    eventually("its lease has run out", async || next.resume().await.unwrap().is_some()).await;
    let late = frozen.changes(&[event("a", 2, 2)], "two").await;
    assert!(matches!(late, Err(SinkError::Standby)), "{late:?}");
    assert_eq!(things(&copy).await, [("a".to_owned(), 1)]);
    // Also not what it would put aside, or the end of a snapshot.
    assert!(matches!(frozen.end_snapshot("three", 3).await, Err(SinkError::Standby)));
    next.changes(&[event("a", 3, 3)], "three").await.unwrap();
    assert_eq!(next.resume().await.unwrap().unwrap().cursor, "three");
}

async fn a_stop_finishes_what_is_being_applied_and_lets_go(db: Db) {
    let copy = db.open().await;
    let (sender, messages) = mpsc::channel::<Result<Message, Interrupted>>(1);
    let messages = stream::unfold(messages, |mut messages| async move { Some((messages.recv().await?, messages)) });
    let messages = std::sync::Mutex::new(Some(messages));
    let connect = move |_cursor: String| -> Connecting {
        let messages = messages.lock().unwrap().take();
        async move { messages.map(StreamExt::boxed).ok_or(Interrupted::Expired) }.boxed()
    };
    let follow = Follow::new("things", connect, Inbox::new(copy.clone(), "things", Copying::default()));
    let mut status = follow.status();
    let (stop, running) = running!(follow);
    status.wait_for(|status| status.role == Role::Following).await.unwrap();
    sender.send(Ok(Message { kind: Kind::Event(event("a", 1, 1)), cursor: "one".into() })).await.unwrap();
    status.wait_for(|status| status.applied == 1).await.unwrap();
    stop.send(()).unwrap();
    timeout(Duration::from_secs(10), running).await.expect("it stops").unwrap();
    let mut next = Inbox::new(copy.clone(), "things", Copying::default());
    let place = next.resume().await.unwrap().expect("the lease is free");
    assert_eq!((place.cursor.as_str(), place.position), ("one", 1));
}

//! A database that goes away: refused at once, and back by itself.
//!
//! On PostgreSQL alone: the embedded database is a file, and goes away with the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use store::{Error, Health, Statement, Store};
use test_postgres::Server;
use tokio::time::{Instant, timeout};

use crate::harness::{Db, INSERT, Insert, Refusal, SCHEMA, count, eventually, number, open, unit};

/// How long a call may take to be refused while the database is away.
const AT_ONCE: Duration = Duration::from_millis(300);

async fn becomes(store: &Store, wanted: fn(&Health) -> bool) {
    let mut health = store.health();
    timeout(Duration::from_secs(20), health.wait_for(wanted)).await.expect("the health changed").unwrap();
}

async fn is_refused_at_once(store: &Store) {
    let started = Instant::now();
    let write = store.write(Insert("refused".to_owned())).await;
    assert!(matches!(write, Err(Refusal::Store(Error::Unavailable { .. }))), "{write:?}");
    let read = store.read::<(), Error, _, _>("read", |_| async { Ok(()) }).await;
    assert!(matches!(read, Err(Error::Unavailable { .. })), "{read:?}");
    assert!(started.elapsed() < AT_ONCE, "refused after {:?}", started.elapsed());
}

#[tokio::test]
async fn a_killed_database_refuses_at_once_loses_nothing_acknowledged_and_is_back_by_itself() {
    let server = Server::start().unwrap();
    let url = server.create_database().await.unwrap();
    let store = open(&url, SCHEMA, |_| {}).await.unwrap();
    let acknowledged = Arc::new(AtomicU32::new(0));
    let load: Vec<_> = (0..8)
        .map(|client| {
            let (store, acknowledged) = (store.clone(), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                for n in 0.. {
                    match store.write(Insert(format!("{client}-{n}"))).await {
                        Ok(_) => acknowledged.fetch_add(1, Ordering::Relaxed),
                        Err(Refusal::Store(Error::Unavailable { .. } | Error::InDoubt { .. })) => return,
                        Err(error) => panic!("{error:?}"),
                    };
                }
            })
        })
        .collect();
    eventually("some writes", async || acknowledged.load(Ordering::Relaxed) > 50).await;
    server.kill().unwrap();
    let killed = Instant::now();
    for client in load {
        client.await.unwrap();
    }
    assert!(killed.elapsed() < Duration::from_secs(1), "calls in flight failed after {:?}", killed.elapsed());
    becomes(&store, |health| matches!(health, Health::Away(_))).await;
    is_refused_at_once(&store).await;

    server.start_again().unwrap();
    let there = Instant::now();
    becomes(&store, Health::is_available).await;
    // A probe every half a second, and a busy machine.
    assert!(there.elapsed() < Duration::from_secs(3), "found again after {:?}", there.elapsed());
    store.write(Insert("after".to_owned())).await.unwrap();
    assert!(count(&store).await > i64::from(acknowledged.load(Ordering::Relaxed)), "an acknowledged write is gone");
}

#[tokio::test]
async fn a_database_that_is_away_at_start_is_waited_for() {
    let server = Server::start().unwrap();
    let url = server.create_database().await.unwrap();
    server.kill().unwrap();
    let store = open(&url, SCHEMA, |_| {}).await.unwrap();
    is_refused_at_once(&store).await;
    server.start_again().unwrap();
    becomes(&store, Health::is_available).await;
    store.write(Insert("k".to_owned())).await.unwrap();
    assert_eq!(number(&store, "k").await, Some(1));
}

#[tokio::test]
async fn a_database_that_stops_answering_is_noticed_within_five_seconds() {
    let server = Server::start().unwrap();
    let url = server.create_database().await.unwrap();
    let store = open(&url, SCHEMA, |_| {}).await.unwrap();
    server.pause().unwrap();
    let mut health = store.health();
    timeout(Duration::from_secs(5), health.wait_for(|health| !health.is_available())).await.unwrap().unwrap();
    is_refused_at_once(&store).await;
    server.resume().unwrap();
    becomes(&store, Health::is_available).await;
    store.write(Insert("k".to_owned())).await.unwrap();
}

#[tokio::test]
async fn connections_that_the_server_closed_while_they_were_idle_fail_no_call() {
    let db = Db::postgres().await;
    let store = db.open().await;
    store.write(Insert("before".to_owned())).await.unwrap();
    for round in 0..5 {
        // Several idle readers and the writer.
        join_all((0..4).map(|_| count(&store))).await;
        db.script(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
        let (counts, write) =
            tokio::join!(join_all((0..4).map(|_| count(&store))), store.write(Insert(format!("k{round}"))));
        assert!(counts.iter().all(|count| *count >= 1));
        write.unwrap();
    }
}

#[tokio::test]
async fn a_connection_lost_before_the_commit_is_replaced_and_the_unit_takes_effect_once() {
    const END_SESSION: Statement =
        Statement::new("SELECT pg_terminate_backend", "SELECT pg_terminate_backend(pg_backend_pid()) AS ended");
    let db = Db::postgres().await;
    let store = db.open().await;
    let runs = Arc::new(AtomicU32::new(0));
    let unlucky = unit("k", {
        let runs = Arc::clone(&runs);
        move |tx| {
            let first = runs.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                tx.execute(&INSERT, ["k".into(), 1_i64.into()]).await?;
                if first {
                    tx.fetch_all(&END_SESSION, []).await?;
                }
                Ok(tx.emit(crate::harness::event("k")).await?)
            }
            .boxed()
        }
    });
    let (unlucky, company) = tokio::join!(store.write(unlucky), store.write(Insert("company".to_owned())));
    assert_eq!((unlucky.unwrap(), company.unwrap()), (1, 1));
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    assert_eq!(count(&store).await, 2);
    assert_eq!(crate::harness::events_after(&store, 0).await.len(), 2);
}

#[tokio::test]
async fn a_reader_cannot_write() {
    for db in [Db::sqlite(), Db::postgres().await] {
        let store = db.open().await;
        let write = |mut c: store::Connection| async move { c.fetch_all(&INSERT, ["k".into(), 1_i64.into()]).await };
        let refused = store.read::<_, Error, _, _>("write", write).await;
        assert!(refused.is_err(), "{refused:?}");
        assert_eq!(count(&store).await, 0);
    }
}

#[tokio::test]
async fn when_all_readers_are_lent_a_read_waits_a_quarter_of_a_second_and_is_refused() {
    let db = Db::sqlite();
    let store = open(&db.url, SCHEMA, |limits| limits.readers = 1).await.unwrap();
    let (lent, back) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let holding = store.read::<(), Error, _, _>("hold", {
        let (lent, back) = (Arc::clone(&lent), Arc::clone(&back));
        move |connection| async move {
            lent.notify_one();
            back.notified().await;
            drop(connection);
            Ok(())
        }
    });
    let waiting = async {
        lent.notified().await;
        let refused = store.read::<(), Error, _, _>("wait", |_| async { Ok(()) }).await;
        back.notify_one();
        refused
    };
    let (held, refused) = tokio::join!(holding, waiting);
    held.unwrap();
    assert!(matches!(refused, Err(Error::Overloaded { limit: "readers", .. })), "{refused:?}");
}

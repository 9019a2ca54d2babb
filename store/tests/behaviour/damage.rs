//! A database that is not what it was: full, moved away, emptied, another one. Refused, said, and never silently wrong.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use store::{Dialect, Error, Health, Statement, Store};
use tokio::time::timeout;

use crate::harness::{Db, INSERT, Insert, Refusal, SCHEMA, count, number, on_both_databases, open, unit};

on_both_databases! {
    a_database_whose_tables_are_gone_is_unusable,
    another_database_in_its_place_is_unusable_until_the_right_one_is_back,
    a_database_that_lost_commits_is_unusable,
    a_unit_that_takes_too_long_runs_once_and_takes_nobody_along,
    a_read_that_takes_too_long_is_given_up,
}

async fn becomes(store: &Store, wanted: fn(&Health) -> bool) -> String {
    let mut health = store.health();
    let health = timeout(Duration::from_secs(20), health.wait_for(wanted)).await.expect("the health changed").unwrap();
    format!("{:?}", *health)
}

async fn is_refused(store: &Store) {
    let write = store.write(Insert("refused".to_owned())).await;
    assert!(matches!(write, Err(Refusal::Store(Error::Unavailable { .. }))), "{write:?}");
    let read = store.read::<(), Error, _, _>("read", |_| async { Ok(()) }).await;
    assert!(matches!(read, Err(Error::Unavailable { .. })), "{read:?}");
}

async fn a_database_whose_tables_are_gone_is_unusable(db: Db) {
    let store = db.open().await;
    db.script("ALTER TABLE store_outbox RENAME TO elsewhere").await;
    becomes(&store, |health| matches!(health, Health::Unusable(_))).await;
    is_refused(&store).await;
    db.script("ALTER TABLE elsewhere RENAME TO store_outbox").await;
    becomes(&store, Health::is_available).await;
    store.write(Insert("k".to_owned())).await.unwrap();
}

async fn another_database_in_its_place_is_unusable_until_the_right_one_is_back(db: Db) {
    let store = db.open().await;
    db.script("UPDATE store_feed SET feed = feed || '-other'").await;
    let health = becomes(&store, |health| matches!(health, Health::Unusable(_))).await;
    assert!(health.contains("another database"), "{health}");
    is_refused(&store).await;
    db.script("UPDATE store_feed SET feed = replace(feed, '-other', '')").await;
    becomes(&store, Health::is_available).await;
    store.write(Insert("k".to_owned())).await.unwrap();
}

async fn a_database_that_lost_commits_is_unusable(db: Db) {
    let store = db.open().await;
    store.write(Insert("kept".to_owned())).await.unwrap();
    store.write(Insert("lost".to_owned())).await.unwrap();
    // As an older copy that was put back, or a standby that took over without the last commits.
    db.script("DELETE FROM store_outbox WHERE key = 'lost'; DELETE FROM thing WHERE id = 'lost'").await;
    let health = becomes(&store, |health| matches!(health, Health::Unusable(_))).await;
    assert!(health.contains("position is 1") && health.contains("restart"), "{health}");
    is_refused(&store).await;
    let started_again = db.open().await;
    assert_eq!(number(&started_again, "kept").await, Some(1));
    started_again.write(Insert("lost".to_owned())).await.unwrap();
}

const ENDLESS: Statement = Statement::dialect(
    "SELECT endless",
    Dialect {
        sqlite: "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) AS n FROM n",
        postgres: "SELECT pg_sleep(20)::text AS slept",
    },
);

async fn a_unit_that_takes_too_long_runs_once_and_takes_nobody_along(db: Db) {
    let store = db.open_with(|limits| limits.statement_timeout = Duration::from_millis(300)).await;
    for (what, in_a_statement) in [("statement", true), ("unit", false)] {
        let runs = Arc::new(AtomicU32::new(0));
        let slow = unit("slow", {
            let runs = Arc::clone(&runs);
            move |tx| {
                runs.fetch_add(1, Ordering::Relaxed);
                async move {
                    tx.execute(&INSERT, ["slow".into(), 1_i64.into()]).await?;
                    if in_a_statement {
                        tx.fetch_all(&ENDLESS, []).await?;
                    } else {
                        std::future::pending::<()>().await;
                    }
                    Ok(())
                }
                .boxed()
            }
        });
        let (slow, before, behind) = tokio::join!(
            store.write(slow),
            store.write(Insert(format!("before {what}"))),
            store.write(Insert(format!("behind {what}")))
        );
        assert!(matches!(slow, Err(Refusal::Store(Error::Unavailable { .. }))), "{what}: {slow:?}");
        before.unwrap();
        behind.unwrap();
        assert_eq!(runs.load(Ordering::Relaxed), 1, "{what}");
    }
    assert_eq!((count(&store).await, number(&store, "slow").await), (4, None));
}

async fn a_read_that_takes_too_long_is_given_up(db: Db) {
    let store = db.open_with(|limits| limits.statement_timeout = Duration::from_millis(300)).await;
    let endless = store.read("Endless", |mut c| async move { c.fetch_all(&ENDLESS, []).await });
    assert!(matches!(endless.await, Err(Error::Unavailable { .. })));
    store.write(Insert("after".to_owned())).await.unwrap();
    assert_eq!(count(&store).await, 1);
}

fn path(db: &Db) -> PathBuf {
    PathBuf::from(db.url.strip_prefix("sqlite:").unwrap())
}

#[tokio::test]
async fn a_file_that_is_moved_away_takes_no_write_and_is_not_made_anew() {
    let db = Db::sqlite();
    let store = db.open().await;
    store.write(Insert("before".to_owned())).await.unwrap();
    let (here, aside) = (path(&db), path(&db).with_extension("aside"));
    std::fs::rename(&here, &aside).unwrap();
    // At once: what is acknowledged now would be gone with the next start.
    let write = store.write(Insert("nowhere".to_owned())).await;
    assert!(matches!(write, Err(Refusal::Store(Error::Unavailable { .. }))), "{write:?}");
    let health = becomes(&store, |health| matches!(health, Health::Unusable(_))).await;
    assert!(health.contains("removed or replaced"), "{health}");
    is_refused(&store).await;
    assert!(!here.exists(), "an empty database was made in its place");

    std::fs::rename(&aside, &here).unwrap();
    becomes(&store, Health::is_available).await;
    store.write(Insert("after".to_owned())).await.unwrap();
    store.close().await;
    let store = db.open().await;
    assert_eq!((count(&store).await, number(&store, "nowhere").await), (2, None));
}

#[tokio::test]
async fn a_file_that_another_one_replaces_takes_no_write() {
    let (db, other) = (Db::sqlite(), Db::sqlite());
    other.open().await.close().await;
    let store = db.open().await;
    store.write(Insert("before".to_owned())).await.unwrap();
    std::fs::rename(path(&other), path(&db)).unwrap();
    let write = store.write(Insert("nowhere".to_owned())).await;
    assert!(matches!(write, Err(Refusal::Store(Error::Unavailable { .. }))), "{write:?}");
    becomes(&store, |health| matches!(health, Health::Unusable(_))).await;
}

#[tokio::test]
async fn a_full_disk_refuses_what_does_not_fit_and_nothing_else() {
    // The limit is the connection's own, and stays with the writer.
    const LIMIT: Statement = Statement::new("PRAGMA max_page_count", "PRAGMA max_page_count = 64");
    const NO_LIMIT: Statement = Statement::new("PRAGMA max_page_count", "PRAGMA max_page_count = 1000000");
    const LARGE: Statement =
        Statement::new("INSERT thing", "INSERT INTO thing (id, number) VALUES (hex(zeroblob($1)), 1)");
    let pragma = |statement: &'static Statement| {
        unit("pragma", move |tx| {
            async move {
                tx.execute(&INSERT, [uuid(), 1_i64.into()]).await?;
                tx.fetch_all(statement, []).await?;
                Ok(())
            }
            .boxed()
        })
    };
    let large = || unit("large", |tx| async move { Ok(tx.execute(&LARGE, [500_000_i64.into()]).await?) }.boxed());
    let db = Db::sqlite();
    let store = db.open().await;
    store.write(pragma(&LIMIT)).await.unwrap();
    let alone = store.write(large()).await;
    assert!(matches!(alone, Err(Refusal::Store(Error::Unavailable { .. }))), "{alone:?}");
    let (before, shared, after) = tokio::join!(
        store.write(Insert("before".to_owned())),
        store.write(large()),
        store.write(Insert("after".to_owned()))
    );
    assert!(matches!(shared, Err(Refusal::Store(Error::Unavailable { .. }))), "{shared:?}");
    before.unwrap();
    after.unwrap();
    assert_eq!(count(&store).await, 3);
    store.write(pragma(&NO_LIMIT)).await.unwrap();
    store.write(large()).await.unwrap();
}

fn uuid() -> store::Value {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("pragma-{}", NUMBER.fetch_add(1, Ordering::Relaxed)).into()
}

#[tokio::test]
async fn another_writer_that_keeps_the_file_locked_is_waited_for_and_then_refused_for() {
    let db = Db::sqlite();
    let store = db.open_with(|limits| limits.busy_timeout = Duration::from_millis(200)).await;
    let mut stranger = db.stranger().await;
    stranger.script("BEGIN IMMEDIATE; INSERT INTO thing (id, number) VALUES ('theirs', 1)").await.unwrap();
    let refused = store.write(Insert("k".to_owned())).await;
    assert!(matches!(refused, Err(Refusal::Store(Error::Overloaded { .. }))), "{refused:?}");
    // Reading goes on meanwhile.
    assert_eq!(count(&store).await, 0);
    stranger.script("COMMIT").await.unwrap();
    store.write(Insert("k".to_owned())).await.unwrap();
    assert_eq!(count(&store).await, 2);
}

#[tokio::test]
async fn units_with_many_keys_do_not_use_up_the_servers_locks() {
    let db = Db::postgres().await;
    let store = db.open().await;
    // 60 of them in one batch would be more locks than this server has room for.
    let writes = (0..60).map(|n| {
        let many = unit(format!("{n}"), move |tx| {
            async move { Ok(tx.execute(&INSERT, [format!("k{n}").into(), 1_i64.into()]).await?) }.boxed()
        });
        store.write(many.and_keys((0..500).map(|key| format!("{n}-{key}"))))
    });
    for outcome in join_all(writes).await {
        outcome.unwrap();
    }
    assert_eq!(count(&store).await, 60);
}

#[tokio::test]
async fn a_server_without_room_for_another_connection_refuses_that_call_and_keeps_those_it_has() {
    let server = test_postgres::Server::start().unwrap();
    let url = server.create_database().await.unwrap();
    let store = open(&url, SCHEMA, |limits| limits.readers = 2).await.unwrap();
    store.write(Insert("before".to_owned())).await.unwrap();
    assert_eq!(count(&store).await, 1);
    let db = Db::at(url);
    let mut strangers = Vec::new();
    while let Ok(stranger) = db.connect().await {
        strangers.push(stranger);
    }
    // One reader is idle, a second one finds no room.
    let reads = join_all((0..2).map(|_| {
        store.read::<i64, Error, _, _>("count", |mut c| async move {
            let row = c.fetch_one(&crate::harness::COUNT, []).await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
            row.get("number")
        })
    }))
    .await;
    assert_eq!(reads.iter().filter(|read| read.is_ok()).count(), 1, "{reads:?}");
    assert!(reads.iter().any(|read| matches!(read, Err(Error::Overloaded { .. }))), "{reads:?}");
    store.write(Insert("meanwhile".to_owned())).await.unwrap();
    assert!(store.health().borrow().is_available());
    drop(strangers);
    crate::harness::eventually("room again", async || {
        let read =
            |mut c: store::Connection| async move { c.fetch_one(&crate::harness::COUNT, []).await?.get("number") };
        store.read::<i64, Error, _, _>("count", read).await.is_ok()
    })
    .await;
}

//! A followed feed in this service's own database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use store::follow::{Role, Sink as _};
use store::inbox::{LetterId, Replayed};
use store::{Event, Failure, Follow, Inbox, Statement, Store};
use tokio::time::timeout;

use crate::feeds::{
    Connecting, Copying, caught_up, connect, copying, equal, event, pair, put, quick, remove, running, things,
};
use crate::harness::{Db, eventually, on_both_databases};

on_both_databases! {
    a_copy_equals_its_source_and_goes_on_where_it_was,
    consumers_killed_amid_their_work_lose_nothing_and_apply_nothing_twice,
    a_consumer_that_was_away_for_too_long_starts_from_a_snapshot,
    a_snapshot_of_another_database_replaces_everything,
    a_snapshot_that_is_cut_short_is_taken_again_as_a_whole,
    an_event_that_cannot_be_applied_is_put_aside_and_the_feed_goes_on,
    an_event_that_may_be_applied_later_is_tried_a_few_times,
    a_dead_letter_is_replayed_unless_its_key_has_gone_on,
    repeats_and_disorder_change_nothing,
}

async fn a_copy_equals_its_source_and_goes_on_where_it_was(db: Db) {
    let (_own, source, copy) = pair(&db).await;
    for n in 0..10 {
        source.write(put(&format!("k{n}"), n)).await.unwrap();
    }
    source.write(remove("k3")).await.unwrap();
    let effect = Copying::default();
    let follow = copying(&source, &copy, effect.clone());
    let mut status = follow.status();
    let (stop, running) = running!(follow);
    caught_up(&mut status).await;
    assert_eq!(things(&copy).await, things(&source).await);
    source.write(put("k3", 33)).await.unwrap();
    source.write(remove("k4")).await.unwrap();
    equal(&source, &copy).await;
    assert_eq!(status.borrow().lag(), 0);
    stop.send(()).unwrap();
    running.await.unwrap();

    // What it has is not asked for again.
    source.write(put("k5", 55)).await.unwrap();
    let (asked, follow) = (effect.asked().len(), copying(&source, &copy, effect.clone()));
    let (_stop, _running) = running!(follow);
    equal(&source, &copy).await;
    assert_eq!(effect.asked()[asked..], [("k5".to_owned(), 2)]);
}

/// Everything that a copy ever applied, each once: a second time breaks the key.
const LOG: &str = "CREATE TABLE IF NOT EXISTS log (key TEXT, revision BIGINT, PRIMARY KEY (key, revision))";
const NOTE: Statement = Statement::new("INSERT log", "INSERT INTO log (key, revision) VALUES ($1, $2)");

#[derive(Clone, Default)]
struct Logging(Copying);

impl store::Effect for Logging {
    async fn apply(&self, tx: &mut store::Transaction, event: &Event) -> Result<(), Failure> {
        let revision = i64::try_from(event.revision).unwrap();
        tx.execute(&NOTE, [event.key.as_str().into(), revision.into()]).await?;
        self.0.apply(tx, event).await
    }

    async fn remove(&self, tx: &mut store::Transaction, key: &str) -> Result<(), Failure> {
        self.0.remove(tx, key).await
    }
}

async fn consumers_killed_amid_their_work_lose_nothing_and_apply_nothing_twice(db: Db) {
    let (own, source, copy) = pair(&db).await;
    own.script(LOG).await;
    let follow = |copy: &Store| {
        let inbox = Inbox::new(copy.clone(), "things", Logging::default()).with_lease(Duration::from_millis(100));
        let options = store::follow::Options { batch_events: 7, ..quick() };
        Follow::new("things", connect(&source), inbox).with_options(options)
    };
    // The place to go on from: an empty snapshot.
    let first = follow(&copy);
    let mut status = first.status();
    let (stop, running) = running!(first);
    status.wait_for(|status| status.role == Role::Following && status.connects > 0).await.unwrap();
    eventually("the snapshot is in", async || position(&copy).await.is_some()).await;
    stop.send(()).unwrap();
    running.await.unwrap();

    let writing = tokio::spawn({
        let source = source.clone();
        async move {
            for n in 0..1_500_i64 {
                let key = format!("k{}", fastrand::u32(0..40));
                let outcome =
                    if n % 5 == 4 { source.write(remove(&key)).await } else { source.write(put(&key, n % 900)).await };
                outcome.unwrap();
            }
        }
    });
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let mut kills = 0;
    while !writing.is_finished() {
        let working = follow(&copy);
        let mut status = working.status();
        let killed = tokio::spawn(working.run(std::future::pending()));
        // Somewhere in what it does after it has applied something.
        let applied = fastrand::u64(1..60);
        let some = status.wait_for(|status| status.applied >= applied);
        drop(timeout(Duration::from_millis(500), some).await);
        if db.is_postgres() && kills % 3 == 0 {
            own.script(terminate).await;
        } else {
            killed.abort();
        }
        kills += 1;
        killed.abort();
        drop(killed.await);
    }
    writing.await.unwrap();
    assert!(kills >= 3, "{kills} kills");
    let (_stop, _running) = running!(follow(&copy));
    equal(&source, &copy).await;
    // One that was applied twice would be here.
    assert_eq!(copy.list_dead_letters("things", LetterId::default(), 10).await.unwrap(), []);
}

/// The position of the copy's cursor, once it has one.
async fn position(copy: &Store) -> Option<i64> {
    const POSITION: Statement = Statement::new(
        "SELECT store_inbox",
        "SELECT position FROM store_inbox WHERE source = 'things' AND cursor <> ''",
    );
    let read = |mut connection: store::Connection| async move {
        connection.fetch_optional(&POSITION, []).await?.map(|row| row.get("position")).transpose()
    };
    copy.read::<_, store::Error, _, _>("position", read).await.unwrap()
}

async fn a_consumer_that_was_away_for_too_long_starts_from_a_snapshot(db: Db) {
    let own = if db.is_postgres() { Db::postgres().await } else { Db::sqlite() };
    let source = db.open_with(|limits| limits.housekeeping_interval = Duration::from_millis(20)).await;
    let copy = own.open().await;
    for n in 0..10 {
        source.write(put(&format!("k{n}"), n)).await.unwrap();
    }
    let (stop, running) = running!(copying(&source, &copy, Copying::default()));
    equal(&source, &copy).await;
    eventually("the snapshot is in", async || position(&copy).await.is_some()).await;
    stop.send(()).unwrap();
    running.await.unwrap();
    // While it is away one thing goes, one changes and one comes, and nothing in the outbox says so any more.
    source.write(remove("k1")).await.unwrap();
    source.write(put("k2", 22)).await.unwrap();
    source.write(put("k10", 10)).await.unwrap();
    source.write(put("k11", 11)).await.unwrap();
    db.script("UPDATE store_outbox SET time_us = time_us - 691200000001").await;
    let left = async || crate::harness::events_after(&source, 0).await.len();
    eventually("retention has removed it", async || left().await == 1).await;
    let (_stop, _running) = running!(copying(&source, &copy, Copying::default()));
    equal(&source, &copy).await;
    source.write(put("k1", 1)).await.unwrap();
    equal(&source, &copy).await;
}

async fn a_snapshot_of_another_database_replaces_everything(db: Db) {
    let (_own, source, copy) = pair(&db).await;
    for n in 0..5 {
        source.write(put("old", n)).await.unwrap();
        source.write(put("both", n)).await.unwrap();
    }
    let (stop, running) = running!(copying(&source, &copy, Copying::default()));
    equal(&source, &copy).await;
    stop.send(()).unwrap();
    running.await.unwrap();
    // Its revisions begin anew, far below what the copy has seen.
    let elsewhere = if db.is_postgres() { Db::postgres().await } else { Db::sqlite() };
    let successor = elsewhere.open().await;
    successor.write(put("both", 77)).await.unwrap();
    successor.write(put("new", 78)).await.unwrap();
    let (_stop, _running) = running!(copying(&successor, &copy, Copying::default()));
    equal(&successor, &copy).await;
    successor.write(put("both", 79)).await.unwrap();
    equal(&successor, &copy).await;
}

async fn a_snapshot_that_is_cut_short_is_taken_again_as_a_whole(db: Db) {
    let (_own, source, copy) = pair(&db).await;
    copy.write(put("own", 1)).await.unwrap();
    for n in 0..20 {
        source.write(put(&format!("k{n:02}"), n)).await.unwrap();
    }
    let whole = Arc::new(AtomicBool::new(false));
    let connect = {
        let (connect, whole) = (connect(&source), Arc::clone(&whole));
        move |cursor: String| -> Connecting {
            assert!(cursor.is_empty() || whole.load(Ordering::Relaxed), "half a snapshot has no place to go on from");
            let (stream, whole) = (connect(cursor), whole.load(Ordering::Relaxed));
            async move { Ok(stream.await?.take(if whole { usize::MAX } else { 9 }).boxed()) }.boxed()
        }
    };
    let follow = Follow::new("things", connect, Inbox::new(copy.clone(), "things", Copying::default()));
    let follow = follow.with_options(quick());
    let mut status = follow.status();
    let (_stop, _running) = running!(follow);
    status.wait_for(|status| status.connects >= 3).await.unwrap();
    // Nothing is removed on the word of a part.
    assert!(things(&copy).await.contains(&("own".to_owned(), 1)));
    whole.store(true, Ordering::Relaxed);
    caught_up(&mut status).await;
    // What never came from the feed is not the feed's to remove.
    let expected: Vec<_> = things(&source).await.into_iter().chain([("own".to_owned(), 1)]).collect();
    assert_eq!(things(&copy).await, expected);
}

async fn an_event_that_cannot_be_applied_is_put_aside_and_the_feed_goes_on(db: Db) {
    let (own, source, copy) = pair(&db).await;
    own.script("CREATE UNIQUE INDEX one_of_each ON thing (number)").await;
    let follow = copying(&source, &copy, Copying::default());
    let mut status = follow.status();
    let (_stop, _running) = running!(follow);
    caught_up(&mut status).await;
    source.write(put("good", 1)).await.unwrap();
    source.write(put("bad", 1_000)).await.unwrap();
    // The schema refuses it, which only the statement finds out.
    source.write(put("taken", 1)).await.unwrap();
    source.write(put("good", 2)).await.unwrap();
    eventually("the feed goes on", async || things(&copy).await == [("good".to_owned(), 2)]).await;
    let letters = copy.list_dead_letters("things", LetterId::default(), 10).await.unwrap();
    let [letter, taken] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!((letter.id.key.as_str(), letter.attempts, &*letter.event.payload), ("bad", 1, &b"1000"[..]));
    assert!(letter.reason.contains("1000 is too much"), "{}", letter.reason);
    assert!(taken.id.key == "taken" && taken.reason.to_lowercase().contains("unique"), "{}", taken.reason);
    assert_eq!(copy.count_dead_letters("things").await.unwrap(), 2);
    assert_eq!(copy.list_dead_letters("things", letter.id.clone(), 10).await.unwrap(), letters[1..]);
    assert_eq!(copy.list_dead_letters("things", LetterId::default(), 0).await.unwrap(), []);
}

async fn an_event_that_may_be_applied_later_is_tried_a_few_times(db: Db) {
    let (_own, source, copy) = pair(&db).await;
    let effect = Copying::default();
    source.write(put("late", 2_000)).await.unwrap();
    let (_stop, _running) = running!(copying(&source, &copy, effect.clone()));
    eventually("it is put aside", async || copy.count_dead_letters("things").await.unwrap() == 1).await;
    // Once among others, and five times alone.
    assert_eq!(effect.tries.load(Ordering::Relaxed), 6);
    source.write(put("next", 1)).await.unwrap();
    eventually("the feed goes on", async || things(&copy).await == [("next".to_owned(), 1)]).await;
}

async fn a_dead_letter_is_replayed_unless_its_key_has_gone_on(db: Db) {
    let (_own, source, copy) = pair(&db).await;
    let effect = Copying::default();
    let inbox = Inbox::new(copy.clone(), "things", effect.clone());
    let letters = inbox.dead_letters();
    let follow = Follow::new("things", connect(&source), inbox).with_options(quick());
    let mut status = follow.status();
    let (_stop, _running) = running!(follow);
    caught_up(&mut status).await;
    source.write(put("a", 1_000)).await.unwrap();
    source.write(put("b", 1_000)).await.unwrap();
    source.write(put("b", 5)).await.unwrap();
    eventually("b has gone on", async || things(&copy).await == [("b".to_owned(), 5)]).await;
    let listed = letters.list(LetterId::default(), 10).await.unwrap();
    let id = |key: &str| listed.iter().find(|letter| letter.id.key == key).unwrap().id.clone();
    let again = letters.replay(id("a")).await;
    assert!(matches!(again, Err(Failure::Permanent(_))), "{again:?}");
    let letter = letters.list(LetterId::default(), 1).await.unwrap().remove(0);
    assert_eq!((letter.id.key.as_str(), letter.attempts), ("a", 2));
    effect.mended.store(true, Ordering::Relaxed);
    assert_eq!(letters.replay(id("a")).await.unwrap(), Replayed::Applied);
    assert_eq!(letters.replay(id("b")).await.unwrap(), Replayed::Superseded);
    assert_eq!(letters.replay(id("b")).await.unwrap(), Replayed::Gone);
    assert_eq!(things(&copy).await, [("a".to_owned(), 1_000), ("b".to_owned(), 5)]);
    assert_eq!(letters.list(LetterId::default(), 10).await.unwrap(), []);
}

async fn repeats_and_disorder_change_nothing(db: Db) {
    const KEYS: usize = 5;
    const REVISIONS: u64 = 20;
    let copy = db.open().await;
    let mut inbox = Inbox::new(copy.clone(), "things", Copying::default());
    inbox.resume().await.unwrap().unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let mut events: Vec<_> = (1..=REVISIONS)
        .flat_map(|revision| {
            (0..KEYS).map(move |key| event(&format!("k{key}"), revision, i64::try_from(revision).unwrap()))
        })
        .collect();
    let mut applied = 0;
    for _ in 0..4 {
        random.shuffle(&mut events);
        for chunk in events.chunks(13) {
            applied += inbox.changes(chunk, "somewhere").await.unwrap().applied;
        }
    }
    let expected: Vec<_> = (0..KEYS).map(|key| (format!("k{key}"), i64::try_from(REVISIONS).unwrap())).collect();
    assert_eq!(things(&copy).await, expected);
    // Each key's revisions only went up.
    assert!(applied <= KEYS as u64 * REVISIONS, "{applied}");
    // In a snapshot too, where a key is named twice.
    inbox.begin_snapshot(9).await.unwrap();
    inbox.snapshot(&[event("k0", 6, 6), event("k0", 5, 5)]).await.unwrap();
    inbox.end_snapshot("after", 9).await.unwrap();
    assert_eq!(things(&copy).await, [("k0".to_owned(), 6)]);
    // And what the snapshot removed does not come back with a late repeat.
    inbox.changes(&[event("k1", REVISIONS, 1), event("k0", 6, 1)], "later").await.unwrap();
    assert_eq!(things(&copy).await, [("k0".to_owned(), 6)]);
}

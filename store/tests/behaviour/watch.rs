//! A service's own feed, as others follow it.

use std::time::Duration;

use futures_util::future::join_all;
use store::feed::{Kind, Message, Watch};
use store::{Cursor, Error, Statement, Store, WatchError};
use tokio::time::timeout;

use crate::feeds::{event_of, put, remove, states};
use crate::harness::{Db, eventually, on_both_databases};

on_both_databases! {
    without_a_cursor_comes_a_snapshot_and_then_every_change,
    a_follower_goes_on_after_its_cursor_and_is_told_when_it_has_caught_up,
    a_cursor_that_is_no_place_in_this_feed_is_refused,
    a_cursor_from_before_the_database_was_restored_is_refused,
    bookmarks_come_in_quiet_times_and_amid_changes,
    a_follower_that_reads_nothing_costs_the_writer_nothing_and_misses_nothing,
    a_follower_that_retention_overtakes_is_told_so,
    another_replicas_changes_are_followed_here,
    followers_that_come_and_go_while_two_replicas_write_miss_nothing,
    a_key_that_two_replicas_write_is_told_in_the_order_of_its_revisions,
    a_feed_ends_with_its_store,
}

/// The next message, however busy the machine is.
macro_rules! next {
    ($watch:expr) => {
        timeout(Duration::from_secs(30), $watch.next()).await.expect("a message")
    };
}

/// The next event, whatever bookmarks are before it.
macro_rules! next_event {
    ($watch:expr) => {
        loop {
            let message = next!($watch).unwrap();
            if let Some(event) = event_of(&message) {
                break (event.clone(), message.cursor);
            }
        }
    };
}

async fn without_a_cursor_comes_a_snapshot_and_then_every_change(db: Db) {
    let store = db.open().await;
    for n in 0..7 {
        store.write(put(&format!("k{n}"), n)).await.unwrap();
    }
    store.write(put("k1", 11)).await.unwrap();
    store.write(remove("k2")).await.unwrap();
    let head = *store.position().borrow();
    let mut watch = store.watch("", states).await.unwrap();
    let start = next!(watch).unwrap();
    assert_eq!(start, Message { kind: Kind::SnapshotStart { position: head }, cursor: String::new() });
    // Made while the snapshot is sent: named or not, its event comes.
    store.write(put("k0", 100)).await.unwrap();
    let mut named = Vec::new();
    let end = loop {
        let message = next!(watch).unwrap();
        match event_of(&message) {
            Some(event) => {
                assert_eq!((event.position, &event.traceparent, message.cursor.as_str()), (head, &None, ""));
                named.push((event.key.clone(), event.revision));
            }
            None => break message,
        }
    };
    let revision = |key: &str| named.iter().find(|(named, _)| named == key).map(|(_, revision)| *revision);
    assert_eq!(named.len(), 6, "{named:?}");
    assert_eq!((revision("k1"), revision("k2"), revision("k3")), (Some(2), None, Some(1)));
    assert!(matches!(end.kind, Kind::Bookmark { ends_snapshot: true, .. }), "{end:?}");
    assert_eq!(Cursor::decode(&end.cursor).unwrap().position, head);
    let (change, _) = next_event!(watch);
    assert_eq!((change.key.as_str(), change.revision, &*change.payload), ("k0", 2, &b"100"[..]));
    assert!(change.position > head && change.traceparent.unwrap().starts_with("00-0af7"));
    // What was deleted and is made again goes on counting.
    store.write(put("k2", 2)).await.unwrap();
    assert_eq!(next_event!(watch).0.revision, 3);
}

async fn a_follower_goes_on_after_its_cursor_and_is_told_when_it_has_caught_up(db: Db) {
    let store = db.open().await;
    let mut watch = store.watch("", states).await.unwrap();
    let (start, end) = (next!(watch).unwrap(), next!(watch).unwrap());
    assert_eq!(start.kind, Kind::SnapshotStart { position: 0 });
    // An empty feed has a place to go on from, too.
    for n in 0..20 {
        store.write(put(&format!("k{n}"), n)).await.unwrap();
    }
    let mut cursor = end.cursor;
    for n in 0..20 {
        let mut watch = store.watch(&cursor, states).await.unwrap();
        let message = next!(watch).unwrap();
        assert_eq!(event_of(&message).unwrap().key, format!("k{n}"));
        cursor = message.cursor;
    }
    let mut watch = store.watch(&cursor, states).await.unwrap();
    let caught_up = next!(watch).unwrap();
    let head = *store.position().borrow();
    assert!(matches!(caught_up.kind, Kind::Bookmark { ends_snapshot: false, position, .. } if position == head));
    assert_eq!(caught_up.cursor, cursor);
}

fn is_expired<F>(outcome: &Result<Watch<F>, WatchError>) -> bool {
    matches!(outcome, Err(WatchError::Expired(_)))
}

async fn a_cursor_that_is_no_place_in_this_feed_is_refused(db: Db) {
    let store = db
        .open_with(|limits| {
            limits.housekeeping_interval = Duration::from_millis(20);
            limits.housekeeping_rows = 3;
        })
        .await;
    let mut cursors = Vec::new();
    let mut watch = store.watch("", states).await.unwrap();
    let _start = next!(watch).unwrap();
    cursors.push(next!(watch).unwrap().cursor);
    for n in 0..5 {
        store.write(put(&format!("k{n}"), n)).await.unwrap();
        cursors.push(next_event!(watch).1);
    }
    for garbage in ["x", "no cursor", &cursors[1][1..], &format!("{}A", cursors[1])] {
        let refused = store.watch(garbage, states).await.map(drop);
        assert!(matches!(refused, Err(WatchError::NotACursor(_))), "{garbage}: {refused:?}");
    }
    let place = Cursor::decode(&cursors[5]).unwrap();
    let above = Cursor { position: place.position + 1, ..place };
    let other = Cursor { feed: place.feed ^ 1, ..place };
    assert!(is_expired(&store.watch(&above.encode(), states).await));
    assert!(is_expired(&store.watch(&other.encode(), states).await));
    // Retention removes all but the newest; whoever had exactly what it removed last has missed nothing.
    db.script("UPDATE store_outbox SET time_us = time_us - 691200000001 WHERE position < (SELECT MAX(position) FROM store_outbox)")
        .await;
    const FLOOR: Statement = Statement::new("SELECT store_feed", "SELECT floor FROM store_feed");
    let at_floor = Cursor::decode(&cursors[4]).unwrap();
    eventually("retention has removed what it may", async || {
        let read = |mut c: store::Connection| async move { c.fetch_one(&FLOOR, []).await?.get("floor") };
        store.read::<u64, Error, _, _>("floor", read).await.unwrap() == at_floor.position
    })
    .await;
    for cursor in &cursors[..4] {
        assert!(is_expired(&store.watch(cursor, states).await));
    }
    for cursor in &cursors[4..] {
        store.watch(cursor, states).await.unwrap();
    }
}

async fn a_cursor_from_before_the_database_was_restored_is_refused(db: Db) {
    let store = db.open().await;
    let mut watch = store.watch("", states).await.unwrap();
    let (_start, _end) = (next!(watch).unwrap(), next!(watch).unwrap());
    store.write(put("a", 1)).await.unwrap();
    let before = next_event!(watch).1;
    // As an older copy of the database that has grown past the cursor since: the same feed and position, another event.
    db.script("UPDATE store_outbox SET time_us = time_us + 1").await;
    store.write(put("b", 1)).await.unwrap();
    assert!(is_expired(&store.watch(&before, states).await));
}

async fn bookmarks_come_in_quiet_times_and_amid_changes(db: Db) {
    let store = db.open_with(|limits| limits.bookmark_interval = Duration::from_millis(20)).await;
    let mut watch = store.watch("", states).await.unwrap();
    let (_start, _end) = (next!(watch).unwrap(), next!(watch).unwrap());
    for _ in 0..3 {
        let bookmark = next!(watch).unwrap();
        assert!(matches!(bookmark.kind, Kind::Bookmark { ends_snapshot: false, position: 0, .. }), "{bookmark:?}");
    }
    let writing = tokio::spawn({
        let store = store.clone();
        async move {
            for n in 0.. {
                if store.write(put("k", n % 100)).await.is_err() {
                    return;
                }
            }
        }
    });
    let (mut events, mut between) = (0, 0);
    while between < 3 {
        match next!(watch).unwrap().kind {
            Kind::Event(_) => events += 1,
            Kind::Bookmark { position, .. } => {
                assert!(position > 0 || events == 0);
                between += usize::from(events > 0);
            }
            Kind::SnapshotStart { .. } => panic!("a second snapshot"),
        }
    }
    writing.abort();
    drop(writing.await);
}

async fn a_follower_that_reads_nothing_costs_the_writer_nothing_and_misses_nothing(db: Db) {
    const EVENTS: usize = 1_000;
    let store = db
        .open_with(|limits| {
            limits.feed_buffer_events = 16;
            limits.poll_interval = Duration::from_millis(10);
        })
        .await;
    let mut slow = store.watch("", states).await.unwrap();
    let mut quick = store.watch("", states).await.unwrap();
    assert_eq!(store.feed_stats().watchers, 2);
    let (_start, _end) = (next!(slow).unwrap(), next!(slow).unwrap());
    let following = tokio::spawn(async move {
        let mut seen = 0;
        while seen < EVENTS {
            next_event!(quick);
            seen += 1;
        }
    });
    for wave in 0..EVENTS / 50 {
        for outcome in join_all((0..50).map(|n| store.write(put(&format!("{wave}-{n}"), 1)))).await {
            outcome.unwrap();
        }
    }
    following.await.unwrap();
    let stats = store.feed_stats();
    assert!(stats.buffered <= 16, "{stats:?}");
    // All of it is still there for the one that has read nothing yet, from the outbox.
    let mut last = 0;
    for _ in 0..EVENTS {
        let position = next_event!(slow).0.position;
        assert!(position > last);
        last = position;
    }
    assert_eq!(last, *store.position().borrow());
    assert!(store.feed_stats().pages > stats.pages, "it cannot all have been in memory");
    drop(slow);
    assert_eq!(store.feed_stats().watchers, 0);
}

async fn a_follower_that_retention_overtakes_is_told_so(db: Db) {
    let store = db
        .open_with(|limits| {
            limits.feed_buffer_events = 2;
            limits.housekeeping_interval = Duration::from_millis(20);
        })
        .await;
    let mut watch = store.watch("", states).await.unwrap();
    let (_start, _end) = (next!(watch).unwrap(), next!(watch).unwrap());
    for n in 0..200 {
        store.write(put(&format!("k{n}"), n)).await.unwrap();
    }
    db.script("UPDATE store_outbox SET time_us = time_us - 691200000001").await;
    eventually("only the newest event is left", async || crate::harness::events_after(&store, 0).await.len() == 1)
        .await;
    let mut seen = 0;
    let end = loop {
        match next!(watch) {
            Ok(_) => seen += 1,
            Err(end) => break end,
        }
    };
    assert!(matches!(end, WatchError::Expired(_)), "{end:?} after {seen}");
}

async fn another_replicas_changes_are_followed_here(db: Db) {
    let (writer, reader) = (db.open().await, db.open().await);
    let mut watch = reader.watch("", states).await.unwrap();
    let (_start, _end) = (next!(watch).unwrap(), next!(watch).unwrap());
    for n in 0..5 {
        writer.write(put("k", n)).await.unwrap();
        assert_eq!(next_event!(watch).0.payload, n.to_string());
    }
}

async fn followers_that_come_and_go_while_two_replicas_write_miss_nothing(db: Db) {
    const EACH: usize = 200;
    let replicas = [db.open().await, db.open().await];
    let write = |store: Store, name: &'static str| async move {
        for wave in 0..20 {
            let writes = (0..EACH / 20).map(|n| store.write(put(&format!("{name}-{wave}-{n}"), 1)));
            for outcome in join_all(writes).await {
                outcome.unwrap();
            }
        }
    };
    let follow = |store: Store| async move {
        let mut seen = Vec::new();
        let mut watch = store.watch("", states).await.unwrap();
        let mut state = std::collections::BTreeSet::new();
        while state.len() < 2 * EACH {
            let message = next!(watch).unwrap();
            if let Some(event) = event_of(&message) {
                state.insert(event.key.clone());
                if !message.cursor.is_empty() {
                    seen.push(event.position);
                }
            }
            if !message.cursor.is_empty() {
                // Comes back from there now and then.
                if seen.len() % 37 == 36 {
                    watch = store.watch(&message.cursor, states).await.unwrap();
                }
            }
        }
        assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    };
    let followers: Vec<_> = (0..4).map(|n| tokio::spawn(follow(replicas[n % 2].clone()))).collect();
    tokio::join!(write(replicas[0].clone(), "a"), write(replicas[1].clone(), "b"));
    for follower in followers {
        follower.await.unwrap();
    }
}

async fn a_key_that_two_replicas_write_is_told_in_the_order_of_its_revisions(db: Db) {
    const EACH: i64 = 100;
    let replicas = [db.open().await, db.open().await];
    let mut watch = replicas[0].watch("", states).await.unwrap();
    let (_start, _end) = (next!(watch).unwrap(), next!(watch).unwrap());
    let writes = (0..2 * EACH).map(|n| replicas[usize::from(n % 2 == 0)].write(put("k", n)));
    let (outcomes, told) = tokio::join!(join_all(writes), async {
        let mut told = Vec::new();
        for _ in 0..2 * EACH {
            told.push(next_event!(watch).0.revision);
        }
        told
    });
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(told, (1..=2 * EACH.unsigned_abs()).collect::<Vec<_>>());
}

async fn a_feed_ends_with_its_store(db: Db) {
    let store = db.open().await;
    let mut watch = store.watch("", states).await.unwrap();
    let (_start, _end) = (next!(watch).unwrap(), next!(watch).unwrap());
    store.close().await;
    let end = next!(watch);
    assert!(matches!(end, Err(WatchError::Store(Error::Closed { .. }))), "{end:?}");
}

//! Units share commits and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use store::Error;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::harness::{Db, INSERT, Insert, NUMBER, Refusal, SET, count, number, on_both_databases, unit};

on_both_databases! {
    a_unit_that_fails_undoes_itself_and_nobody_else,
    units_under_load_share_commits,
    a_unit_that_refuses_before_it_writes_has_nobody_run_again,
    units_of_one_key_never_run_at_the_same_time_in_any_replica,
    a_caller_that_gives_up_does_not_stop_the_commit,
    a_full_queue_refuses_at_once,
    a_unit_that_panics_is_one_failed_call,
    a_unit_that_ignores_a_failed_statement_is_undone,
    a_taken_key_and_a_broken_constraint_are_told_apart,
    a_unit_in_another_transactions_way_runs_again,
    a_closed_store_answers_what_was_queued_and_refuses_the_rest,
}

async fn a_unit_that_fails_undoes_itself_and_nobody_else(db: Db) {
    let store = db.open().await;
    let outcomes = join_all((0..100).map(|n: i64| {
        let store = store.clone();
        async move {
            let run = unit(format!("k{n}"), move |tx| {
                async move {
                    tx.execute(&INSERT, [format!("k{n}").into(), n.into()]).await?;
                    tx.emit(crate::harness::event(&format!("k{n}"))).await?;
                    if n % 3 == 0 {
                        return Err(Refusal::No("a third of them"));
                    }
                    // This key is taken by the first that comes.
                    if n % 3 == 1 && n > 1 {
                        tx.execute(&INSERT, ["k1".into(), n.into()]).await?;
                    }
                    Ok(())
                }
                .boxed()
            });
            store.write(run).await
        }
    }))
    .await;
    let succeeded = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let events = crate::harness::events_after(&store, 0).await;
    assert_eq!(succeeded, events.len(), "an event without its write, or the other way round");
    assert_eq!(i64::try_from(succeeded).unwrap(), count(&store).await);
    for (n, outcome) in outcomes.iter().enumerate() {
        match (n % 3, outcome) {
            (0, Err(Refusal::No(_))) | (2, Ok(())) => {}
            (1, Ok(())) if n == 1 => {}
            (1, Err(Refusal::Store(Error::Conflict { .. }))) => {}
            (_, outcome) => panic!("unit {n}: {outcome:?}"),
        }
    }
}

async fn units_under_load_share_commits(db: Db) {
    let store = db.open().await;
    let writes = (0..1_000).map(|n| store.write(Insert(format!("k{n}"))));
    for outcome in join_all(writes).await {
        outcome.unwrap();
    }
    let stats = store.stats();
    assert_eq!((stats.units, count(&store).await), (1_000, 1_000));
    assert!(stats.commits < 500, "{} commits for 1000 units", stats.commits);
    // Two each, what begins and ends a batch, and a look or two from the background: no savepoint.
    let most = 2 * stats.units + 4 * stats.commits + 100;
    assert!((2_000..most).contains(&stats.statements), "{} statements, {} commits", stats.statements, stats.commits);
}

async fn a_unit_that_refuses_before_it_writes_has_nobody_run_again(db: Db) {
    let store = db.open().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let writes = (0..100).map(|n: usize| {
        let runs = Arc::clone(&runs);
        store.write(unit(format!("k{n}"), move |tx| {
            let runs = Arc::clone(&runs);
            async move {
                runs.fetch_add(1, Ordering::Relaxed);
                if tx.fetch_optional(&NUMBER, [format!("k{n}").into()]).await?.is_none() && n.is_multiple_of(2) {
                    return Err(Refusal::No("every other one"));
                }
                tx.execute(&INSERT, [format!("k{n}").into(), 1.into()]).await?;
                Ok(())
            }
            .boxed()
        }))
    });
    let outcomes = join_all(writes).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 50);
    assert_eq!((count(&store).await, runs.load(Ordering::Relaxed)), (50, 100));
}

async fn units_of_one_key_never_run_at_the_same_time_in_any_replica(db: Db) {
    let replicas = [db.open().await, db.open().await];
    replicas[0].write(Insert("counter".to_owned())).await.unwrap();
    // Read, think, write: it loses counts when two do it at the same time.
    let increments = (0..200).map(|n: usize| {
        let increment = unit("counter", |tx| {
            async move {
                let number: i64 = tx.fetch_one(&NUMBER, ["counter".into()]).await?.get("number")?;
                tx.execute(&SET, ["counter".into(), (number + 1).into()]).await?;
                Ok(())
            }
            .boxed()
        });
        replicas[n % 2].write(increment)
    });
    for outcome in join_all(increments).await {
        outcome.unwrap();
    }
    assert_eq!(number(&replicas[1], "counter").await, Some(201));
}

async fn a_caller_that_gives_up_does_not_stop_the_commit(db: Db) {
    let store = db.open().await;
    let write = store.write(Insert("left".to_owned()));
    // Polled once, it is queued; then its caller goes away.
    assert!(write.now_or_never().is_none());
    store.write(Insert("behind".to_owned())).await.unwrap();
    assert_eq!(number(&store, "left").await, Some(1));
}

async fn a_full_queue_refuses_at_once(db: Db) {
    let store = db.open_with(|limits| limits.write_queue = 2).await;
    let (started, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let blocker = unit("blocker", {
        let (started, finish) = (Arc::clone(&started), Arc::clone(&finish));
        move |_tx| {
            let (started, finish) = (Arc::clone(&started), Arc::clone(&finish));
            async move {
                started.notify_one();
                finish.notified().await;
                Ok(())
            }
            .boxed()
        }
    });
    let blocked = tokio::spawn({
        let store = store.clone();
        async move { store.write(blocker).await }
    });
    started.notified().await;
    let mut queued = Vec::new();
    for n in 0..2 {
        let mut write = store.write(Insert(format!("k{n}"))).boxed_local();
        assert!((&mut write).now_or_never().is_none());
        queued.push(write);
    }
    let refused = store.write(Insert("too many".to_owned())).now_or_never().expect("it waited");
    assert!(matches!(refused, Err(Refusal::Store(Error::Overloaded { limit: "write_queue", .. }))), "{refused:?}");
    finish.notify_one();
    blocked.await.unwrap().unwrap();
    for write in queued {
        write.await.unwrap();
    }
}

async fn a_unit_that_panics_is_one_failed_call(db: Db) {
    let store = db.open().await;
    let panics = unit("k", |tx| {
        async move {
            tx.execute(&INSERT, ["k".into(), 1_i64.into()]).await?;
            if tx.fetch_optional(&NUMBER, ["k".into()]).await?.is_some() {
                std::panic::resume_unwind(Box::new("on purpose"));
            }
            Ok(())
        }
        .boxed()
    });
    let (panicked, other) = tokio::join!(store.write(panics), store.write(Insert("other".to_owned())));
    assert!(matches!(panicked, Err(Refusal::Store(Error::Internal { .. }))), "{panicked:?}");
    other.unwrap();
    assert_eq!((number(&store, "k").await, number(&store, "other").await), (None, Some(1)));
}

async fn a_unit_that_ignores_a_failed_statement_is_undone(db: Db) {
    let store = db.open().await;
    store.write(Insert("taken".to_owned())).await.unwrap();
    let ignores = unit("k", |tx| {
        async move {
            tx.execute(&INSERT, ["k".into(), 1_i64.into()]).await?;
            drop(tx.execute(&INSERT, ["taken".into(), 1_i64.into()]).await);
            Ok(())
        }
        .boxed()
    });
    let outcome = store.write(ignores).await;
    assert!(matches!(outcome, Err(Refusal::Store(Error::Internal { .. }))), "{outcome:?}");
    assert_eq!(number(&store, "k").await, None);
}

async fn a_taken_key_and_a_broken_constraint_are_told_apart(db: Db) {
    let store = db.open().await;
    store.write(Insert("taken".to_owned())).await.unwrap();
    let taken = store.write(Insert("taken".to_owned())).await;
    assert!(matches!(taken, Err(Refusal::Store(Error::Conflict { .. }))), "{taken:?}");
    let negative = unit("n", |tx| async move { Ok(tx.execute(&INSERT, ["n".into(), (-1_i64).into()]).await?) }.boxed());
    let negative = store.write(negative).await;
    assert!(matches!(negative, Err(Refusal::Store(Error::Violation { .. }))), "{negative:?}");
}

async fn a_unit_in_another_transactions_way_runs_again(db: Db) {
    if !db.is_postgres() {
        // SQLite has one writer at a time: nobody can be in its way half way through.
        return;
    }
    let store = db.open().await;
    store.write(Insert("a".to_owned())).await.unwrap();
    store.write(Insert("b".to_owned())).await.unwrap();
    let mut stranger = db.stranger().await;
    stranger.script("BEGIN; UPDATE thing SET number = 10 WHERE id = 'b'").await.unwrap();
    let (started, runs) = (Arc::new(Notify::new()), Arc::new(std::sync::atomic::AtomicU32::new(0)));
    let crosses = unit("a", {
        let (started, runs) = (Arc::clone(&started), Arc::clone(&runs));
        move |tx| {
            let (started, runs) = (Arc::clone(&started), Arc::clone(&runs));
            async move {
                runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                tx.execute(&SET, ["a".into(), 20_i64.into()]).await?;
                started.notify_one();
                tx.execute(&SET, ["b".into(), 20_i64.into()]).await?;
                Ok(())
            }
            .boxed()
        }
    });
    let crossing = tokio::spawn({
        let store = store.clone();
        async move { store.write(crosses).await }
    });
    started.notified().await;
    // Waits for the unit, which waits for this: PostgreSQL ends one of the two.
    if stranger.script("UPDATE thing SET number = 10 WHERE id = 'a'; COMMIT").await.is_err() {
        stranger.script("ROLLBACK").await.unwrap();
    } else {
        assert!(runs.load(std::sync::atomic::Ordering::Relaxed) >= 1);
    }
    timeout(Duration::from_secs(20), crossing).await.unwrap().unwrap().unwrap();
    assert_eq!((number(&store, "a").await, number(&store, "b").await), (Some(20), Some(20)));
}

async fn a_closed_store_answers_what_was_queued_and_refuses_the_rest(db: Db) {
    let store = db.open().await;
    let mut writes: Vec<_> = (0..50).map(|n| store.write(Insert(format!("k{n}"))).boxed_local()).collect();
    for write in &mut writes {
        assert!(write.now_or_never().is_none());
    }
    let (answers, ()) = tokio::join!(join_all(writes), store.close());
    for answer in answers {
        answer.unwrap();
    }
    let late = store.write(Insert("late".to_owned())).await;
    assert!(matches!(late, Err(Refusal::Store(Error::Closed { .. }))), "{late:?}");
    assert_eq!(count(&db.open().await).await, 50);
}

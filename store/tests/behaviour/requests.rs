//! A retry gets the first answer, and never a second effect.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use store::{Error, Fingerprint, Keep, Request, Statement};

use crate::harness::{Db, INSERT, Refusal, count, eventually, on_both_databases, unit};

on_both_databases! {
    a_retry_gets_the_first_answer_and_no_second_effect,
    an_id_used_again_with_other_content_is_refused,
    the_same_id_in_another_scope_or_for_another_rpc_is_another_request,
    a_refusal_is_not_remembered,
    tries_in_two_replicas_at_once_have_one_effect,
    an_answer_is_forgotten_after_a_week_unless_it_is_kept_for_ever,
}

fn request(scope: &str, id: &str, content: &str) -> Request {
    Request {
        scope: scope.to_owned(),
        rpc: "souk.test.v1.ThingService/CreateThing",
        request_id: id.to_owned(),
        fingerprint: Fingerprint::of(content.as_bytes()),
        keep: Keep::Week,
    }
}

/// Makes one more thing each time it has an effect, and answers with its name.
fn create(request: Request, refuse: bool) -> impl store::Unit<Output = String, Error = Refusal> {
    unit(request.key(), move |tx| {
        let request = request.clone();
        async move {
            if let Some(answer) = tx.remembered(&request).await? {
                return Ok(String::from_utf8(answer).unwrap());
            }
            const COUNT: Statement = Statement::new("SELECT thing", "SELECT COUNT(*) AS number FROM thing");
            let name = format!("thing-{}", tx.fetch_one(&COUNT, []).await?.get::<i64>("number")?);
            tx.execute(&INSERT, [name.as_str().into(), 1_i64.into()]).await?;
            tx.remember(&request, name.as_bytes())?;
            if refuse { Err(Refusal::No("after it was remembered")) } else { Ok(name) }
        }
        .boxed()
    })
}

async fn a_retry_gets_the_first_answer_and_no_second_effect(db: Db) {
    let store = db.open().await;
    for _ in 0..3 {
        assert_eq!(store.write(create(request("me", "1", "cup"), false)).await.unwrap(), "thing-0");
    }
    assert_eq!(count(&store).await, 1);
}

async fn an_id_used_again_with_other_content_is_refused(db: Db) {
    let store = db.open().await;
    store.write(create(request("me", "1", "cup"), false)).await.unwrap();
    let reused = store.write(create(request("me", "1", "mug"), false)).await;
    assert!(matches!(reused, Err(Refusal::Store(Error::RequestReused { .. }))), "{reused:?}");
    assert_eq!(count(&store).await, 1);
}

async fn the_same_id_in_another_scope_or_for_another_rpc_is_another_request(db: Db) {
    let store = db.open().await;
    store.write(create(request("me", "1", "cup"), false)).await.unwrap();
    store.write(create(request("you", "1", "cup"), false)).await.unwrap();
    let other_rpc = Request { rpc: "souk.test.v1.ThingService/ReplaceThing", ..request("me", "1", "cup") };
    store.write(create(other_rpc, false)).await.unwrap();
    assert_eq!(count(&store).await, 3);
}

async fn a_refusal_is_not_remembered(db: Db) {
    let store = db.open().await;
    let refused = store.write(create(request("me", "1", "cup"), true)).await;
    assert!(matches!(refused, Err(Refusal::No(_))), "{refused:?}");
    // The id is free again, even for other content.
    store.write(create(request("me", "1", "mug"), false)).await.unwrap();
    assert_eq!(count(&store).await, 1);
}

async fn tries_in_two_replicas_at_once_have_one_effect(db: Db) {
    let replicas = [db.open().await, db.open().await];
    let tries = (0..20).map(|n: usize| replicas[n % 2].write(create(request("me", "1", "cup"), false)));
    for answer in join_all(tries).await {
        assert_eq!(answer.unwrap(), "thing-0");
    }
    assert_eq!(count(&replicas[0]).await, 1);
}

async fn an_answer_is_forgotten_after_a_week_unless_it_is_kept_for_ever(db: Db) {
    const REQUESTS: Statement = Statement::new("SELECT store_request", "SELECT COUNT(*) AS number FROM store_request");
    let store = db.open().await;
    store.write(create(request("me", "week", "cup"), false)).await.unwrap();
    let order = Request { keep: Keep::Forever, ..request("me", "order", "cup") };
    store.write(create(order.clone(), false)).await.unwrap();
    db.script("UPDATE store_request SET expire_us = expire_us - 604800000000").await;
    // Expired, though nobody has removed it yet: the id can be used for something else.
    assert_eq!(store.write(create(request("me", "week", "mug"), false)).await.unwrap(), "thing-2");
    assert_eq!(store.write(create(order.clone(), false)).await.unwrap(), "thing-1");

    db.script("UPDATE store_request SET expire_us = expire_us - 604800000000").await;
    let sweeping = db.open_with(|limits| limits.housekeeping_interval = Duration::from_millis(20)).await;
    eventually("the expired answer is gone", async || {
        let read = |mut c: store::Connection| async move { c.fetch_one(&REQUESTS, []).await?.get::<i64>("number") };
        sweeping.read::<_, Error, _, _>("requests", read).await.unwrap() == 1
    })
    .await;
    assert_eq!(store.write(create(order, false)).await.unwrap(), "thing-1");
}

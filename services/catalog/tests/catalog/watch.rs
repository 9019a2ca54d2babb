//! The catalog's feed through the contract.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::catalog::v1 as pb;
use contracts::event::v1::Event;
use pb::watch_products_response::Kind;
use prost::Message as _;
use tokio::time::timeout;
use tonic::{Code, Status, Streaming};

use crate::shop::{self, Shop, full_product, product, refusal};

crate::on_both_databases!(
    a_watch_without_a_cursor_names_every_product_and_then_tells_every_change,
    a_watch_goes_on_after_its_cursor,
    a_cursor_that_is_none_and_one_that_has_expired_are_told_apart,
    another_replica_watches_the_same_feed,
);

type Stream = Streaming<pb::WatchProductsResponse>;

async fn watch(client: &shop::Client, cursor: &str) -> Result<Stream, Status> {
    let request = pb::WatchProductsRequest { cursor: cursor.to_owned() };
    Ok(client.clone().watch_products(request).await?.into_inner())
}

async fn next(stream: &mut Stream) -> (Kind, String) {
    let message = timeout(Duration::from_secs(30), stream.message()).await.expect("a message").unwrap().unwrap();
    (message.kind.unwrap(), message.cursor)
}

async fn next_event(stream: &mut Stream) -> (Event, String) {
    loop {
        if let (Kind::Event(event), cursor) = next(stream).await {
            return (event, cursor);
        }
    }
}

/// Reads a snapshot: its events by key, and the cursor after it.
async fn snapshot(stream: &mut Stream) -> (BTreeMap<String, Event>, String) {
    let (start, cursor) = next(stream).await;
    assert!(matches!(start, Kind::SnapshotStart(_)) && cursor.is_empty(), "{start:?}");
    let mut events = BTreeMap::new();
    loop {
        match next(stream).await {
            (Kind::Event(event), cursor) => {
                assert_eq!((cursor.as_str(), event.traceparent.as_str()), ("", ""));
                assert!(events.insert(event.key.clone(), event).is_none(), "a key is named twice");
            }
            (Kind::Bookmark(bookmark), cursor) => {
                assert!(bookmark.ends_snapshot && bookmark.time.is_some());
                return (events, cursor);
            }
            (Kind::SnapshotStart(_), _) => panic!("it starts twice"),
        }
    }
}

fn changed(event: &Event) -> pb::Product {
    let payload = event.payload.as_ref().unwrap();
    assert_eq!(payload.type_url, "type.googleapis.com/souk.catalog.v1.ProductChanged");
    assert_eq!(event.r#type, "souk.catalog.v1.ProductChanged");
    pb::ProductChanged::decode(&*payload.value).unwrap().product.unwrap()
}

async fn a_watch_without_a_cursor_names_every_product_and_then_tells_every_change(shop: Shop) {
    // More than a page of the snapshot.
    let products: Vec<_> = (0..130).map(|n| full_product(&format!("p{n:03}"))).collect();
    shop.import(vec![products]).await.unwrap();
    shop.update(pb::Product { name: "New".into(), ..product("p007") }, &["name"]).await.unwrap();
    shop.delete("p008").await.unwrap();
    let mut stream = watch(&shop.client, "").await.unwrap();
    let (events, cursor) = snapshot(&mut stream).await;
    assert_eq!(events.len(), 129);
    assert!(!events.contains_key("p008") && !cursor.is_empty() && cursor.len() <= 256);
    for id in ["p000", "p007", "p129"] {
        let event = &events[id];
        assert_eq!(changed(event), shop.get(id).await.unwrap());
        assert_eq!((event.id.clone(), event.source.as_str()), (format!("{id}@{}", event.revision), "/souk/catalog"));
        assert_eq!(event.subject, format!("products/{id}"));
        assert_eq!(event.time, changed(event).update_time);
    }
    assert_eq!(events["p007"].revision, 2);

    let again = shop.create(product("p008")).await;
    let (event, _) = next_event(&mut stream).await;
    assert_eq!((changed(&event), event.revision), (again, 3));
    assert!(event.position > events["p000"].position);
    shop.delete("p008").await.unwrap();
    let (event, _) = next_event(&mut stream).await;
    assert_eq!((event.r#type.as_str(), event.revision), ("souk.catalog.v1.ProductDeleted", 4));
    let deleted = pb::ProductDeleted::decode(&*event.payload.unwrap().value).unwrap();
    assert_eq!(deleted.product_id, "p008");
}

async fn a_watch_goes_on_after_its_cursor(shop: Shop) {
    let mut stream = watch(&shop.client, "").await.unwrap();
    let (events, mut cursor) = snapshot(&mut stream).await;
    assert!(events.is_empty());
    for n in 0..10 {
        shop.create(product(&format!("p{n}"))).await;
    }
    for n in 0..10 {
        let mut stream = watch(&shop.client, &cursor).await.unwrap();
        let event;
        (event, cursor) = next_event(&mut stream).await;
        assert_eq!(event.key, format!("p{n}"));
    }
    let mut stream = watch(&shop.client, &cursor).await.unwrap();
    let (bookmark, same) = next(&mut stream).await;
    assert!(matches!(bookmark, Kind::Bookmark(bookmark) if !bookmark.ends_snapshot), "it has caught up");
    assert_eq!(same, cursor);
}

async fn a_cursor_that_is_none_and_one_that_has_expired_are_told_apart(shop: Shop) {
    let other = Shop::on_sqlite().await;
    let (_, elsewhere) = snapshot(&mut watch(&other.client, "").await.unwrap()).await;
    let expired = watch(&shop.client, &elsewhere).await.unwrap_err();
    assert_eq!(refusal(&expired), (Code::OutOfRange, "CURSOR_EXPIRED".into(), vec![]));
    for garbage in ["x", &elsewhere[1..], &"A".repeat(300)] {
        let none = watch(&shop.client, garbage).await.unwrap_err();
        assert_eq!(refusal(&none), (Code::InvalidArgument, "INVALID_REQUEST".into(), vec!["cursor".into()]));
    }
}

async fn another_replica_watches_the_same_feed(shop: Shop) {
    let other = shop::replica(&shop.database_url).await;
    let (_, cursor) = snapshot(&mut watch(&shop.client, "").await.unwrap()).await;
    let mut stream = watch(&other, &cursor).await.unwrap();
    for n in 0..5 {
        shop.create(product(&format!("p{n}"))).await;
        assert_eq!(next_event(&mut stream).await.0.key, format!("p{n}"));
    }
}

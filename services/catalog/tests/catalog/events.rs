//! Every change goes out with its commit.

use contracts::catalog::v1 as pb;
use prost::Message as _;
use store::{Config, Error, Statement, Store};

use crate::shop::{self, Shop, product};

crate::on_both_databases!(every_change_leaves_an_event_and_nothing_else_does);

const EVENTS: Statement = Statement::new(
    "SELECT store_outbox",
    "SELECT type, subject, key, revision, payload FROM store_outbox ORDER BY position",
);

/// An event as it is stored.
#[derive(Debug, PartialEq)]
struct Stored {
    r#type: String,
    subject: String,
    key: String,
    revision: i64,
    payload: Vec<u8>,
}

async fn events(database_url: &str) -> Vec<Stored> {
    let store = Store::open(Config::parse(database_url).unwrap(), &[], shop::background()).await.unwrap();
    let read = store.read("Events", |mut connection| async move {
        let rows = connection.fetch_all(&EVENTS, []).await?.into_iter().map(|row| {
            Ok::<_, Error>(Stored {
                r#type: row.get("type")?,
                subject: row.get("subject")?,
                key: row.get("key")?,
                revision: row.get("revision")?,
                payload: row.get("payload")?,
            })
        });
        rows.collect::<Result<Vec<_>, Error>>()
    });
    read.await.unwrap()
}

async fn every_change_leaves_an_event_and_nothing_else_does(shop: Shop) {
    let created = shop.create(product("mug")).await;
    let updated = shop.update(pb::Product { name: "New".into(), ..product("mug") }, &["name"]).await.unwrap();
    shop.update(pb::Product { name: "New".into(), ..product("mug") }, &["name"]).await.unwrap();
    let other = pb::Product { product_id: "jug".into(), ..product("mug") };
    let wrong = pb::Product { price: None, ..product("wrong") };
    shop.import(vec![vec![pb::Product { name: "New".into(), ..product("mug") }, other, wrong]]).await.unwrap();
    shop.delete("mug").await.unwrap();
    let jug = shop.get("jug").await.unwrap();
    let changed = |product: pb::Product| Stored {
        r#type: "souk.catalog.v1.ProductChanged".into(),
        subject: format!("products/{}", product.product_id),
        key: product.product_id.clone(),
        revision: product.revision,
        payload: pb::ProductChanged { product: Some(product) }.encode_to_vec(),
    };
    let deleted = Stored {
        r#type: "souk.catalog.v1.ProductDeleted".into(),
        subject: "products/mug".into(),
        key: "mug".into(),
        revision: 3,
        payload: pb::ProductDeleted { product_id: "mug".into() }.encode_to_vec(),
    };
    let expected = [changed(created), changed(updated), changed(jug), deleted];
    assert_eq!(events(&shop.database_url).await, expected);
}

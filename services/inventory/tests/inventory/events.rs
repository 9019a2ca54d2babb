//! Every change of a stock goes out with its commit, and nothing else does.

use contracts::inventory::v1 as pb;
use contracts::inventory::v1::stock_adjustment::Change::{Delta, Received};
use prost::Message as _;
use store::{Error, Statement, Store};

use crate::shop::{Shop, order_id};

crate::on_both_databases!(every_change_leaves_an_event_and_nothing_else_does, events_count_up_and_add_up);

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

async fn events(store: &Store) -> Vec<Stored> {
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
    let (order, late) = (order_id(), order_id());
    let mut seen = shop.adjust(&[("mug", Delta(5)), ("jug", Received(0))]).await.unwrap();
    seen.sort_by(|a, b| a.product_id.cmp(&b.product_id));
    shop.adjust(&[("mug", Received(5))]).await.unwrap();
    shop.adjust(&[("mug", Delta(-6))]).await.unwrap_err();
    shop.reserve(&order, &[("mug", 9)]).await.unwrap_err();
    for _ in 0..2 {
        shop.reserve(&order, &[("mug", 3)]).await.unwrap();
        seen.push(shop.stock("mug").await.unwrap());
    }
    seen.pop();
    for _ in 0..2 {
        shop.commit(&order).await.unwrap();
        shop.release(&order).await.unwrap();
    }
    seen.push(shop.stock("mug").await.unwrap());
    shop.give_back(&order, &[("mug", 1)]).await.unwrap();
    seen.push(shop.stock("mug").await.unwrap());
    shop.release(&order_id()).await.unwrap();
    shop.reserve(&late, &[("mug", 1)]).await.unwrap();
    seen.push(shop.stock("mug").await.unwrap());
    shop.time_passes(&late).await;
    shop.commit(&late).await.unwrap();
    seen.push(shop.stock("mug").await.unwrap());
    let stored = |level: pb::StockLevel| Stored {
        r#type: "souk.inventory.v1.StockChanged".into(),
        subject: format!("products/{}", level.product_id),
        key: level.product_id.clone(),
        revision: level.revision,
        payload: pb::StockChanged { stock: Some(level) }.encode_to_vec(),
    };
    assert_eq!(events(shop.database()).await, seen.into_iter().map(stored).collect::<Vec<_>>());
}

async fn events_count_up_and_add_up(shop: Shop) {
    shop.receive(&[("a", 10), ("b", 10)]).await;
    let order = order_id();
    shop.reserve(&order, &[("b", 2), ("a", 1)]).await.unwrap();
    shop.commit(&order).await.unwrap();
    shop.give_back(&order, &[]).await.unwrap();
    for key in ["a", "b"] {
        let all = events(shop.database()).await;
        let own = all.iter().filter(|event| event.key == key);
        let levels: Vec<_> = own
            .map(|event| (event.revision, pb::StockChanged::decode(&*event.payload).unwrap().stock.unwrap()))
            .collect();
        assert_eq!(levels.iter().map(|(revision, _)| *revision).collect::<Vec<_>>(), [1, 2, 3, 4]);
        for (revision, level) in levels {
            assert_eq!(level.revision, revision);
            assert_eq!(level.on_hand + level.reserved + level.sold, level.received);
        }
    }
}

//! Bad input: each field beyond its limits is named, all of them at once, and nothing is changed.

use contracts::inventory::v1 as pb;
use contracts::inventory::v1::stock_adjustment::Change::{self, Delta, Received};
use prost_types::Duration;
use tonic::{Code, Status};

use crate::shop::{self, Shop, fields, order_id, request_id};

const MILLIARD: i64 = 1_000_000_000;

async fn adjusted(shop: &Shop, lines: Vec<(&str, Option<Change>)>, request_id: &str) -> Status {
    let line = |(id, change): (&str, _)| pb::StockAdjustment { product_id: id.into(), change };
    let lines = lines.into_iter().map(line).collect();
    let request = pb::AdjustStockRequest { lines, request_id: request_id.into() };
    shop.client.clone().adjust_stock(request).await.unwrap_err()
}

async fn reserved(shop: &Shop, order_id: &str, lines: &[(&str, i32)], ttl: Option<Duration>) -> Status {
    let request = pb::ReserveStockRequest { order_id: order_id.into(), lines: shop::lines(lines), ttl };
    shop.client.clone().reserve_stock(request).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_a_change_keeps_its_limits() {
    let shop = Shop::on_sqlite().await;
    let one = |change| vec![("mug", Some(change))];
    let many: Vec<String> = (0..501).map(|n| format!("p{n}")).collect();
    let many: Vec<_> = many.iter().map(|id| (&**id, Some(Received(1)))).collect();
    let long = "x".repeat(65);
    let cases = [
        ("lines", vec![]),
        ("lines", many),
        ("lines[0].product_id", vec![("", Some(Delta(1)))]),
        ("lines[0].product_id", vec![("-x", Some(Delta(1)))]),
        ("lines[0].product_id", vec![(&long, Some(Delta(1)))]),
        ("lines[1].product_id", vec![("mug", Some(Delta(1))), ("mug", Some(Received(1)))]),
        ("lines[0].change", vec![("mug", None)]),
        ("lines[0].delta", one(Delta(0))),
        ("lines[0].delta", one(Delta(MILLIARD + 1))),
        ("lines[0].delta", one(Delta(-MILLIARD - 1))),
        ("lines[0].delta", one(Delta(i64::MIN))),
        ("lines[0].received", one(Received(-1))),
        ("lines[0].received", one(Received(MILLIARD + 1))),
        ("lines[0].received", one(Received(i64::MAX))),
    ];
    for (field, lines) in cases {
        assert_eq!(fields(&adjusted(&shop, lines.clone(), &request_id()).await), [field], "{lines:?}");
    }
    for id in ["", "1", "3f2a8d4e0b6c4f6e9c1d2a7b5e8f9d10", "{3f2a8d4e-0b6c-4f6e-9c1d-2a7b5e8f9d1}"] {
        assert_eq!(fields(&adjusted(&shop, one(Delta(1)), id).await), ["request_id"], "{id:?}");
    }
    assert_eq!(shop.stock("mug").await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_a_reservation_keeps_its_limits() {
    let shop = Shop::on_sqlite().await;
    shop.receive(&[("mug", 5)]).await;
    let many: Vec<String> = (0..101).map(|n| format!("p{n}")).collect();
    let many: Vec<_> = many.iter().map(|id| (&**id, 1)).collect();
    let cases = [
        ("lines", vec![]),
        ("lines", many),
        ("lines[0].product_id", vec![("a/b", 1)]),
        ("lines[1].product_id", vec![("mug", 1), ("mug", 2)]),
        ("lines[0].quantity", vec![("mug", 0)]),
        ("lines[0].quantity", vec![("mug", -1)]),
        ("lines[0].quantity", vec![("mug", i32::MIN)]),
        ("lines[0].quantity", vec![("mug", 10_001)]),
    ];
    for (field, lines) in cases {
        assert_eq!(fields(&reserved(&shop, &order_id(), &lines, None).await), [field], "{lines:?}");
    }
    for (seconds, nanos) in [(0, 0), (0, 999_999_999), (-1, 0), (86_400, 1), (1, -1), (i64::MAX, 0)] {
        let ttl = Some(Duration { seconds, nanos });
        let refused = reserved(&shop, &order_id(), &[("mug", 1)], ttl).await;
        assert_eq!(fields(&refused), ["ttl"], "{seconds} s {nanos} ns");
    }
    assert_eq!(shop.units("mug").await, (5, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_id_that_is_none_is_refused_by_every_rpc_that_takes_one() {
    let shop = Shop::on_sqlite().await;
    shop.receive(&[("mug", 5)]).await;
    let hyphens = uuid::Uuid::new_v4().to_string();
    for id in ["", "1", &hyphens, &order_id().to_uppercase(), &"g".repeat(32), &"0".repeat(33)] {
        let refused = [
            shop.reserve(id, &[("mug", 1)]).await,
            shop.commit(id).await,
            shop.release(id).await,
            shop.give_back(id, &[]).await,
        ];
        for (rpc, refused) in refused.into_iter().enumerate() {
            assert_eq!(fields(&refused.unwrap_err()), ["order_id"], "{id:?} to {rpc}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_a_return_keeps_its_limits() {
    let shop = Shop::on_sqlite().await;
    let many: Vec<String> = (0..101).map(|n| format!("p{n}")).collect();
    let many: Vec<_> = many.iter().map(|id| (&**id, 1)).collect();
    let cases = [
        ("lines", many),
        ("lines[0].product_id", vec![("", 1)]),
        ("lines[1].product_id", vec![("mug", 1), ("mug", 1)]),
        ("lines[0].quantity", vec![("mug", 0)]),
        ("lines[0].quantity", vec![("mug", 10_001)]),
    ];
    for (field, lines) in cases {
        assert_eq!(fields(&shop.give_back(&order_id(), &lines).await.unwrap_err()), [field], "{lines:?}");
    }
    let refused = shop::give_back(&shop.client, &order_id(), &[], "no uuid").await.unwrap_err();
    assert_eq!(fields(&refused), ["request_id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_keeps_its_limits() {
    let shop = Shop::on_sqlite().await;
    let cases = [
        (vec![], vec!["product_ids"]),
        (vec!["a".to_owned(); 101], vec!["product_ids"]),
        (vec!["a".into(), "/".into(), "b".into(), String::new()], vec!["product_ids[1]", "product_ids[3]"]),
    ];
    for (product_ids, expected) in cases {
        let request = pb::BatchGetStockRequest { product_ids };
        assert_eq!(fields(&shop.client.clone().batch_get_stock(request).await.unwrap_err()), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_wrong_is_said_at_once_up_to_twenty_fields() {
    let shop = Shop::on_sqlite().await;
    let ttl = Some(Duration { seconds: 0, nanos: 0 });
    let refused = reserved(&shop, "x", &[("", 0), ("mug", 1), ("mug", 10_001)], ttl).await;
    let expected =
        ["order_id", "lines[0].product_id", "lines[0].quantity", "lines[2].product_id", "lines[2].quantity", "ttl"];
    assert_eq!(fields(&refused), expected);
    assert_eq!(fields(&adjusted(&shop, vec![("", None); 100], &request_id()).await).len(), 20);
}

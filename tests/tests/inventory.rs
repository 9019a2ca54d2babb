//! Stock through the edge and past it, and what happens when the inventory dies.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use anyhow::{Context as _, ensure};
use contracts::{
    catalog::v1::ListProductsRequest,
    inventory::v1::{
        AdjustStockRequest, BatchGetStockRequest, CommitReservationRequest, GetStockRequest, ReleaseReservationRequest,
        ReservationState, ReserveStockRequest, ReturnStockRequest, StockAdjustment, StockLine, WatchStockRequest,
        stock_adjustment::Change,
    },
};
use mesh::health::pb::health_check_response::ServingStatus;
use system_tests::{
    Fleet, Inventory, Shop, call, catalog, channel, eventually, get, health, inventory, message, status_of,
};
use tokio::time::Instant;
use tonic::Code;
use tonic_types::StatusExt as _;

const INVENTORY: &str = "souk.inventory.v1.InventoryService";

fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn order_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

async fn receive(inventory: &mut Inventory, product_id: &str, received: i64) {
    let change = Some(Change::Received(received));
    let lines = vec![StockAdjustment { product_id: product_id.to_owned(), change }];
    inventory.adjust_stock(AdjustStockRequest { lines, request_id: uuid() }).await.unwrap();
}

/// On hand, reserved, sold.
async fn units(inventory: &Inventory, product_id: &str) -> anyhow::Result<(i64, i64, i64)> {
    let asked = GetStockRequest { product_id: product_id.to_owned() };
    let stock = inventory.clone().get_stock(asked).await?.into_inner().stock.context("no stock in the answer")?;
    Ok((stock.on_hand, stock.reserved, stock.sold))
}

fn reserve(order_id: &str, product_id: &str, quantity: i32, seconds: i64) -> ReserveStockRequest {
    let lines = vec![StockLine { product_id: product_id.to_owned(), quantity }];
    ReserveStockRequest { order_id: order_id.to_owned(), lines, ttl: Some(prost_types::Duration { seconds, nanos: 0 }) }
}

#[tokio::test]
async fn an_order_is_reserved_sold_and_returned_between_services_while_the_edge_shows_the_stock() {
    let fleet = Fleet::start().await;
    let (mut edge, mut direct) = (inventory(&fleet.edge), inventory(&fleet.inventory_at));
    receive(&mut edge, "mug", 5).await;
    assert_eq!(units(&edge, "mug").await.unwrap(), (5, 0, 0));

    let order_id = order_id();
    direct.reserve_stock(reserve(&order_id, "mug", 2, 900)).await.unwrap();
    assert_eq!(units(&edge, "mug").await.unwrap(), (3, 2, 0));
    let commit = CommitReservationRequest { order_id: order_id.clone() };
    let sold = direct.commit_reservation(commit).await.unwrap().into_inner().reservation.unwrap();
    assert_eq!(sold.state(), ReservationState::Committed);
    assert_eq!(units(&edge, "mug").await.unwrap(), (3, 0, 2));
    direct.return_stock(ReturnStockRequest { order_id, lines: vec![], request_id: uuid() }).await.unwrap();
    assert_eq!(units(&edge, "mug").await.unwrap(), (5, 0, 0));

    let asked = BatchGetStockRequest { product_ids: vec!["jug".into(), "mug".into()] };
    let batch = edge.batch_get_stock(asked).await.unwrap().into_inner();
    assert_eq!((batch.stock.len(), batch.missing_product_ids), (1, vec!["jug".to_owned()]));
}

#[tokio::test]
async fn what_services_say_among_themselves_is_refused_at_the_edge() {
    let shop = Shop::open(&[]).await;
    let mut edge = inventory(&shop.grpc);
    receive(&mut edge, "mug", 5).await;
    let order_id = order_id();
    let calls = [
        ("ReserveStock", message(&reserve(&order_id, "mug", 1, 900))),
        ("CommitReservation", message(&CommitReservationRequest { order_id: order_id.clone() })),
        ("ReleaseReservation", message(&ReleaseReservationRequest { order_id: order_id.clone() })),
        ("ReturnStock", message(&ReturnStockRequest { order_id, lines: vec![], request_id: uuid() })),
        ("WatchStock", message(&WatchStockRequest::default())),
    ];
    for (rpc, request) in calls {
        let refused = call(&channel(&shop.grpc), &format!("/{INVENTORY}/{rpc}"), request).await;
        assert_eq!(refused.code(), Code::PermissionDenied, "{rpc}: {refused}");
        assert_eq!(refused.get_details_error_info().unwrap().reason, "RPC_INTERNAL", "{rpc}");
    }
    assert_eq!(units(&edge, "mug").await.unwrap(), (5, 0, 0));
}

#[tokio::test]
async fn units_that_nobody_committed_in_time_are_on_hand_again_by_themselves() {
    let fleet = Fleet::start().await;
    let mut direct = inventory(&fleet.inventory_at);
    receive(&mut direct, "mug", 5).await;
    let order_id = order_id();
    direct.reserve_stock(reserve(&order_id, "mug", 2, 1)).await.unwrap();
    eventually("the reservation expires", async || {
        let units = units(&direct, "mug").await?;
        ensure!(units == (5, 0, 0), "{units:?}");
        Ok(())
    })
    .await;
    let late = direct.commit_reservation(CommitReservationRequest { order_id }).await.unwrap().into_inner();
    assert_eq!(late.reservation.unwrap().state(), ReservationState::Expired);
}

#[tokio::test]
async fn an_inventory_that_is_killed_is_unavailable_at_once_and_is_back_with_everything() {
    let mut fleet = Fleet::start().await;
    let (mut edge, mut direct) = (inventory(&fleet.edge), inventory(&fleet.inventory_at));
    receive(&mut edge, "mug", 5).await;
    let order_id = order_id();
    let made = direct.reserve_stock(reserve(&order_id, "mug", 2, 900)).await.unwrap().into_inner();

    fleet.inventory.kill();
    let refused = eventually("the edge has noticed", async || {
        let asked = GetStockRequest { product_id: "mug".to_owned() };
        let refused = edge.clone().get_stock(asked).await.err().context("it still answers")?;
        ensure!(refused.message().contains("Connection refused"), "{refused}");
        Ok(refused)
    })
    .await;
    assert_eq!(refused.code(), Code::Unavailable);
    let text = refused.message();
    assert!(text.starts_with("inventory: ") && text.contains(&fleet.inventory_at), "{text}");

    // From now on nobody waits for it, and nothing else goes down with it.
    let begun = Instant::now();
    for _ in 0..20 {
        let asked = GetStockRequest { product_id: "mug".to_owned() };
        assert_eq!(edge.get_stock(asked).await.unwrap_err().code(), Code::Unavailable);
    }
    assert!(begun.elapsed().as_secs() < 1, "20 refusals took {:?}", begun.elapsed());
    let health = health(&fleet.edge);
    assert_eq!(status_of(&health, INVENTORY).await.unwrap(), ServingStatus::NotServing);
    assert_eq!(status_of(&health, "").await.unwrap(), ServingStatus::Serving);
    catalog(&fleet.edge).list_products(ListProductsRequest::default()).await.unwrap();
    assert_eq!(get(&fleet.http, "/").await.unwrap().0, 200);

    fleet.restart_inventory().await;
    let found = eventually("the inventory is back", async || units(&edge, "mug").await).await;
    assert_eq!(found, (3, 2, 0));
    let again = eventually("and takes the order again", async || {
        Ok(direct.clone().reserve_stock(reserve(&order_id, "mug", 2, 900)).await?.into_inner())
    });
    assert_eq!(again.await, made);
}

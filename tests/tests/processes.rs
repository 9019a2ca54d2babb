//! Storefront and catalog as processes of their own, and what a shopper sees when one of them dies.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use anyhow::{Context as _, ensure};
use contracts::{
    catalog::v1::{GetProductRequest, ListProductsRequest},
    inventory::v1::BatchGetStockRequest,
};
use mesh::health::pb::health_check_response::ServingStatus;
use system_tests::{Fleet, Running, catalog, eventually, get, health, inventory, status_of};
use tokio::time::Instant;
use tonic::Code;

const CATALOG: &str = "souk.catalog.v1.CatalogService";

fn some_products() -> ListProductsRequest {
    ListProductsRequest { page_size: 5, ..ListProductsRequest::default() }
}

#[tokio::test]
async fn the_demo_catalogue_is_loaded_through_the_edge_and_a_second_time_changes_nothing() {
    let fleet = Fleet::start().await;
    let first = fleet.load_demo().await;
    let again = fleet.load_demo().await;
    assert_eq!((&first["event"], &first["rejected"], &first["updated"]), (&"loaded".into(), &"0".into(), &"0".into()));
    assert_eq!(again["unchanged"], first["created"]);
    assert_eq!((&again["created"], &again["updated"]), (&"0".into(), &"0".into()));

    // Both ways lead to the same catalog.
    let (mut edge, mut direct) = (catalog(&fleet.edge), catalog(&fleet.catalog_at));
    let listed = edge.list_products(some_products()).await.unwrap().into_inner();
    assert_eq!(listed, direct.list_products(some_products()).await.unwrap().into_inner());
    assert_eq!(listed.products.len(), 5);
    let ids = listed.products.into_iter().map(|product| product.product_id).collect();
    let stock = inventory(&fleet.edge).batch_get_stock(BatchGetStockRequest { product_ids: ids }).await.unwrap();
    assert_eq!(stock.get_ref().stock.len(), 5, "{stock:?}");
    assert!(stock.get_ref().stock.iter().any(|level| level.on_hand > 0), "{stock:?}");
}

#[tokio::test]
async fn a_load_gives_up_when_its_time_is_over_and_says_where_nobody_answered() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let token = [("SOUK_TOKEN", &*test_operator::token())];
    let mut load = Running::start(&["demo", "load", "--to", &free, "--timeout", "600ms"], &token);
    assert!(!load.ended().await.success());
    let output = load.output();
    assert!(output.contains("not yet (") && output.contains(&format!("souk: load into {free}: ")), "{output}");
}

#[tokio::test]
async fn a_catalog_that_is_killed_is_unavailable_at_once_and_is_back_by_itself() {
    let mut fleet = Fleet::start().await;
    fleet.load_demo().await;
    let mut edge = catalog(&fleet.edge);
    let product = edge.list_products(some_products()).await.unwrap().into_inner().products.remove(0);
    let wanted = || GetProductRequest { product_id: product.product_id.clone() };

    fleet.catalog.kill();
    let refused = eventually("the edge has noticed", async || {
        let refused = edge.clone().get_product(wanted()).await.err().context("it still answers")?;
        ensure!(refused.message().contains("Connection refused"), "{refused}");
        Ok(refused)
    })
    .await;
    assert_eq!(refused.code(), Code::Unavailable);
    let text = refused.message();
    assert!(text.starts_with("catalog: ") && text.contains(&fleet.catalog_at), "{text}");

    // From now on nobody waits for it, and nothing else goes down with it.
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(edge.get_product(wanted()).await.unwrap_err().code(), Code::Unavailable);
    }
    assert!(begun.elapsed().as_secs() < 1, "20 refusals took {:?}", begun.elapsed());
    let health = health(&fleet.edge);
    assert_eq!(status_of(&health, CATALOG).await.unwrap(), ServingStatus::NotServing);
    assert_eq!(status_of(&health, "").await.unwrap(), ServingStatus::Serving);
    let (status, page) = get(&fleet.http, "/").await.unwrap();
    assert_eq!(status, 200, "{page}");

    fleet.restart_catalog().await;
    let back = eventually("the catalog is back", async || Ok(edge.clone().get_product(wanted()).await?)).await;
    assert_eq!(back.into_inner().product.unwrap(), product);
}

#[tokio::test]
async fn a_storefront_whose_catalog_is_away_starts_and_answers() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let free = "127.0.0.1:0";
    let arguments = ["service", "storefront", "--output", "json", "--http", free, "--grpc", free, "--admin", free];
    let mut storefront = Running::start(&arguments, &[("CATALOG_TARGET", &nobody)]);
    let listening = storefront.listening().await;
    assert_eq!(get(listening["http"].as_str().unwrap(), "/").await.unwrap().0, 200);
    assert_eq!(get(listening["admin"].as_str().unwrap(), "/readyz").await.unwrap().0, 200);
    let refused = catalog(listening["grpc"].as_str().unwrap()).list_products(some_products()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
}

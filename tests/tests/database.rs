//! The shop on PostgreSQL: the same shop, and one that outlives its database.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use anyhow::ensure;
use contracts::catalog::v1::{GetProductRequest, ListProductsRequest, Product, UpdateProductRequest};
use mesh::health::pb::health_check_response::ServingStatus;
use sqlx::{Connection as _, Executor as _, PgConnection};
use system_tests::{Catalog, Shop, catalog, eventually, get, health, status_of};
use test_postgres::Server;
use tokio::time::Instant;
use tonic::{Code, Status};

const CATALOG: &str = "souk.catalog.v1.CatalogService";

/// A server with the databases that the shop expects.
async fn server() -> Server {
    let server = Server::start().unwrap();
    let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
    connection.execute("CREATE DATABASE souk_cart").await.unwrap();
    connection.execute("CREATE DATABASE souk_catalog").await.unwrap();
    connection.execute("CREATE DATABASE souk_inventory").await.unwrap();
    connection.execute("CREATE DATABASE souk_checkout").await.unwrap();
    connection.execute("CREATE DATABASE souk_payment").await.unwrap();
    connection.execute("CREATE DATABASE souk_acquirer").await.unwrap();
    server
}

async fn rename(catalog: &mut Catalog, product_id: &str, name: &str) -> Result<Product, Status> {
    let product = Product { product_id: product_id.to_owned(), name: name.to_owned(), ..Product::default() };
    let request_id = uuid::Uuid::new_v4().to_string();
    let update = UpdateProductRequest { product: Some(product), request_id, ..UpdateProductRequest::default() };
    Ok(catalog.update_product(update).await?.into_inner().product.unwrap())
}

#[tokio::test]
async fn each_service_keeps_its_data_in_a_database_of_its_own() {
    let (server, data) = (server().await, tempfile::tempdir().unwrap());
    // The name of the database is the shop's to add.
    let url = server.url("");
    let mut shop = Shop::open_on(data.path(), &["--database", &url]).await;
    let mut before = catalog(&shop.grpc);
    let all = ListProductsRequest { page_size: 1000, ..ListProductsRequest::default() };
    let listed = before.list_products(all.clone()).await.unwrap().into_inner().products;
    assert!(listed.len() >= 120, "{} products", listed.len());
    let renamed = rename(&mut before, &listed[0].product_id, "Kept").await.unwrap();
    shop.kill();
    assert!(!data.path().join("catalog.db").exists());

    let shop = Shop::open_on(data.path(), &["--database", &url]).await;
    let mut after = catalog(&shop.grpc);
    assert_eq!(after.list_products(all).await.unwrap().into_inner().products.len(), listed.len());
    let read = GetProductRequest { product_id: renamed.product_id.clone() };
    assert_eq!(after.get_product(read).await.unwrap().into_inner().product.unwrap(), renamed);
}

#[tokio::test]
async fn a_database_that_goes_away_is_unavailable_at_once_and_the_shop_is_back_with_it() {
    let server = server().await;
    let shop = Shop::open(&["--database", &server.url("")]).await;
    let (mut catalog, health) = (catalog(&shop.grpc), health(&shop.grpc));
    let first = ListProductsRequest { page_size: 1, ..ListProductsRequest::default() };
    let id = catalog.list_products(first).await.unwrap().into_inner().products.remove(0).product_id;

    server.kill().unwrap();
    eventually("its absence is noticed", async || {
        let refused = rename(&mut catalog.clone(), &id, "Lost").await.err();
        ensure!(refused.as_ref().map(Status::code) == Some(Code::Unavailable), "{refused:?}");
        ensure!(status_of(&health, CATALOG).await? == ServingStatus::NotServing, "health says nothing");
        Ok(())
    })
    .await;
    let begun = Instant::now();
    for _ in 0..20 {
        let refused = rename(&mut catalog, &id, "Lost").await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    }
    assert!(begun.elapsed().as_secs() < 1, "20 refusals took {:?}", begun.elapsed());
    assert_eq!(get(&shop.admin, "/readyz").await.unwrap().0, 503);
    assert_eq!(get(&shop.admin, "/livez").await.unwrap().0, 200);
    assert_eq!(get(&shop.http, "/").await.unwrap().0, 200);

    server.start_again().unwrap();
    let found = eventually("it is back", async || Ok(rename(&mut catalog.clone(), &id, "Found").await?)).await;
    assert_eq!(found.name, "Found");
    eventually("health says so", async || {
        ensure!(status_of(&health, CATALOG).await? == ServingStatus::Serving, "not yet");
        Ok(())
    })
    .await;
}

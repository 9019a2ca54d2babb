//! Several catalogs on one database, and a database that goes away.

use std::time::Duration;

use contracts::catalog::v1 as pb;
use test_postgres::Server;
use tokio::time::{Instant, timeout};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::shop::{self, Shop, code_and_reason, product};

crate::on_both_databases!(a_replica_soon_reads_what_another_one_wrote, a_catalog_finds_its_products_after_a_restart);

async fn a_replica_soon_reads_what_another_one_wrote(shop: Shop) {
    let other = shop::replica(&shop.database_url).await;
    shop.create(product("mug")).await;
    for round in 0..5 {
        let name = format!("Round {round}");
        // In the other one's memory before the change.
        shop::eventually(async || shop::get(&other, "mug").await.is_ok()).await;
        shop.update(pb::Product { name: name.clone(), ..product("mug") }, &["name"]).await.unwrap();
        shop::eventually(async || shop::get(&other, "mug").await.unwrap().name == name).await;
    }
    shop.delete("mug").await.unwrap();
    shop::eventually(async || shop::get(&other, "mug").await.is_err()).await;
}

async fn a_catalog_finds_its_products_after_a_restart(shop: Shop) {
    let created = shop.create(product("mug")).await;
    let again = shop::replica(&shop.database_url).await;
    assert_eq!(shop::get(&again, "mug").await.unwrap(), created);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_goes_away_is_refused_at_once_and_found_again() {
    let server = Server::start().unwrap();
    let client = shop::replica(&server.create_database().await.unwrap()).await;
    shop::update(&client, product("x"), &["name"]).await.unwrap_err();
    let create = async |id: &str| {
        let request = pb::CreateProductRequest { product: Some(product(id)), request_id: shop::request_id() };
        client.clone().create_product(request).await
    };
    create("kept").await.unwrap();
    create("unread").await.unwrap();
    let kept = shop::get(&client, "kept").await.unwrap();
    // A product is kept in memory as soon as its last change has come by the feed.
    shop::eventually(async || {
        shop::get(&client, "kept").await.unwrap();
        server.pause().unwrap();
        let from_memory = timeout(Duration::from_millis(200), shop::get(&client, "kept")).await.is_ok();
        server.resume().unwrap();
        from_memory
    })
    .await;

    server.kill().unwrap();
    let killed = Instant::now();
    for call in 0..20 {
        let refused = [shop::get(&client, "unread").await.err(), create(&format!("new-{call}")).await.err()];
        for status in refused {
            let status = status.expect("nothing can be read or written");
            // The call that finds out may have been in the middle of its commit.
            let (code, reason) = code_and_reason(&status);
            assert_eq!(code, Code::Unavailable, "{status:?}");
            assert!(reason == "DATABASE_UNAVAILABLE" || reason == "COMMIT_IN_DOUBT", "{reason}");
            assert!(status.get_error_details().retry_info().is_some());
        }
    }
    assert!(killed.elapsed() < Duration::from_secs(3), "refusals took {:?}", killed.elapsed());
    // What is in memory is still the newest there is.
    assert_eq!(shop::get(&client, "kept").await.unwrap(), kept);

    server.start_again().unwrap();
    shop::eventually(async || shop::get(&client, "unread").await.is_ok()).await;
    create("again").await.unwrap();
    assert_eq!(shop::get(&client, "again").await.unwrap().revision, 1);
}

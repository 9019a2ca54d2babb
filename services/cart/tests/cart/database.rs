//! A restart, and a database that goes away.

use std::time::Duration;

use contracts::cart::v1::{ClearCartRequest, GetCartRequest};
use test_postgres::Server;
use tokio::time::Instant;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::shop::{self, Shop, add, refusal};

crate::on_both_databases!(a_restart_keeps_carts_and_what_was_answered);

async fn a_restart_keeps_carts_and_what_was_answered(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    let request = shop::addition("", "mug");
    let cart = shop::added(&shop.client, request.clone()).await.unwrap();
    let again = shop.replica().await;
    assert_eq!(shop::get(&again, &cart.cart_id).await.unwrap(), cart);
    assert_eq!(shop::added(&again, request).await.unwrap(), cart);
    let now = add(&again, &cart.cart_id, "mug", 1).await.unwrap();
    assert_eq!(shop.get(&cart.cart_id).await.unwrap(), now);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_goes_away_is_refused_at_once_and_found_again() {
    let server = Server::start().unwrap();
    let url = server.create_database().await.unwrap();
    let shop = Shop::with_catalog(url, tempfile::tempdir().unwrap()).await;
    shop.sell("mug", "EUR", 12).await;
    let (client, cart) = (&shop.client, shop.filled(&[("mug", 1)]).await);
    let source = shop.filled(&[("mug", 1)]).await;

    server.kill().unwrap();
    let killed = Instant::now();
    for _ in 0..20 {
        let cart_id = cart.cart_id.clone();
        let clear = ClearCartRequest { cart_id: cart_id.clone(), etag: String::new(), request_id: shop::request_id() };
        let refused = [
            client.clone().get_cart(GetCartRequest { cart_id: cart_id.clone() }).await.err(),
            client.clone().add_item(shop::addition("", "mug")).await.err(),
            client.clone().clear_cart(clear).await.err(),
            client.clone().merge_carts(shop::merger(&cart_id, &source.cart_id)).await.err(),
        ];
        for refused in refused {
            let status = refused.expect("nothing can be read or written");
            let (code, reason) = refusal(&status);
            assert_eq!(code, Code::Unavailable, "{status:?}");
            // The call that finds out may have been in the middle of its commit.
            assert!(reason == "DATABASE_UNAVAILABLE" || reason == "COMMIT_IN_DOUBT", "{reason}");
            assert!(status.get_error_details().retry_info().is_some());
        }
    }
    assert!(killed.elapsed() < Duration::from_secs(30), "80 refusals took {:?}", killed.elapsed());
    server.start_again().unwrap();
    shop::eventually(async || shop.get(&cart.cart_id).await.is_ok_and(|now| now.cart_id == cart.cart_id)).await;
    shop::eventually(async || add(client, &cart.cart_id, "mug", 1).await.is_ok()).await;
}

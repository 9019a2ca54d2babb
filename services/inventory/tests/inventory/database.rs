//! A restart, and a database that goes away.

use std::time::Duration;

use contracts::inventory::v1::ReservationState::Committed;
use contracts::inventory::v1::stock_adjustment::Change::Received;
use test_postgres::Server;
use tokio::time::Instant;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::shop::{self, Shop, order_id, refusal, request_id};

crate::on_both_databases!(an_inventory_finds_everything_after_a_restart);

async fn an_inventory_finds_everything_after_a_restart(shop: Shop) {
    shop.receive(&[("mug", 5)]).await;
    let (order, request) = (order_id(), request_id());
    let held = shop.reserve(&order, &[("mug", 2)]).await.unwrap();
    let again = shop.replica().await;
    assert_eq!(shop::reserve(&again, &order, &[("mug", 2)]).await.unwrap(), held);
    assert_eq!(shop::commit(&again, &order).await.unwrap().state(), Committed);
    let first = shop::give_back(&again, &order, &[], &request).await.unwrap();
    let again = shop.replica().await;
    assert_eq!(shop::give_back(&again, &order, &[], &request).await.unwrap(), first);
    assert_eq!(shop::units(&again, "mug").await, (5, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_goes_away_is_refused_at_once_and_found_again() {
    let server = Server::start().unwrap();
    let shop = Shop::on(server.create_database().await.unwrap()).await;
    let client = &shop.client;
    shop::adjust(client, &[("mug", Received(5))], &request_id()).await.unwrap();
    let order = order_id();
    shop::reserve(client, &order, &[("mug", 1)]).await.unwrap();
    // From memory, where it stays as long as nothing changes.
    let before = shop.hits();
    shop::eventually(async || shop.stock("mug").await.is_ok() && shop.hits() > before).await;
    let kept = shop.stock("mug").await.unwrap();

    server.kill().unwrap();
    let killed = Instant::now();
    for _ in 0..20 {
        let refused = [
            shop::stock(client, "unread").await.err(),
            shop::adjust(client, &[("mug", Received(6))], &request_id()).await.err(),
            shop::reserve(client, &order_id(), &[("mug", 1)]).await.err(),
            shop::commit(client, &order).await.err(),
            shop::release(client, &order).await.err(),
            shop::give_back(client, &order, &[], &request_id()).await.err(),
        ];
        for status in refused {
            let status = status.expect("nothing can be read or written");
            let (code, reason) = refusal(&status);
            assert_eq!(code, Code::Unavailable, "{status:?}");
            // The call that finds out may have been in the middle of its commit.
            assert!(reason == "DATABASE_UNAVAILABLE" || reason == "COMMIT_IN_DOUBT", "{reason}");
            assert!(status.get_error_details().retry_info().is_some());
        }
    }
    assert!(killed.elapsed() < Duration::from_secs(5), "refusals took {:?}", killed.elapsed());
    // What is in memory is still the newest there is.
    assert_eq!(shop::stock(client, "mug").await.unwrap(), kept);

    server.start_again().unwrap();
    shop::eventually(async || shop::commit(client, &order).await.is_ok_and(|end| end.state() == Committed)).await;
    let (on_hand, reserved, sold) = shop::units(client, "mug").await;
    // A commit in doubt may have reserved, or set the total.
    assert!(sold == 1 && on_hand + reserved >= 4, "{on_hand} {reserved} {sold}");
}

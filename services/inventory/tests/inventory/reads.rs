//! GetStock and BatchGetStock, and what keeps their memory right.

use contracts::inventory::v1 as pb;
use contracts::inventory::v1::stock_adjustment::Change::Delta;
use tonic::Code;

use crate::shop::{self, Shop, fields, order_id, refusal};

crate::on_both_databases!(
    what_was_never_received_is_not_found_until_it_is,
    a_batch_is_answered_in_its_order_with_what_is_missing,
    whoever_changed_stock_reads_what_it_became,
    a_replica_soon_reads_what_another_one_wrote,
);

async fn what_was_never_received_is_not_found_until_it_is(shop: Shop) {
    for _ in 0..2 {
        let status = shop.stock("mug").await.unwrap_err();
        assert_eq!(refusal(&status), (Code::NotFound, "STOCK_NOT_FOUND".into()));
    }
    shop.receive(&[("mug", 3)]).await;
    assert_eq!(shop.units("mug").await, (3, 0, 0));
    assert_eq!(fields(&shop.stock("no/id").await.unwrap_err()), ["product_id"]);
}

async fn a_batch_is_answered_in_its_order_with_what_is_missing(shop: Shop) {
    shop.receive(&[("a", 1), ("b", 2), ("c", 3)]).await;
    shop.stock("b").await.unwrap();
    let ids = ["c", "x", "a", "c", "b", "y"].map(str::to_owned).to_vec();
    for _ in 0..2 {
        let request = pb::BatchGetStockRequest { product_ids: ids.clone() };
        let batch = shop.client.clone().batch_get_stock(request).await.unwrap().into_inner();
        let found: Vec<_> = batch.stock.iter().map(|level| (&*level.product_id, level.on_hand)).collect();
        assert_eq!(found, [("c", 3), ("a", 1), ("b", 2)]);
        assert_eq!(batch.missing_product_ids, ["x", "y"]);
    }
}

async fn whoever_changed_stock_reads_what_it_became(shop: Shop) {
    shop.receive(&[("mug", 100)]).await;
    let (mut on_hand, mut sold) = (100, 0);
    for round in 0..20 {
        let order = order_id();
        shop.reserve(&order, &[("mug", 2)]).await.unwrap();
        assert_eq!(shop.units("mug").await, (on_hand - 2, 2, sold));
        if round % 2 == 0 {
            shop.release(&order).await.unwrap();
        } else {
            shop.commit(&order).await.unwrap();
            (on_hand, sold) = (on_hand - 2, sold + 2);
            shop.give_back(&order, &[("mug", 1)]).await.unwrap();
            (on_hand, sold) = (on_hand + 1, sold - 1);
        }
        assert_eq!(shop.units("mug").await, (on_hand, 0, sold));
    }
}

async fn a_replica_soon_reads_what_another_one_wrote(shop: Shop) {
    let other = shop.replica().await;
    // In the other one's memory before the change, as what does not exist.
    shop::stock(&other, "mug").await.unwrap_err();
    shop.receive(&[("mug", 1), ("jug", 5)]).await;
    shop::eventually(async || shop::stock(&other, "mug").await.is_ok()).await;
    for round in 2..8 {
        shop.adjust(&[("mug", Delta(1))]).await.unwrap();
        shop::eventually(async || shop::units(&other, "mug").await.0 == round).await;
        assert_eq!(shop::units(&other, "jug").await.0, 5);
    }
}

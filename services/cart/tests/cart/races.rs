//! Many at once: no update is lost.

use tokio::task::JoinSet;
use tonic::Code;

use crate::shop::{self, Shop, add, items, refusal};

const WRITERS: i32 = 64;

crate::on_both_databases!(
    of_writers_without_an_etag_each_is_counted,
    of_writers_with_an_etag_one_wins_each_round_and_none_is_lost,
    writers_of_different_products_each_find_theirs,
);

async fn of_writers_without_an_etag_each_is_counted(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    let cart = shop.filled(&[("mug", 1)]).await;
    let replicas = [shop.client.clone(), shop.replica().await];
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (client, id) = (replicas[usize::from(writer % 2 == 0)].clone(), cart.cart_id.clone());
        writers.spawn(async move { add(&client, &id, "mug", 1).await.unwrap().etag });
    }
    let mut etags = writers.join_all().await;
    etags.sort_unstable();
    etags.dedup();
    assert_eq!(etags.len(), usize::try_from(WRITERS).unwrap(), "each made a version of its own");
    assert_eq!(items(&shop.get(&cart.cart_id).await.unwrap()), [("mug", 1 + WRITERS)]);
}

async fn of_writers_with_an_etag_one_wins_each_round_and_none_is_lost(shop: Shop) {
    shop.sell("mug", "EUR", 12).await;
    let cart = shop.filled(&[("mug", 1)]).await;
    let replicas = [shop.client.clone(), shop.replica().await];
    // All have read the same version: exactly one may change it.
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (client, cart) = (replicas[usize::from(writer % 2 == 0)].clone(), cart.clone());
        writers.spawn(async move { shop::set(&client, &cart, "mug", 100 + writer).await });
    }
    let (won, lost): (Vec<_>, Vec<_>) = writers.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    for lost in lost {
        assert_eq!(refusal(&lost.unwrap_err()), (Code::Aborted, "ETAG_MISMATCH".into()));
    }
    assert_eq!(shop.get(&cart.cart_id).await.unwrap(), won.into_iter().next().unwrap().unwrap());
}

async fn writers_of_different_products_each_find_theirs(shop: Shop) {
    let ids: Vec<String> = (0..WRITERS).map(|number| format!("p{number}")).collect();
    for id in &ids {
        shop.sell(id, "EUR", 1).await;
    }
    let cart = shop::clear(&shop.client, &shop.filled(&[("p0", 1)]).await).await.unwrap();
    let mut writers = JoinSet::new();
    for id in ids.clone() {
        let (client, cart) = (shop.client.clone(), cart.cart_id.clone());
        writers.spawn(async move { add(&client, &cart, &id, 2).await.unwrap() });
    }
    writers.join_all().await;
    let cart = shop.get(&cart.cart_id).await.unwrap();
    let mut found = items(&cart);
    found.sort_unstable();
    let mut expected: Vec<_> = ids.iter().map(|id| (&**id, 2)).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
    let created = |item: &contracts::cart::v1::CartItem| item.create_time.map(|time| (time.seconds, time.nanos));
    assert!(cart.items.is_sorted_by_key(created));
}

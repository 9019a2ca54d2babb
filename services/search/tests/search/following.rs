//! The index follows its feeds, whatever becomes of them and of the disk.

use contracts::catalog::v1 as catalog;
use contracts::search::v1 as pb;
use tonic::Code;

use crate::feeds::{Catalog, Inventory};
use crate::shop::{Shop, eventually, product, refusal};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn until_both_feeds_were_followed_to_their_ends_there_is_no_index_and_then_there_is() {
    let (catalog, inventory) = (Catalog::default(), Inventory::default());
    catalog.put(product("lamp", "Lamp"));
    inventory.0.set_open(false);
    let shop = Shop::start(catalog, inventory);
    eventually(async || shop.catalog.0.snapshots() == 1 && shop.inventory.0.snapshots() == 1).await;
    for status in [shop.search("lamp").await.unwrap_err(), shop.suggest("lamp").await.unwrap_err()] {
        assert_eq!(refusal(&status), (Code::Unavailable, "INDEX_NOT_READY".into(), vec![]));
    }
    shop.inventory.0.set_open(true);
    eventually(async || shop.search("lamp").await.is_ok()).await;
    assert_eq!(shop.ids("lamp").await, ["lamp"]);
    // Other tests' searches have the same name in the same process: what was set last counts.
    eventually(async || Shop::is_ready()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_comes_to_be_found_and_what_cannot_be_read_stops_nothing() {
    let shop = Shop::with([(product("lamp", "Lamp"), 1)]).await;
    shop.inventory.put("mug", 5);
    shop.catalog.garble("jug");
    shop.catalog.put(product("mug", "Mug"));
    eventually(async || shop.ids("mug").await == ["mug"]).await;
    let availability = async || shop.search("mug").await.unwrap().hits[0].availability();
    eventually(async || availability().await == pb::Availability::InStock).await;
    shop.inventory.put("mug", 0);
    eventually(async || availability().await == pb::Availability::OutOfStock).await;
    shop.catalog.put(product("mug", "Cup"));
    eventually(async || shop.ids("mug").await.is_empty() && shop.ids("cup").await == ["mug"]).await;
    let hit = shop.search("cup").await.unwrap().hits.remove(0);
    assert_eq!((hit.product_revision, hit.stock_revision), (2, 2));
    let state = catalog::ProductState::Discontinued.into();
    shop.catalog.put(catalog::Product { state, ..product("mug", "Cup") });
    shop.catalog.delete("lamp");
    eventually(async || shop.ids("").await.is_empty()).await;
    let metrics = Shop::metrics();
    for name in ["search_follow_seconds_count", "search_products", "search_stale", "search_query_seconds_count"] {
        assert!(metrics.contains(name), "{name} is missing");
    }
    assert!(metrics.contains("search_feed_dead_letters_total{feed=\"catalog\"} 1"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_whose_cursor_expired_is_taken_whole_and_what_it_lacks_goes() {
    let shop = Shop::with([(product("lamp", "Lamp"), 1), (product("mug", "Mug"), 1)]).await;
    shop.catalog.0.expire(&["mug"]);
    shop.catalog.put(product("jug", "Jug"));
    eventually(async || shop.ids("").await == ["jug", "lamp"]).await;
    assert_eq!((shop.catalog.0.snapshots(), shop.inventory.0.snapshots()), (2, 1));
    assert_eq!(shop.search("lamp").await.unwrap().hits[0].availability(), pb::Availability::InStock);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_is_deleted_answers_stale_until_it_is_built_anew() {
    let shop = Shop::with([(product("lamp", "Lamp"), 1)]).await;
    shop.inventory.0.set_open(false);
    std::fs::remove_dir_all(shop.folder.path().join("index")).unwrap();
    eventually(async || shop.search("lamp").await.unwrap().stale).await;
    shop.catalog.put(product("mug", "Mug"));
    eventually(async || shop.catalog.0.snapshots() == 2 && shop.inventory.0.snapshots() == 2).await;
    assert_eq!(shop.ids("").await, ["lamp"], "the old one answers");
    shop.inventory.0.set_open(true);
    eventually(async || shop.ids("").await == ["lamp", "mug"]).await;
    eventually(async || !shop.search("").await.unwrap().stale).await;
}

//! Search through the edge: what the catalog and inventory say is found, and what becomes of it when one of them dies.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use anyhow::{Context as _, ensure};
use contracts::{
    catalog::v1::{DeleteProductRequest, ListProductsRequest},
    inventory::v1::{AdjustStockRequest, StockAdjustment, stock_adjustment::Change},
    search::v1::{Availability, SearchProductsRequest, SearchProductsResponse, SuggestQueriesRequest},
};
use mesh::health::pb::health_check_response::ServingStatus;
use system_tests::{Fleet, Shop, catalog, eventually, get, health, inventory, search, status_of};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

const SEARCH: &str = "souk.search.v1.SearchService";

async fn find(at: &str, query: &str) -> Result<SearchProductsResponse, Status> {
    let request = SearchProductsRequest { query: query.to_owned(), include_facets: true, ..Default::default() };
    Ok(search(at).search_products(request).await?.into_inner())
}

/// Waits until a query finds something, and everything that is to be found.
async fn finds(at: &str, query: &str) -> SearchProductsResponse {
    eventually(query, async || {
        let found = find(at, query).await?;
        ensure!(found.total_count > 0 && !found.stale, "{found:?}");
        Ok(found)
    })
    .await
}

/// Waits until all products of the catalog are found.
async fn finds_everything(at: &str) {
    let everything = ListProductsRequest { page_size: 1_000, ..Default::default() };
    let products = catalog(at).list_products(everything).await.unwrap().into_inner().products.len();
    eventually("every product is found", async || {
        let found = find(at, "").await?.total_count;
        ensure!(usize::try_from(found)? == products, "{found} of {products}");
        Ok(())
    })
    .await;
}

fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

#[tokio::test]
async fn the_demo_catalogue_is_found_with_a_typo_filtered_counted_and_suggested() {
    let shop = Shop::open(&[]).await;
    finds_everything(&shop.grpc).await;
    let lamps = finds(&shop.grpc, "lamp").await;
    let misspelt = find(&shop.grpc, "lanterrn").await.unwrap();
    assert!(misspelt.total_count > 0 && misspelt.corrected_query.starts_with("lantern"), "{misspelt:?}");
    let facets = lamps.facets.unwrap();
    assert!(!facets.categories.is_empty() && !facets.prices.is_empty(), "{facets:?}");
    let suggested = eventually("suggestions follow", async || {
        let request = SuggestQueriesRequest { prefix: "lam".to_owned(), page_size: 5 };
        let suggestions = search(&shop.grpc).suggest_queries(request).await?.into_inner().suggestions;
        ensure!(!suggestions.is_empty(), "none");
        Ok(suggestions)
    });
    assert!(suggested.await.iter().any(|suggestion| suggestion.query.to_lowercase().contains("lam")));

    let id = lamps.hits[0].product_id.clone();
    let change = Some(Change::Received(5));
    let lines = vec![StockAdjustment { product_id: id.clone(), change }];
    inventory(&shop.grpc).adjust_stock(AdjustStockRequest { lines, request_id: uuid() }).await.unwrap();
    eventually("the stock is seen", async || {
        let found = find(&shop.grpc, "lamp").await?;
        let hit = found.hits.iter().find(|hit| hit.product_id == id).context("it is gone")?;
        ensure!(hit.availability() == Availability::InStock, "{hit:?}");
        Ok(())
    })
    .await;
    let gone = DeleteProductRequest { product_id: id.clone(), etag: String::new(), request_id: uuid() };
    catalog(&shop.grpc).delete_product(gone).await.unwrap();
    eventually("what is deleted is not found", async || {
        let found = find(&shop.grpc, "lamp").await?;
        ensure!(found.hits.iter().all(|hit| hit.product_id != id), "{id}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn without_the_catalog_and_the_inventory_everything_is_still_found_and_said_to_be_old() {
    let mut fleet = Fleet::start().await;
    fleet.load_demo().await;
    let found = finds(&fleet.edge, "lamp").await;
    fleet.catalog.kill();
    fleet.inventory.kill();
    // Half a minute is what a feed may be silent; until then nobody can know.
    let alone = find(&fleet.edge, "lamp").await.unwrap();
    assert_eq!(alone.hits.len(), found.hits.len());
    assert_eq!(status_of(&health(&fleet.edge), SEARCH).await.unwrap(), ServingStatus::Serving);
}

#[tokio::test]
async fn a_search_that_is_killed_takes_nothing_else_down_and_answers_again_at_once() {
    let mut fleet = Fleet::start().await;
    fleet.load_demo().await;
    finds_everything(&fleet.edge).await;
    let before = finds(&fleet.edge, "lamp").await;
    fleet.search.kill();
    let refused =
        eventually("the edge has noticed", async || find(&fleet.edge, "lamp").await.err().context("it still answers"))
            .await;
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    catalog(&fleet.edge).list_products(ListProductsRequest::default()).await.unwrap();
    assert_eq!(get(&fleet.http, "/").await.unwrap().0, 200);
    fleet.restart_search().await;
    finds_everything(&fleet.edge).await;
    let after = finds(&fleet.edge, "lamp").await;
    assert_eq!(after.total_count, before.total_count);
}

#[tokio::test]
async fn a_search_whose_index_is_deleted_while_it_is_down_is_not_serving_until_it_is_built_anew() {
    let mut fleet = Fleet::start().await;
    fleet.load_demo().await;
    finds_everything(&fleet.edge).await;
    let before = finds(&fleet.edge, "lamp").await;
    fleet.search.kill();
    std::fs::remove_dir_all(fleet.index()).unwrap();
    // Without the catalog it cannot be built, and says so.
    fleet.catalog.kill();
    let mut starting = fleet.start_search_again();
    let refused = eventually("it says that there is no index", async || {
        let refused = find(&fleet.search_at, "lamp").await.err().context("it answers")?;
        ensure!(refused.code() == Code::Unavailable, "{refused}");
        let reason = refused.get_details_error_info().map(|info| info.reason);
        ensure!(reason.as_deref() == Some("INDEX_NOT_READY"), "{refused}");
        Ok(refused)
    });
    assert!(refused.await.get_details_retry_info().is_some());
    assert_eq!(status_of(&health(&fleet.search_at), SEARCH).await.unwrap(), ServingStatus::NotServing);
    fleet.restart_catalog().await;
    starting.listening().await;
    finds_everything(&fleet.edge).await;
    let after = finds(&fleet.edge, "lamp").await;
    assert_eq!(after.total_count, before.total_count);
}

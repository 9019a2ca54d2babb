//! GetProduct, BatchGetProducts, and what the server says of itself.

use contracts::catalog::v1 as pb;
use tokio_stream::StreamExt as _;
use tonic::Code;
use tonic_reflection::pb::v1 as reflection;

use crate::shop::{self, Shop, code_and_reason, full_product, product, refusal};

crate::on_both_databases!(
    what_was_created_is_read_back,
    an_unknown_product_is_not_found_until_it_is_made,
    a_batch_is_answered_in_its_order_with_what_is_missing,
);

async fn what_was_created_is_read_back(shop: Shop) {
    let created = shop.create(full_product("mug")).await;
    let expected = pb::Product {
        create_time: created.create_time,
        update_time: created.create_time,
        etag: created.etag.clone(),
        revision: 1,
        ..full_product("mug")
    };
    assert_eq!(created, expected);
    assert!(created.create_time.unwrap().seconds > 1_700_000_000 && !created.etag.is_empty());
    // From the database, then from memory.
    assert_eq!(shop.get("mug").await.unwrap(), expected);
    assert_eq!(shop.get("mug").await.unwrap(), expected);
}

async fn an_unknown_product_is_not_found_until_it_is_made(shop: Shop) {
    for _ in 0..2 {
        let status = shop.get("mug").await.unwrap_err();
        assert_eq!(code_and_reason(&status), (Code::NotFound, "PRODUCT_NOT_FOUND".into()));
    }
    shop.create(product("mug")).await;
    assert_eq!(shop.get("mug").await.unwrap().name, "The mug");
    assert_eq!(refusal(&shop.get("no/id").await.unwrap_err()).2, ["product_id"]);
}

async fn a_batch_is_answered_in_its_order_with_what_is_missing(shop: Shop) {
    for id in ["a", "b", "c"] {
        shop.create(product(id)).await;
    }
    shop.get("b").await.unwrap();
    let ids = ["c", "x", "a", "c", "b", "y"].map(str::to_owned).to_vec();
    for _ in 0..2 {
        let request = pb::BatchGetProductsRequest { product_ids: ids.clone() };
        let batch = shop.client.clone().batch_get_products(request).await.unwrap().into_inner();
        let found: Vec<&str> = batch.products.iter().map(|product| product.product_id.as_str()).collect();
        assert_eq!(found, ["c", "a", "b"]);
        assert_eq!(batch.missing_product_ids, ["x", "y"]);
    }
}

#[tokio::test]
async fn reflection_lists_this_service_and_no_other_of_the_shop() {
    let folder = tempfile::tempdir().unwrap();
    let config = catalog::Config::new(format!("sqlite:{}", folder.path().join("catalog.db").display()));
    let mut client = reflection::server_reflection_client::ServerReflectionClient::new(shop::channel(config).await);
    let ask = reflection::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(reflection::server_reflection_request::MessageRequest::ListServices(String::new())),
    };
    let mut answers = client.server_reflection_info(tokio_stream::once(ask)).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap();
    let Some(reflection::server_reflection_response::MessageResponse::ListServicesResponse(list)) =
        answer.message_response
    else {
        panic!("{answer:?}")
    };
    let ours: Vec<&str> =
        list.service.iter().map(|service| service.name.as_str()).filter(|name| name.starts_with("souk.")).collect();
    assert_eq!(ours, ["souk.catalog.v1.CatalogService"]);
}

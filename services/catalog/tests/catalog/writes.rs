//! CreateProduct, UpdateProduct, DeleteProduct: etags, masks, and requests that come twice.

use contracts::catalog::v1 as pb;
use tonic::Code;

use crate::shop::{self, Client, Shop, code_and_reason, euros, full_product, mask, path, product, refusal, request_id};

crate::on_both_databases!(
    an_update_sets_what_its_mask_names_and_nothing_else,
    an_update_without_a_mask_sets_what_is_not_empty,
    an_update_that_changes_nothing_gives_the_product_as_it_is,
    an_old_etag_aborts_and_changes_nothing,
    writers_that_compare_etags_lose_no_update,
    the_same_request_gives_the_first_answer_whatever_happened_since,
    the_same_request_id_with_other_content_is_refused,
    a_refused_request_is_not_remembered,
    revisions_go_on_over_delete_and_create,
    a_price_in_another_currency_than_the_kept_list_price_is_refused,
    what_is_written_is_read_at_once,
    an_id_is_made_where_none_is_given,
);

async fn an_update_sets_what_its_mask_names_and_nothing_else(shop: Shop) {
    let created = shop.create(full_product("mug")).await;
    let change =
        pb::Product { product_id: "mug".into(), sku: "NEW".into(), name: "ignored".into(), ..Default::default() };
    let updated = shop.update(change, &["sku", "rating", "list_price", "categories"]).await.unwrap();
    let expected = pb::Product {
        sku: "NEW".into(),
        rating: None,
        list_price: None,
        categories: vec![],
        revision: 2,
        etag: updated.etag.clone(),
        update_time: updated.update_time,
        ..created.clone()
    };
    assert_eq!(updated, expected);
    assert_ne!(updated.etag, created.etag);
    assert_eq!(shop.get("mug").await.unwrap(), expected);
    let whole = shop.update(product("mug"), &["*"]).await.unwrap();
    assert_eq!((whole.description.as_str(), whole.pictures.len(), whole.state()), ("", 0, pb::ProductState::Active));
}

async fn an_update_without_a_mask_sets_what_is_not_empty(shop: Shop) {
    shop.create(full_product("mug")).await;
    let change = pb::Product {
        product_id: "mug".into(),
        brand: "Other".into(),
        state: pb::ProductState::Discontinued.into(),
        ..Default::default()
    };
    let updated = shop.update(change, &[]).await.unwrap();
    assert_eq!((updated.brand.as_str(), updated.state()), ("Other", pb::ProductState::Discontinued));
    assert_eq!((updated.sku.as_str(), updated.categories.len()), ("MUG-1", 2));
}

async fn an_update_that_changes_nothing_gives_the_product_as_it_is(shop: Shop) {
    let created = shop.create(full_product("mug")).await;
    assert_eq!(shop.update(full_product("mug"), &["*"]).await.unwrap(), created);
}

async fn an_old_etag_aborts_and_changes_nothing(shop: Shop) {
    let old = shop.create(product("mug")).await;
    let new = shop.update(pb::Product { name: "New".into(), ..old.clone() }, &["name"]).await.unwrap();
    for etag in [old.etag.as_str(), "made up"] {
        let change = pb::Product { name: "Lost".into(), etag: etag.into(), ..product("mug") };
        let status = shop.update(change, &["name"]).await.unwrap_err();
        assert_eq!(code_and_reason(&status), (Code::Aborted, "ETAG_MISMATCH".into()));
        let delete = pb::DeleteProductRequest { product_id: "mug".into(), etag: etag.into(), request_id: request_id() };
        let status = shop.client.clone().delete_product(delete).await.unwrap_err();
        assert_eq!(code_and_reason(&status), (Code::Aborted, "ETAG_MISMATCH".into()));
    }
    assert_eq!(shop.get("mug").await.unwrap(), new);
}

async fn writers_that_compare_etags_lose_no_update(shop: Shop) {
    const WRITERS: usize = 8;
    const UPDATES: usize = 5;
    shop.create(pb::Product { sku: "0".into(), ..product("counter") }).await;
    let replicas = [shop.client.clone(), shop::replica(&shop.database_url).await];
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(count_up(replicas[writer % 2].clone(), UPDATES));
    }
    writers.join_all().await;
    let last =
        shop::update(&replicas[1], pb::Product { sku: "end".into(), ..product("counter") }, &["sku"]).await.unwrap();
    assert_eq!(last.revision, i64::try_from(WRITERS * UPDATES).unwrap() + 2);
}

/// Adds one to the number in `sku`, so often.
async fn count_up(client: Client, updates: usize) {
    for _ in 0..updates {
        loop {
            let mut product = shop::get(&client, "counter").await.unwrap();
            let number: u64 = product.sku.parse().unwrap();
            product.sku = (number + 1).to_string();
            match shop::update(&client, product, &["sku"]).await {
                Ok(updated) => {
                    // Each update is one step, of the revision too: nobody's was overwritten.
                    assert_eq!(updated.revision, i64::try_from(number).unwrap() + 2);
                    break;
                }
                Err(status) => assert_eq!(status.code(), Code::Aborted, "{status:?}"),
            }
        }
    }
}

async fn the_same_request_gives_the_first_answer_whatever_happened_since(shop: Shop) {
    let mut client = shop.client.clone();
    let create = pb::CreateProductRequest { product: Some(product("mug")), request_id: request_id() };
    let created = client.create_product(create.clone()).await.unwrap().into_inner();
    let old = created.product.clone().unwrap();
    let change = pb::Product { name: "New".into(), ..old.clone() };
    let update =
        pb::UpdateProductRequest { product: Some(change), update_mask: mask(&["name"]), request_id: request_id() };
    let updated = client.update_product(update.clone()).await.unwrap().into_inner();
    // The etag that it names is gone, and still it is the same request.
    assert_eq!(client.update_product(update).await.unwrap().into_inner(), updated);
    let delete = pb::DeleteProductRequest { product_id: "mug".into(), etag: String::new(), request_id: request_id() };
    client.delete_product(delete.clone()).await.unwrap();
    client.delete_product(delete).await.unwrap();
    let mut again = create;
    again.request_id.make_ascii_uppercase();
    assert_eq!(client.create_product(again).await.unwrap().into_inner(), created);
    assert_eq!(shop.get("mug").await.unwrap_err().code(), Code::NotFound);
}

async fn the_same_request_id_with_other_content_is_refused(shop: Shop) {
    let mut client = shop.client.clone();
    let create = pb::CreateProductRequest { product: Some(product("mug")), request_id: request_id() };
    client.create_product(create.clone()).await.unwrap();
    let other = pb::CreateProductRequest { product: Some(product("jug")), ..create };
    let status = client.create_product(other).await.unwrap_err();
    assert_eq!(code_and_reason(&status), (Code::FailedPrecondition, "REQUEST_ID_REUSED".into()));
    assert_eq!(shop.get("jug").await.unwrap_err().code(), Code::NotFound);
}

async fn a_refused_request_is_not_remembered(shop: Shop) {
    let mut client = shop.client.clone();
    shop.create(product("mug")).await;
    let create = pb::CreateProductRequest { product: Some(product("mug")), request_id: request_id() };
    let status = client.create_product(create.clone()).await.unwrap_err();
    assert_eq!(code_and_reason(&status), (Code::AlreadyExists, "PRODUCT_EXISTS".into()));
    shop.delete("mug").await.unwrap();
    assert!(client.create_product(create).await.is_ok());
}

async fn revisions_go_on_over_delete_and_create(shop: Shop) {
    let first = shop.create(product("mug")).await;
    shop.delete("mug").await.unwrap();
    let status = shop.delete("mug").await.unwrap_err();
    assert_eq!(code_and_reason(&status), (Code::NotFound, "PRODUCT_NOT_FOUND".into()));
    let status = shop.update(product("mug"), &["name"]).await.unwrap_err();
    assert_eq!(code_and_reason(&status), (Code::NotFound, "PRODUCT_NOT_FOUND".into()));
    let again = shop.create(product("mug")).await;
    assert_eq!((first.revision, again.revision), (1, 3));
    assert_ne!(first.etag, again.etag);
}

async fn a_price_in_another_currency_than_the_kept_list_price_is_refused(shop: Shop) {
    shop.create(pb::Product { list_price: Some(euros(20, 0)), ..product("mug") }).await;
    let dollars = contracts::google::r#type::Money { currency_code: "USD".into(), units: 10, nanos: 0 };
    let change = pb::Product { price: Some(dollars.clone()), ..product("mug") };
    let status = shop.update(change.clone(), &["price"]).await.unwrap_err();
    let expected = (Code::InvalidArgument, "INVALID_REQUEST".into(), vec!["product.list_price.currency_code".into()]);
    assert_eq!(refusal(&status), expected);
    assert_eq!(shop.update(change, &["price", "list_price"]).await.unwrap().price, Some(dollars));
}

async fn what_is_written_is_read_at_once(shop: Shop) {
    shop.create(pb::Product { categories: vec![path(&["Home"])], ..product("mug") }).await;
    let home = || pb::ListProductsRequest { category: Some(path(&["Home"])), ..Default::default() };
    for round in 0..30 {
        let name = format!("Round {round}");
        shop.update(pb::Product { name: name.clone(), ..product("mug") }, &["name"]).await.unwrap();
        assert_eq!(shop.get("mug").await.unwrap().name, name);
        assert_eq!(shop.list(home()).await.unwrap().products[0].name, name);
    }
    shop.delete("mug").await.unwrap();
    assert_eq!(shop.get("mug").await.unwrap_err().code(), Code::NotFound);
    assert!(shop.list(home()).await.unwrap().products.is_empty());
}

async fn an_id_is_made_where_none_is_given(shop: Shop) {
    let request = pb::CreateProductRequest { product: Some(product("")), request_id: request_id() };
    let mut client = shop.client.clone();
    let made = client.create_product(request.clone()).await.unwrap().into_inner();
    let id = made.product.clone().unwrap().product_id;
    assert!(uuid::Uuid::try_parse(&id).is_ok() && id.to_ascii_lowercase() == id, "{id}");
    assert_eq!(client.create_product(request).await.unwrap().into_inner(), made);
}

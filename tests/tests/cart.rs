//! Carts through the edge, and what happens when they die or their catalog does.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use anyhow::{Context as _, ensure};
use contracts::{
    cart::v1::{self as pb, AddItemRequest, GetCartRequest, SetItemQuantityRequest},
    catalog::v1::{CreateProductRequest, ListProductsRequest, Product, UpdateProductRequest},
    google::r#type::Money,
};
use mesh::health::pb::health_check_response::ServingStatus;
use system_tests::{Cart, Catalog, Fleet, Shop, cart, catalog, eventually, get, health, status_of};
use tokio::time::Instant;
use tonic::{Code, Status};

const CART: &str = "souk.cart.v1.CartService";

fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

async fn add(carts: &Cart, cart_id: &str, product_id: &str) -> Result<pb::Cart, Status> {
    let (cart_id, product_id, etag) = (cart_id.to_owned(), product_id.to_owned(), String::new());
    let request = AddItemRequest { cart_id, product_id, quantity: 1, etag, request_id: uuid() };
    Ok(carts.clone().add_item(request).await?.into_inner().cart.unwrap())
}

async fn found(carts: &Cart, cart_id: &str) -> Result<pb::Cart, Status> {
    let request = GetCartRequest { cart_id: cart_id.to_owned() };
    Ok(carts.clone().get_cart(request).await?.into_inner().cart.unwrap())
}

async fn sell(catalog: &mut Catalog, product_id: &str) {
    let price = Some(Money { currency_code: "EUR".into(), units: 12, nanos: 0 });
    let product = Product { product_id: product_id.into(), name: "A mug".into(), price, ..Product::default() };
    let request = CreateProductRequest { product: Some(product), request_id: uuid() };
    catalog.create_product(request).await.unwrap();
}

/// A cart with a product that was made just now.
async fn filled(fleet: &Fleet) -> pb::Cart {
    sell(&mut catalog(&fleet.edge), "mug").await;
    let carts = cart(&fleet.edge);
    eventually("carts know the product", async || Ok(add(&carts, "", "mug").await?)).await
}

#[tokio::test]
async fn somebody_fills_a_cart_through_the_edge_of_one_process_that_has_just_opened() {
    let shop = Shop::open(&[]).await;
    let (edge, mut products) = (cart(&shop.grpc), catalog(&shop.grpc));
    let listed = products.list_products(ListProductsRequest { page_size: 1, ..Default::default() }).await.unwrap();
    let product = listed.into_inner().products.remove(0);
    let made = eventually("carts know the demo", async || Ok(add(&edge, "", &product.product_id).await?)).await;
    assert_eq!((&made.items[0].name, &made.items[0].unit_price), (&product.name, &product.price));

    let (cart_id, product_id, etag) = (made.cart_id.clone(), product.product_id.clone(), made.etag.clone());
    let change = SetItemQuantityRequest { cart_id, product_id, quantity: 3, etag, request_id: uuid() };
    let changed = edge.clone().set_item_quantity(change).await.unwrap().into_inner().cart.unwrap();
    assert_eq!(changed.items[0].quantity, 3);
    assert_eq!(found(&edge, &made.cart_id).await.unwrap(), changed);
}

#[tokio::test]
async fn a_new_name_in_the_catalog_is_in_the_carts_by_itself() {
    let fleet = Fleet::start().await;
    let made = filled(&fleet).await;
    let product = Product { product_id: "mug".into(), name: "A cup".into(), ..Product::default() };
    let update = UpdateProductRequest { product: Some(product), request_id: uuid(), ..Default::default() };
    catalog(&fleet.edge).update_product(update).await.unwrap();
    eventually("the cart shows the new name", async || {
        let name = found(&cart(&fleet.edge), &made.cart_id).await?.items.remove(0).name;
        ensure!(name == "A cup", "{name}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn carts_work_while_the_catalog_is_dead_and_when_they_start_again_without_it() {
    let mut fleet = Fleet::start().await;
    let made = filled(&fleet).await;
    fleet.catalog.kill();
    let edge = cart(&fleet.edge);
    let now = add(&edge, &made.cart_id, "mug").await.unwrap();
    assert_eq!(now.items[0].quantity, 2);

    fleet.cart.kill();
    fleet.restart_cart().await;
    let health = health(&fleet.edge);
    eventually("carts are ready without the catalog", async || {
        let status = status_of(&health, CART).await?;
        ensure!(status == ServingStatus::Serving, "{status:?}");
        Ok(())
    })
    .await;
    let kept = eventually("carts are back", async || Ok(found(&edge, &made.cart_id).await?)).await;
    assert_eq!(kept, now);
    add(&edge, &made.cart_id, "mug").await.unwrap();

    // What happens in the catalog once it is back arrives.
    fleet.restart_catalog().await;
    let mut products = catalog(&fleet.edge);
    eventually("the catalog is back", async || {
        Ok(products.clone().list_products(ListProductsRequest::default()).await.map(drop)?)
    })
    .await;
    sell(&mut products, "jug").await;
    eventually("carts know what is new", async || Ok(add(&edge, &made.cart_id, "jug").await?)).await;
}

#[tokio::test]
async fn carts_that_are_killed_are_unavailable_at_once_and_back_with_everything() {
    let mut fleet = Fleet::start().await;
    let made = filled(&fleet).await;
    let edge = cart(&fleet.edge);
    fleet.cart.kill();
    let refused = eventually("the edge has noticed", async || {
        let refused = found(&edge, &made.cart_id).await.err().context("it still answers")?;
        ensure!(refused.message().contains("Connection refused"), "{refused}");
        Ok(refused)
    })
    .await;
    assert_eq!(refused.code(), Code::Unavailable);

    // From now on nobody waits for them, and nothing else goes down with them.
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(found(&edge, &made.cart_id).await.unwrap_err().code(), Code::Unavailable);
    }
    assert!(begun.elapsed().as_secs() < 1, "20 refusals took {:?}", begun.elapsed());
    let health = health(&fleet.edge);
    assert_eq!(status_of(&health, CART).await.unwrap(), ServingStatus::NotServing);
    assert_eq!(status_of(&health, "").await.unwrap(), ServingStatus::Serving);
    catalog(&fleet.edge).list_products(ListProductsRequest::default()).await.unwrap();
    assert_eq!(get(&fleet.http, "/").await.unwrap().0, 200);

    fleet.restart_cart().await;
    assert_eq!(eventually("carts are back", async || Ok(found(&edge, &made.cart_id).await?)).await, made);
}

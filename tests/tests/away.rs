//! What still works while a service of `souk fleet` is away: each in turn is killed and kept from coming back, everything
//! else is used through the edge meanwhile, and then it comes back by itself.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use contracts::{
    cart::v1::{AddItemRequest, GetCartRequest},
    catalog::v1::{GetProductRequest, ListProductsRequest, Product},
    inventory::v1::{AdjustStockRequest, GetStockRequest, StockAdjustment, stock_adjustment::Change},
    search::v1::SearchProductsRequest,
};
use mesh::health::pb::health_check_response::ServingStatus;
use system_tests::{Kept, Signal, cart, catalog, eventually, get, health, inventory, search, souk, status_of};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};
use tonic::{Code, Status};

/// An answer is at once if it takes less than this, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

const UNITS: i64 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Cart,
    Catalog,
    Inventory,
    Search,
}

impl Service {
    const ALL: [Self; 4] = [Self::Cart, Self::Catalog, Self::Inventory, Self::Search];

    fn noun(self) -> &'static str {
        match self {
            Self::Cart => "cart",
            Self::Catalog => "catalog",
            Self::Inventory => "inventory",
            Self::Search => "search",
        }
    }

    fn contract(self) -> &'static str {
        match self {
            Self::Cart => "souk.cart.v1.CartService",
            Self::Catalog => "souk.catalog.v1.CatalogService",
            Self::Inventory => "souk.inventory.v1.InventoryService",
            Self::Search => "souk.search.v1.SearchService",
        }
    }

    fn replica(self) -> String {
        format!("{}.1", self.noun())
    }
}

/// A fleet whose program is a file of its own, and somebody who uses it.
struct Shop {
    fleet: Kept,
    /// What each process of the fleet is started from.
    program: PathBuf,
    _folder: TempDir,
    product: Product,
    cart_id: String,
    /// How many products are found.
    found: i64,
}

impl Shop {
    /// Opens it, puts something into a cart and into stock, and waits until everything is found.
    async fn open() -> Self {
        let folder = tempfile::tempdir_in(souk().parent().unwrap()).unwrap();
        let program = folder.path().join("souk");
        fs::hard_link(souk(), &program).unwrap();
        let fleet = Kept::open_as(&program, &[], &[]).await;
        let everything = ListProductsRequest { page_size: 1_000, ..ListProductsRequest::default() };
        let mut products = catalog(&fleet.edge).list_products(everything).await.unwrap().into_inner().products;
        let (product, count) = (products.remove(0), products.len() + 1);
        let lines =
            vec![StockAdjustment { product_id: product.product_id.clone(), change: Some(Change::Received(UNITS)) }];
        inventory(&fleet.edge).adjust_stock(AdjustStockRequest { lines, request_id: uuid() }).await.unwrap();
        let cart_id =
            eventually("carts know the product", async || Ok(add(&fleet, "", &product.product_id).await?)).await;
        let found = eventually("every product is found", async || {
            let found = search(&fleet.edge).search_products(SearchProductsRequest::default()).await?.into_inner();
            ensure!(usize::try_from(found.total_count)? == count, "{} of {count}", found.total_count);
            Ok(found.total_count)
        });
        let found = found.await;
        Self { fleet, program, _folder: folder, product, cart_id, found }
    }

    /// Does with a service what shoppers do with it, and looks whether it is as it was.
    async fn use_it(&self, service: Service) -> Result<(), Status> {
        let (edge, product_id) = (&self.fleet.edge, self.product.product_id.clone());
        match service {
            Service::Cart => {
                let before = quantity(&self.fleet, &self.cart_id).await?;
                add(&self.fleet, &self.cart_id, &product_id).await?;
                assert_eq!(quantity(&self.fleet, &self.cart_id).await?, before + 1);
            }
            Service::Catalog => {
                let category = self.product.categories.first().cloned();
                let list = ListProductsRequest { category, page_size: 1_000, ..ListProductsRequest::default() };
                let listed = catalog(edge).list_products(list).await?.into_inner().products;
                assert!(listed.contains(&self.product), "{} of them without it", listed.len());
                let got = catalog(edge).get_product(GetProductRequest { product_id }).await?.into_inner();
                assert_eq!(got.product.as_ref(), Some(&self.product));
            }
            Service::Inventory => {
                let stock = inventory(edge).get_stock(GetStockRequest { product_id }).await?.into_inner().stock;
                assert_eq!(stock.unwrap().on_hand, UNITS);
            }
            Service::Search => {
                let all = search(edge).search_products(SearchProductsRequest::default()).await?.into_inner();
                assert_eq!(all.total_count, self.found);
                let query = self.product.name.clone();
                let named = search(edge).search_products(SearchProductsRequest { query, ..Default::default() }).await?;
                assert_eq!(named.get_ref().hits[0].name, self.product.name);
            }
        }
        Ok(())
    }

    /// Kills a service's process; those that are started in its place end at once. Says which it was.
    async fn take_away(&self, service: Service) -> u64 {
        let broken = self.program.with_extension("broken");
        fs::write(&broken, "#!/bin/sh\nexit 7\n").unwrap();
        fs::set_permissions(&broken, Permissions::from_mode(0o755)).unwrap();
        fs::rename(&broken, &self.program).unwrap();
        let killed = self.fleet.signal_to(&service.replica(), Signal::KILL);
        eventually("the edge has noticed", async || {
            let refused = self.use_it(service).await.err().context("it still answers")?;
            ensure!(refused.message().contains("Connection refused"), "{refused}");
            Ok(())
        })
        .await;
        killed
    }

    /// From now on a process that is started is one of the shop's again.
    fn let_back(&self) {
        let whole = self.program.with_extension("whole");
        fs::hard_link(souk(), &whole).unwrap();
        fs::rename(&whole, &self.program).unwrap();
    }

    async fn health_of(&self, service: Service) -> ServingStatus {
        status_of(&health(&self.fleet.edge), service.contract()).await.unwrap()
    }
}

/// One unit more; the id of the cart, a new one where none is given.
async fn add(fleet: &Kept, cart_id: &str, product_id: &str) -> Result<String, Status> {
    let (cart_id, product_id, etag) = (cart_id.to_owned(), product_id.to_owned(), String::new());
    let request = AddItemRequest { cart_id, product_id, quantity: 1, etag, request_id: uuid() };
    Ok(cart(&fleet.edge).add_item(request).await?.into_inner().cart.unwrap().cart_id)
}

async fn quantity(fleet: &Kept, cart_id: &str) -> Result<i32, Status> {
    let request = GetCartRequest { cart_id: cart_id.to_owned() };
    Ok(cart(&fleet.edge).get_cart(request).await?.into_inner().cart.unwrap().items[0].quantity)
}

fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Everything but `away` is used while it is away, and all of it once it is back.
async fn everything_else_goes_on_without(away: Service) {
    let shop = Shop::open().await;
    let at = shop.fleet.replica(&away.replica()).unwrap()["grpc"].as_str().unwrap().to_owned();
    let killed = shop.take_away(away).await;
    for service in Service::ALL {
        let used = timeout(AT_ONCE, shop.use_it(service)).await;
        let used = used.unwrap_or_else(|_late| panic!("without {away:?} it takes {AT_ONCE:?} to use {service:?}"));
        match used {
            Ok(()) if service != away => {}
            Ok(()) => panic!("{away:?} is not away"),
            Err(refused) => {
                assert_eq!((service, refused.code()), (away, Code::Unavailable), "{refused}");
                let text = refused.message();
                assert!(text.starts_with(&format!("{}: ", away.noun())) && text.contains(&at), "{text}");
            }
        }
        let expected = if service == away { ServingStatus::NotServing } else { ServingStatus::Serving };
        assert_eq!(shop.health_of(service).await, expected, "{service:?} without {away:?}");
    }
    let begun = Instant::now();
    assert_eq!(get(&shop.fleet.http, "/").await.unwrap().0, 200);
    assert!(begun.elapsed() < AT_ONCE, "the first page takes {:?}", begun.elapsed());

    shop.let_back();
    shop.fleet.ready_again(&away.replica(), &[killed]).await;
    for service in Service::ALL {
        eventually("it is back", async || Ok(shop.use_it(service).await?)).await;
        assert_eq!(shop.health_of(service).await, ServingStatus::Serving, "{service:?}");
    }
}

#[tokio::test]
async fn without_search_people_browse_fill_carts_and_see_the_stock() {
    everything_else_goes_on_without(Service::Search).await;
}

#[tokio::test]
async fn without_the_catalog_people_find_products_and_fill_carts_with_them_from_copies() {
    everything_else_goes_on_without(Service::Catalog).await;
}

#[tokio::test]
async fn without_the_inventory_people_browse_search_and_fill_carts() {
    everything_else_goes_on_without(Service::Inventory).await;
}

#[tokio::test]
async fn without_carts_people_browse_search_and_see_the_stock() {
    everything_else_goes_on_without(Service::Cart).await;
}

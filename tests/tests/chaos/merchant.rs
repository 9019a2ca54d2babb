//! Somebody who works on the catalog and the stock through the storm: names change, products come and go, units arrive. What
//! the others have copied of it is compared once it is quiet.

use std::{cell::Cell, time::Duration};

use contracts::{
    catalog::v1::{CreateProductRequest, DeleteProductRequest, Product, UpdateProductRequest},
    google::r#type::Money,
    inventory::v1::{AdjustStockRequest, StockAdjustment, stock_adjustment::Change},
};
use system_tests::{Kept, catalog, inventory, uuid};
use tokio::time::sleep;

use crate::{Run, shoppers::within, until_answered};

/// Between two changes, in milliseconds.
const BETWEEN_CHANGES_MS: std::ops::Range<u64> = 50..400;
/// How long the catalog has for an answer.
const ANSWERED: Duration = Duration::from_secs(5);
/// Products that come and go, which nobody orders.
const GUESTS: usize = 12;

/// Goes on until it is over, and says how many changes there were.
pub(crate) async fn work(fleet: &Kept, run: &Run, over: &Cell<bool>) -> u32 {
    let mut chance = run.plan.chance("merchant", 0);
    let mut there = [false; GUESTS];
    let mut changes = 0;
    while !over.get() {
        sleep(Duration::from_millis(chance.u64(BETWEEN_CHANGES_MS))).await;
        changes += 1;
        let name = format!("A mug, as of change {changes}");
        if chance.bool() {
            rename(fleet, format!("chaos-plenty-{}", chance.u8(1..=4)), name).await;
            continue;
        }
        let guest = chance.usize(0..GUESTS);
        let (id, is_there) = (format!("chaos-guest-{guest}"), &mut there[guest]);
        match chance.u8(0..3) {
            _ if !*is_there => {
                create(fleet, id, name).await;
                *is_there = true;
            }
            0 => {
                delete(fleet, id).await;
                *is_there = false;
            }
            1 => receive(fleet, id, chance.i64(1..100)).await,
            _ => rename(fleet, id, name).await,
        }
    }
    changes
}

async fn create(fleet: &Kept, product_id: String, name: String) {
    let price = Some(Money { currency_code: "EUR".into(), units: 5, nanos: 0 });
    let product = Some(Product { product_id, name, price, ..Product::default() });
    let request = CreateProductRequest { product, request_id: uuid() };
    let create = async || catalog(&fleet.edge).create_product(within(&request, ANSWERED)).await;
    until_answered("CreateProduct", create).await.unwrap();
}

async fn rename(fleet: &Kept, product_id: String, name: String) {
    let product = Some(Product { product_id, name, ..Product::default() });
    let request = UpdateProductRequest { product, update_mask: None, request_id: uuid() };
    let update = async || catalog(&fleet.edge).update_product(within(&request, ANSWERED)).await;
    until_answered("UpdateProduct", update).await.unwrap();
}

async fn delete(fleet: &Kept, product_id: String) {
    let request = DeleteProductRequest { product_id, etag: String::new(), request_id: uuid() };
    let delete = async || catalog(&fleet.edge).delete_product(within(&request, ANSWERED)).await;
    until_answered("DeleteProduct", delete).await.unwrap();
}

async fn receive(fleet: &Kept, product_id: String, units: i64) {
    let line = StockAdjustment { product_id, change: Some(Change::Delta(units)) };
    let request = AdjustStockRequest { lines: vec![line], request_id: uuid() };
    let adjust = async || inventory(&fleet.edge).adjust_stock(within(&request, ANSWERED)).await;
    until_answered("AdjustStock", adjust).await.unwrap();
}

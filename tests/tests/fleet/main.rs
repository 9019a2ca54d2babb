//! `souk fleet`: one process a replica, kept running, replaced without a gap, and stopped in order.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod database;
mod deaths;
mod opening;
mod orders;
mod restarts;
mod stops;

use system_tests::{Kept, Upload, upload};

const CATALOG: &str = "souk.catalog.v1.CatalogService";
const GET_PRODUCT: &str = "/souk.catalog.v1.CatalogService/GetProduct";

/// A call that the edge has taken and whose request is not complete.
async fn begun(fleet: &Kept, bytes: &[u8]) -> Upload {
    let mut upload = upload(&fleet.edge, GET_PRODUCT).await.unwrap();
    upload.send(bytes.to_vec());
    upload
}

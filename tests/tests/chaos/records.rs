//! Everything that the services have written down, page by page.

use contracts::{
    acquirer::v1::{Entry, ListEntriesRequest, acquirer_service_client::AcquirerServiceClient},
    checkout::v1::{ListOrdersRequest, OrderSummary},
    google::r#type::Money,
    payment::v1::{ListPaymentsRequest, Payment},
};
use mesh::Channel;
use system_tests::{Kept, Shopper, operator};
use tonic::Status;

/// As many as a page may hold.
const PAGE: i32 = 1_000;
/// One cent.
const NANOS_A_CENT: i32 = 10_000_000;

/// The acquirer itself, which is not behind the edge.
pub(crate) fn acquirer(fleet: &Kept) -> AcquirerServiceClient<Channel> {
    let row = fleet.replica("acquirer.1").unwrap();
    AcquirerServiceClient::new(operator(row["grpc"].as_str().unwrap()))
}

/// All orders, or those that are not at rest.
pub(crate) async fn orders(fleet: &Kept, unfinished: bool) -> Result<Vec<OrderSummary>, Status> {
    let mut orders = Shopper::at(&fleet.edge).orders;
    let mut request = ListOrdersRequest { page_size: PAGE, unfinished, ..ListOrdersRequest::default() };
    let mut all = Vec::new();
    loop {
        let page = orders.list_orders(request.clone()).await?.into_inner();
        all.extend(page.orders);
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        request.page_token = page.next_page_token;
    }
}

pub(crate) async fn payments(fleet: &Kept) -> Result<Vec<Payment>, Status> {
    let mut payments = Shopper::at(&fleet.edge).payments;
    let mut request = ListPaymentsRequest { page_size: PAGE, ..ListPaymentsRequest::default() };
    let mut all = Vec::new();
    loop {
        let page = payments.list_payments(request.clone()).await?.into_inner();
        all.extend(page.payments);
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        request.page_token = page.next_page_token;
    }
}

/// The acquirer's own ledger.
pub(crate) async fn ledger(fleet: &Kept) -> Result<Vec<Entry>, Status> {
    let mut acquirer = acquirer(fleet);
    let mut request = ListEntriesRequest { page_size: PAGE, page_token: String::new() };
    let mut all = Vec::new();
    loop {
        let page = acquirer.list_entries(request.clone()).await?.into_inner();
        all.extend(page.entries);
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        request.page_token = page.next_page_token;
    }
}

/// An amount of EUR in cents; none is nothing.
pub(crate) fn cents(money: Option<&Money>) -> i64 {
    let Some(money) = money else { return 0 };
    assert!(money.currency_code == "EUR" && money.nanos % NANOS_A_CENT == 0, "{money:?}");
    money.units * 100 + i64::from(money.nanos / NANOS_A_CENT)
}

//! Checkout's feed, read into what counts of an order.

use contracts::checkout::v1 as pb;
use contracts::checkout::v1::checkout_service_client::CheckoutServiceClient;
use contracts::checkout::v1::watch_orders_response::Kind;
use std::path::{Path, PathBuf};

use mesh::{Channel, Process};
use rpc::feed::{self, Wire};
use store::feed::Message;
use store::follow::Metrics;
use store::inbox::Beside;
use store::{Effect, Interrupted};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::sales::{self, Order, Sales, Unreadable};

/// What an event says of its order.
fn read(r#type: &str, payload: &[u8]) -> Result<Option<Order>, Unreadable> {
    let order = match r#type {
        "souk.checkout.v1.OrderPlaced" => decoded::<pb::OrderPlaced>(payload)?.order,
        "souk.checkout.v1.OrderPaid" => decoded::<pb::OrderPaid>(payload)?.order,
        "souk.checkout.v1.OrderFulfilled" => decoded::<pb::OrderFulfilled>(payload)?.order,
        "souk.checkout.v1.OrderFailed" => decoded::<pb::OrderFailed>(payload)?.order,
        "souk.checkout.v1.OrderCancelled" => decoded::<pb::OrderCancelled>(payload)?.order,
        "souk.checkout.v1.OrderRefunded" => decoded::<pb::OrderRefunded>(payload)?.order,
        "souk.checkout.v1.OrderNeedsAttention" => decoded::<pb::OrderNeedsAttention>(payload)?.order,
        _ => return Ok(None),
    };
    let order = order.ok_or_else(|| Unreadable("it has no order".to_owned()))?;
    let placed = order.create_time.as_ref().ok_or_else(|| Unreadable("it does not say when".to_owned()))?;
    let placed_us = rpc::timestamp_us(placed);
    let stands = match order.state() {
        pb::OrderState::Confirmed
        | pb::OrderState::Captured
        | pb::OrderState::Fulfilled
        | pb::OrderState::NeedsAttention => !order.cancel_requested,
        pb::OrderState::Unspecified
        | pb::OrderState::Pending
        | pb::OrderState::Reserved
        | pb::OrderState::Authorized
        | pb::OrderState::Failed
        | pb::OrderState::Cancelling
        | pb::OrderState::Cancelled
        | pb::OrderState::Refunded => false,
    };
    let lines = order.lines.into_iter().filter(|_| stands);
    let lines = lines.map(|line| (line.product_id, i64::from(line.quantity) - i64::from(line.refunded_quantity)));
    Ok(Some(Order { placed_us, lines: lines.collect() }))
}

fn decoded<M: prost::Message + Default>(payload: &[u8]) -> Result<M, Unreadable> {
    M::decode(payload).map_err(|error| Unreadable(error.to_string()))
}

/// Opens what of checkout's feed could not be applied, in search's folder.
///
/// # Errors
/// If its database cannot be used as it is.
pub async fn dead_letters(folder: &Path, background: Handle) -> Result<Beside<impl Effect>, store::Error> {
    sales::dead_letters(folder, read, background).await
}

/// Follows checkout's feed into the sales kept in `folder`, until the process leaves. The returned task ends then.
pub(crate) fn follow(
    sales: &Sales,
    folder: PathBuf,
    orders: Channel,
    metrics: Metrics,
    process: &Process,
) -> JoinHandle<()> {
    let orders = CheckoutServiceClient::new(orders);
    let connect = move |cursor: String| {
        let mut orders = orders.clone();
        async move {
            let opened = orders.watch_orders(pb::WatchOrdersRequest { cursor }).await;
            Ok::<_, Interrupted>(feed::stream(opened.map_err(feed::interrupted)?.into_inner(), received))
        }
    };
    let (background, drain) = (process.background().clone(), process.drain().clone());
    process.background().spawn(sales::keep(sales.clone(), folder, (connect, read), (metrics, drain), background))
}

fn received(response: pb::WatchOrdersResponse) -> Option<Message> {
    let wire = match response.kind? {
        Kind::Event(event) => Wire::Event(event),
        Kind::Bookmark(bookmark) => Wire::Bookmark(bookmark),
        Kind::SnapshotStart(start) => Wire::SnapshotStart(start),
    };
    Some(feed::received(wire, response.cursor))
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    fn summary(state: pb::OrderState) -> pb::OrderSummary {
        let line = |product_id: &str, quantity, refunded_quantity| pb::OrderSummaryLine {
            product_id: product_id.into(),
            quantity,
            refunded_quantity,
            ..Default::default()
        };
        pb::OrderSummary {
            state: state.into(),
            lines: vec![line("mug", 3, 1), line("lamp", 2, 2)],
            create_time: Some(rpc::timestamp(7_000_000)),
            ..Default::default()
        }
    }

    fn placed(order: Option<pb::OrderSummary>) -> Result<Option<Order>, Unreadable> {
        read("souk.checkout.v1.OrderPlaced", &pb::OrderPlaced { order }.encode_to_vec())
    }

    #[test]
    fn what_was_given_back_does_not_count_and_nothing_does_of_an_order_that_came_to_nothing() {
        let order = placed(Some(summary(pb::OrderState::Confirmed))).unwrap().unwrap();
        assert_eq!((order.placed_us, order.lines), (7_000_000, vec![("mug".into(), 2), ("lamp".into(), 0)]));
        let cancelling = pb::OrderSummary { cancel_requested: true, ..summary(pb::OrderState::Captured) };
        assert!(placed(Some(cancelling)).unwrap().unwrap().lines.is_empty());
        let cancelled = pb::OrderCancelled { order: Some(summary(pb::OrderState::Cancelled)) }.encode_to_vec();
        assert!(read("souk.checkout.v1.OrderCancelled", &cancelled).unwrap().unwrap().lines.is_empty());
    }

    #[test]
    fn what_says_no_order_is_refused_and_what_is_not_known_is_passed_over() {
        placed(None).unwrap_err();
        read("souk.checkout.v1.OrderPaid", b"\xff").unwrap_err();
        assert_eq!(read("souk.checkout.v2.OrderPraised", b"\xff").unwrap(), None);
    }
}

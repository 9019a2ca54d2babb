//! WatchOrders: what others are told of orders.

use std::collections::BTreeMap;

use contracts::checkout::v1 as pb;
use contracts::event::v1::Event;
use contracts::payment::v1::PaymentState;
use pb::watch_orders_response::Kind;
use prost::Message as _;
use tonic::{Code, Streaming};

use crate::ask::{self, OrderState, refusal};
use crate::bank::Card;
use crate::shop::{Shop, money};

crate::on_both_databases!(
    every_order_that_comes_to_something_is_told_once_with_what_it_is_by_then,
    a_snapshot_has_the_last_event_of_each_order,
    a_cursor_that_is_no_place_in_this_feed_is_refused,
);

async fn watch(shop: &Shop, cursor: &str) -> Streaming<pb::WatchOrdersResponse> {
    let request = pb::WatchOrdersRequest { cursor: cursor.into() };
    shop.client.clone().watch_orders(request).await.unwrap().into_inner()
}

/// The next so many events, and the cursor after them.
async fn events(feed: &mut Streaming<pb::WatchOrdersResponse>, most: usize) -> (Vec<Event>, String) {
    let (mut events, mut cursor) = (Vec::new(), String::new());
    while events.len() < most {
        let message = feed.message().await.unwrap().unwrap();
        cursor = message.cursor;
        if let Some(Kind::Event(event)) = message.kind {
            assert_eq!(event.source, "/souk/checkout");
            assert_eq!(event.payload.as_ref().unwrap().type_url, format!("type.googleapis.com/{}", event.r#type));
            events.push(event);
        }
    }
    (events, cursor)
}

/// What precedes the end of a snapshot, by key, and the cursor after it.
async fn snapshot(feed: &mut Streaming<pb::WatchOrdersResponse>) -> (BTreeMap<String, Event>, String) {
    let mut found = BTreeMap::new();
    loop {
        let message = feed.message().await.unwrap().unwrap();
        match message.kind.unwrap() {
            Kind::Event(event) => assert!(found.insert(event.key.clone(), event).is_none()),
            Kind::Bookmark(bookmark) if bookmark.ends_snapshot => return (found, message.cursor),
            Kind::Bookmark(_) | Kind::SnapshotStart(_) => {}
        }
    }
}

fn kind(event: &Event) -> &str {
    event.r#type.strip_prefix("souk.checkout.v1.").unwrap()
}

/// Every payload has the order in its first field.
fn order(event: &Event) -> pb::OrderSummary {
    let payload = pb::OrderPlaced::decode(&*event.payload.as_ref().unwrap().value).unwrap();
    let order = payload.order.unwrap();
    assert_eq!((&event.key, event.revision), (&order.order_id, order.revision));
    order
}

async fn every_order_that_comes_to_something_is_told_once_with_what_it_is_by_then(shop: Shop) {
    shop.sell("mug", 1_250, 5).await;
    let mut feed = watch(&shop, "").await;
    assert!(snapshot(&mut feed).await.0.is_empty());
    let paid = shop.paid(&[("mug", 2)], Card::Good).await;
    ask::fulfill(&shop.client, &paid.order_id, "1").await.unwrap();
    let refund = ask::refunding(&paid.order_id, &[("mug", 1)], true);
    ask::refunded(&shop.client, refund).await.unwrap();
    shop.rests(&paid).await;
    let (told, cursor) = events(&mut feed, 4).await;
    assert_eq!(
        told.iter().map(kind).collect::<Vec<_>>(),
        ["OrderPlaced", "OrderPaid", "OrderFulfilled", "OrderRefunded"]
    );
    use OrderState::{Captured, Confirmed, Fulfilled};
    assert_eq!(
        told.iter().map(|event| order(event).state()).collect::<Vec<_>>(),
        [Confirmed, Captured, Fulfilled, Fulfilled]
    );
    assert!(told.iter().all(|event| order(event).step.is_none()));
    let refunded = pb::OrderRefunded::decode(&*told[3].payload.as_ref().unwrap().value).unwrap().refund.unwrap();
    assert_eq!((refunded.amount, &*refunded.comment), (Some(money("EUR", 1_250)), ""));
    assert_eq!(order(&told[3]).lines[0].refunded_quantity, 1);

    let failed = shop.order(&[("mug", 1)], Card::Declined).await;
    let stuck = shop.order(&[("mug", 1)], Card::NotCaptured).await;
    shop.reaches(&stuck, OrderState::NeedsAttention).await;
    ask::cancel_as_operator(&shop.client, &stuck.order_id).await.unwrap();
    // Whoever comes back goes on where it was.
    let (told, _) = events(&mut watch(&shop, &cursor).await, 4).await;
    let expected = ["OrderFailed", "OrderPlaced", "OrderNeedsAttention", "OrderCancelled"];
    assert_eq!(told.iter().map(kind).collect::<Vec<_>>(), expected);
    assert_eq!(
        (order(&told[0]).order_id, order(&told[0]).failure_reason()),
        (failed.order_id, pb::OrderFailureReason::CardDeclined)
    );
    assert_eq!(order(&told[2]).step.unwrap().kind(), pb::OrderStepKind::Capture);
    assert_eq!(shop.bank.payment(&stuck.order_id).unwrap().state(), PaymentState::Voided);
}

async fn a_snapshot_has_the_last_event_of_each_order(shop: Shop) {
    shop.sell("mug", 1_250, 5).await;
    let mut live = watch(&shop, "").await;
    assert!(snapshot(&mut live).await.0.is_empty());
    let paid = shop.paid(&[("mug", 1)], Card::Good).await;
    let failed = shop.order(&[("mug", 1)], Card::Declined).await;
    // It changes after its last event, which the snapshot does not say.
    shop.to_payment.set("RefundPayment", crate::relay::Fate::Refused);
    ask::refunded(&shop.client, ask::refunding(&paid.order_id, &[], true)).await.unwrap();
    let (told, _) = events(&mut live, 3).await;
    let (found, cursor) = snapshot(&mut watch(&shop, "").await).await;
    assert_eq!(found.len(), 2);
    for (key, last) in [(&paid.order_id, &told[1]), (&failed.order_id, &told[2])] {
        let event = &found[key];
        assert_eq!((&event.id, &event.r#type, &event.payload), (&last.id, &last.r#type, &last.payload));
    }
    shop.to_payment.clear("RefundPayment");
    let (told, _) = events(&mut watch(&shop, &cursor).await, 1).await;
    assert_eq!((kind(&told[0]), order(&told[0]).state()), ("OrderRefunded", OrderState::Refunded));
    assert!(told[0].revision > found[&paid.order_id].revision);
}

async fn a_cursor_that_is_no_place_in_this_feed_is_refused(shop: Shop) {
    let request = pb::WatchOrdersRequest { cursor: "nonsense".into() };
    let refused = shop.client.clone().watch_orders(request).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::InvalidArgument, "INVALID_REQUEST".into()));
}

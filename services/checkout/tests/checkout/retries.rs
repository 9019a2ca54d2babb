//! Requests that come twice.

use contracts::checkout::v1 as pb;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::ask::{self, OrderState, cancelled, placed, placing, quote, refusal};
use crate::bank::Card;
use crate::shop::{Shop, request_id};

crate::on_both_databases!(
    the_same_request_is_the_same_order_whatever_became_of_it,
    a_request_id_with_other_content_is_refused,
    a_command_that_comes_twice_is_answered_as_the_first_time,
    a_stale_etag_is_refused_and_the_first_answer_is_not,
);

async fn the_same_request_is_the_same_order_whatever_became_of_it(shop: Shop) {
    shop.sell("mug", 1_250, 2).await;
    for (card, quantity) in [(Card::Good, 1), (Card::Declined, 1), (Card::Good, 5)] {
        let cart = shop.cart(&[("mug", quantity)]).await;
        let request = placing(&quote(&shop.client, &cart).await.unwrap(), card);
        let client = &shop.client;
        let (one, other) = tokio::join!(placed(client, request.clone()), placed(client, request.clone()));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(one.order_id, other.order_id);
        // Also once the cart is empty, the price is another, and the card's token is used.
        let at_rest = shop.rests(&one).await;
        shop.offer("mug", "EUR", 1_250 + i64::from(quantity)).await;
        let replica = shop.replica(shop.config()).await;
        assert_eq!(placed(&replica, request).await.unwrap(), at_rest);
    }
    assert_eq!(shop.units("mug").await, (1, 0, 1));
}

async fn a_request_id_with_other_content_is_refused(shop: Shop) {
    shop.sell("mug", 1_250, 2).await;
    let cart = shop.cart(&[("mug", 1)]).await;
    let request = placing(&quote(&shop.client, &cart).await.unwrap(), Card::Good);
    let order = placed(&shop.client, request.clone()).await.unwrap();
    let mut other = request.clone();
    other.contact_email = "eve@example.org".into();
    let refused = placed(&shop.client, other).await.unwrap_err();
    assert_eq!(refused.get_error_details().error_info().unwrap().metadata["field"], "request_id");
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "REQUEST_ID_REUSED".into()));
    assert_eq!(placed(&shop.client, request).await.unwrap().order_id, order.order_id);
}

async fn a_command_that_comes_twice_is_answered_as_the_first_time(shop: Shop) {
    shop.sell("mug", 1_250, 2).await;
    let order = shop.paid(&[("mug", 1)], Card::Good).await;
    let id = request_id();
    let first = cancelled(&shop.client, &order.order_id, &id).await.unwrap();
    assert_eq!((first.state(), first.cancel_requested), (OrderState::Captured, true));
    shop.reaches(&order, OrderState::Refunded).await;
    assert_eq!(cancelled(&shop.client, &order.order_id, &id).await.unwrap(), first);
    // It is the order's: another order may have the same.
    let other = shop.paid(&[("mug", 1)], Card::Good).await;
    assert!(cancelled(&shop.client, &other.order_id, &id).await.unwrap().cancel_requested);
}

async fn a_stale_etag_is_refused_and_the_first_answer_is_not(shop: Shop) {
    shop.sell("mug", 1_250, 2).await;
    let order = shop.paid(&[("mug", 1)], Card::Good).await;
    let request = pb::FulfillOrderRequest {
        order_id: order.order_id.clone(),
        tracking: None,
        etag: order.etag.clone(),
        request_id: request_id(),
    };
    let mut client = shop.client.clone();
    let sent = client.fulfill_order(ask::as_operator(request.clone())).await.unwrap().into_inner();
    assert_eq!(client.fulfill_order(ask::as_operator(request.clone())).await.unwrap().into_inner(), sent);
    let stale = pb::FulfillOrderRequest { request_id: request_id(), ..request };
    let refused = client.fulfill_order(ask::as_operator(stale)).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::Aborted, "ETAG_MISMATCH".into()));
    let unknown = ask::cancel(&shop.client, &"0".repeat(32)).await.unwrap_err();
    assert_eq!(refusal(&unknown), (Code::NotFound, "ORDER_NOT_FOUND".into()));
}

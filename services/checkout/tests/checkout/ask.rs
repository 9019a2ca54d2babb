//! What shoppers and operators ask of a checkout.

use std::time::Duration;

use contracts::checkout::v1 as pb;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::bank::Card;
use crate::shop::{Client, Shop, eventually, request_id};

pub(crate) use pb::{Order, OrderState};

pub(crate) fn destination(country: &str) -> pb::Destination {
    pb::Destination { country_code: country.into(), region: String::new(), postal_code: "12345".into() }
}

pub(crate) fn address() -> pb::Address {
    pb::Address {
        recipient: "Ada Lovelace".into(),
        lines: vec!["12 St James's Square".into()],
        locality: "Berlin".into(),
        destination: Some(destination("DE")),
        phone: "+49 (30) 123-4".into(),
    }
}

pub(crate) async fn quote(client: &Client, cart_id: &str) -> Result<pb::Quote, Status> {
    let (cart_id, destination) = (cart_id.to_owned(), Some(destination("DE")));
    let request = pb::QuoteOrderRequest { cart_id, destination, shipping_option_id: String::new() };
    Ok(client.clone().quote_order(request).await?.into_inner().quote.unwrap())
}

/// A request to place what was quoted, paid by a card.
pub(crate) fn placing(quote: &pb::Quote, card: Card) -> pb::PlaceOrderRequest {
    pb::PlaceOrderRequest {
        cart_id: quote.cart_id.clone(),
        quote_id: quote.quote_id.clone(),
        expected_total: quote.amounts.as_ref().unwrap().total.clone(),
        shipping_address: Some(address()),
        contact_email: "ada@example.org".into(),
        card_token: card.token(),
        request_id: request_id(),
    }
}

pub(crate) async fn placed(client: &Client, request: pb::PlaceOrderRequest) -> Result<Order, Status> {
    Ok(client.clone().place_order(request).await?.into_inner().order.unwrap())
}

/// As [`placed`], by a caller who waits no longer than this.
pub(crate) async fn placed_within(
    client: &Client,
    request: pb::PlaceOrderRequest,
    limit: Duration,
) -> Result<Order, Status> {
    let mut request = Request::new(request);
    request.set_timeout(limit);
    Ok(client.clone().place_order(request).await?.into_inner().order.unwrap())
}

pub(crate) async fn get(client: &Client, order_id: &str) -> Result<Order, Status> {
    let request = pb::GetOrderRequest { order_id: order_id.into() };
    Ok(client.clone().get_order(request).await?.into_inner().order.unwrap())
}

pub(crate) async fn cancel(client: &Client, order_id: &str) -> Result<Order, Status> {
    cancelled(client, order_id, &request_id()).await
}

pub(crate) async fn cancelled(client: &Client, order_id: &str, request_id: &str) -> Result<Order, Status> {
    let (order_id, request_id) = (order_id.to_owned(), request_id.to_owned());
    let request = pb::CancelOrderRequest { order_id, etag: String::new(), request_id };
    Ok(client.clone().cancel_order(request).await?.into_inner().order.unwrap())
}

/// A request of an operator's.
pub(crate) fn as_operator<T>(message: T) -> Request<T> {
    as_role("operator", message)
}

/// A request of somebody's whose token is of this role.
pub(crate) fn as_role<T>(role: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let token = format!("Bearer {}", test_operator::token_of(role));
    request.metadata_mut().insert("authorization", token.parse().unwrap());
    request
}

/// A cancel by an operator.
pub(crate) async fn cancel_as_operator(client: &Client, order_id: &str) -> Result<Order, Status> {
    let (order_id, request_id) = (order_id.to_owned(), request_id());
    let request = pb::CancelOrderRequest { order_id, etag: String::new(), request_id };
    Ok(client.clone().cancel_order(as_operator(request)).await?.into_inner().order.unwrap())
}

/// A request to give these units back, or all that is left.
pub(crate) fn refunding(order_id: &str, lines: &[(&str, i32)], return_units: bool) -> pb::RefundOrderRequest {
    let line =
        |(product, quantity): &(&str, i32)| pb::RefundLine { product_id: (*product).into(), quantity: *quantity };
    pb::RefundOrderRequest {
        order_id: order_id.into(),
        lines: lines.iter().map(line).collect(),
        return_units,
        comment: "sorry".into(),
        etag: String::new(),
        request_id: request_id(),
    }
}

pub(crate) async fn refunded(client: &Client, request: pb::RefundOrderRequest) -> Result<Order, Status> {
    Ok(client.clone().refund_order(as_operator(request)).await?.into_inner().order.unwrap())
}

pub(crate) async fn fulfill(client: &Client, order_id: &str, number: &str) -> Result<Order, Status> {
    let tracking = pb::Tracking { carrier: "Post".into(), tracking_number: number.into(), uri: String::new() };
    let (order_id, tracking) = (order_id.to_owned(), Some(tracking));
    let request = pb::FulfillOrderRequest { order_id, tracking, etag: String::new(), request_id: request_id() };
    Ok(client.clone().fulfill_order(as_operator(request)).await?.into_inner().order.unwrap())
}

pub(crate) async fn retry(client: &Client, order_id: &str) -> Result<Order, Status> {
    let (order_id, request_id) = (order_id.to_owned(), request_id());
    let request = pb::RetryOrderRequest { order_id, etag: String::new(), request_id };
    Ok(client.clone().retry_order(as_operator(request)).await?.into_inner().order.unwrap())
}

impl Shop {
    /// A cart with these in it, quoted and placed.
    pub(crate) async fn order(&self, items: &[(&str, i32)], card: Card) -> Order {
        let cart = self.cart(items).await;
        placed(&self.client, placing(&quote(&self.client, &cart).await.unwrap(), card)).await.unwrap()
    }

    /// The same by a caller who waits no longer than this.
    pub(crate) async fn order_within(&self, items: &[(&str, i32)], card: Card, limit: Duration) -> Order {
        let cart = self.cart(items).await;
        let request = placing(&quote(&self.client, &cart).await.unwrap(), card);
        placed_within(&self.client, request, limit).await.unwrap()
    }

    /// An order once it is in this state.
    pub(crate) async fn reaches(&self, order: &Order, state: OrderState) -> Order {
        let mut now = order.clone();
        eventually(async || {
            now = get(&self.client, &order.order_id).await.unwrap();
            now.state() == state
        })
        .await;
        now
    }

    /// An order of these that was paid.
    pub(crate) async fn paid(&self, items: &[(&str, i32)], card: Card) -> Order {
        let order = self.order(items, card).await;
        self.reaches(&order, OrderState::Captured).await
    }

    /// An order that is paid, has no step left and whose cart is empty.
    pub(crate) async fn rests(&self, order: &Order) -> Order {
        let mut now = order.clone();
        eventually(async || {
            now = get(&self.client, &order.order_id).await.unwrap();
            now.step.is_none()
        })
        .await;
        now
    }
}

/// The states that an order was in.
pub(crate) fn states(order: &Order) -> Vec<OrderState> {
    order.transitions.iter().map(|was| was.state()).collect()
}

/// The code and the reason of a refusal.
pub(crate) fn refusal(status: &Status) -> (Code, String) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "souk.checkout.v1");
    (status.code(), info.reason.clone())
}

/// The reason of a FAILED_PRECONDITION.
pub(crate) fn precondition<T: std::fmt::Debug>(answer: Result<T, Status>) -> String {
    let (code, reason) = refusal(&answer.unwrap_err());
    assert_eq!(code, Code::FailedPrecondition);
    reason
}

/// The fields that a refusal names.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    assert_eq!(refusal(status), (Code::InvalidArgument, "INVALID_REQUEST".into()), "{status:?}");
    let details = status.get_error_details();
    let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect()
}

/// The subjects of what is in the way, all of which have the refusal's reason as their type.
pub(crate) fn subjects(status: &Status) -> Vec<String> {
    let (_, reason) = refusal(status);
    let details = status.get_error_details();
    let found = details.precondition_failure().map(|failure| failure.violations.clone()).unwrap_or_default();
    assert!(found.iter().all(|violation| violation.r#type == reason && !violation.description.is_empty()));
    found.into_iter().map(|violation| violation.subject).collect()
}

//! Cancels an order, by a form of its page.
//!
//! The order is in the form and not in the address, so that one address less has it.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contracts::checkout::v1::CancelOrderRequest;
use http::StatusCode;
use rpc::Capability;

use super::{
    super::{
        Shop, answer,
        form::{self, Form},
        frame::Frame,
        refusal::Refusal,
        retry::{self, Words},
        visitor::Visitor,
    },
    page, unknown,
};

const WORDS: Words = Words {
    title: "Checkout did not answer",
    text: "It is away for a moment, and your order may or may not be cancelled. Try the same again: it is done once, however often \
           you do.",
    back: ("Back to the first page", "/"),
};

/// What is said of a cancel that was not done, by the contract's reason.
const REFUSALS: [(&str, &str); 4] = [
    ("ORDER_FULFILLED", "It cannot be cancelled any more: it was sent. You can send it back to us."),
    ("ORDER_FAILED", "There is nothing to cancel: nothing came of this order, and nothing was charged."),
    ("ORDER_NEEDS_ATTENTION", "It cannot be cancelled here just now: somebody is looking into its payment already."),
    ("REQUEST_ID_REUSED", "This form was sent before. Below is the order as it is now."),
];

/// Takes the form.
pub(in super::super) async fn take(State(shop): State<Arc<Shop>>, visitor: Visitor, form: Form) -> Response {
    let request_id = match form.request_id() {
        Ok(request_id) => request_id,
        Err(refused) => return *refused,
    };
    let Some(id) = Capability::parse(form.text("order_id")) else { return *form::incomplete() };
    let order_id = id.as_str().to_owned();
    let fields = [("order_id", order_id.clone()), ("request_id", request_id.clone())];
    // Whatever the order has become since its page was loaded: it is to be cancelled.
    let request = CancelOrderRequest { order_id, etag: String::new(), request_id };
    let refusal = match shop.checkout.clone().cancel_order(request).await {
        Ok(_) => return answer::see_other(&format!("/order/{}", id.as_str())),
        Err(status) => Refusal::from(status),
    };
    if refusal.is_away() {
        return retry::page(Frame::ask(&shop, &visitor).await, WORDS, "/order/cancel", fields.into());
    }
    if refusal.is_not_found() {
        return unknown();
    }
    let known = REFUSALS.iter().find(|(reason, _)| refusal.is(reason)).map(|(_, text)| *text);
    let text = known.unwrap_or("This could not be cancelled. Below is the order as it is now.");
    page(&shop, &visitor, &id, StatusCode::CONFLICT, Some(text)).await
}

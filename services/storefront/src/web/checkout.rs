//! Checkout, in four steps that need no script: where to, how, by which card, and the order as it would be placed.
//!
//! Nothing is stored here. What was written so far is in a cookie of the visitor's own, which only these pages get; the card
//! is given to payment, on payment's own page, and comes back as a token. Each step asks checkout anew what the cart costs;
//! the last one carries all that the order is made of, so that sending it twice is the same order.

pub(super) mod address;
pub(super) mod card;
pub(super) mod delivery;
mod draft;
mod field;
pub(super) mod place;
pub(super) mod review;
mod summary;

use axum::response::{IntoResponse as _, Response};
use contracts::checkout::v1::{Quote, QuoteOrderRequest};
use http::{HeaderValue, StatusCode, header};

use super::{Shop, answer, category::Crumb, cookie::CartId, failure, refusal::Refusal, visitor::Visitor};
pub(super) use draft::label;
pub(super) use summary::{Summary, days};

use draft::Draft;

/// A step, and where it is changed once it is done.
#[derive(Clone, Copy, Debug)]
struct Step {
    name: &'static str,
    href: &'static str,
    is_done: bool,
    is_current: bool,
}

/// The way through checkout, as it stands at one of its steps, counted from 0.
fn steps(current: usize) -> [Step; 4] {
    let of = [
        ("Address", "/checkout"),
        ("Delivery", "/checkout/delivery"),
        ("Card", super::pay::CARD),
        ("Review", "/checkout/review"),
    ];
    let mut index = 0;
    of.map(|(name, href)| {
        let step = Step { name, href, is_done: index < current, is_current: index == current };
        index += 1;
        step
    })
}

impl Shop {
    /// What the cart would cost, delivered as the draft says.
    async fn quote(&self, cart: &CartId, draft: &Draft) -> Result<Quote, Refusal> {
        let request = QuoteOrderRequest {
            cart_id: cart.reveal().to_owned(),
            destination: Some(draft.destination()),
            shipping_option_id: draft.option().to_owned(),
        };
        let answer = self.checkout.clone().quote_order(request).await.map_err(Refusal::from)?;
        answer.into_inner().quote.ok_or_else(Refusal::broken)
    }
}

/// The answer where there is no quote, with what was written so far kept.
fn unquoted(visitor: &Visitor, draft: &Draft, refusal: &Refusal) -> Response {
    tracing::debug!(?refusal, "a cart is not quoted");
    let kept = [(header::SET_COOKIE, draft.cookie(visitor.is_secure))];
    let back_to = |name: &str, href: &str, title, text: &str| {
        failure::refused(StatusCode::CONFLICT, title, text, Crumb { name: name.into(), href: href.into() })
    };
    let said = |title, text| back_to("To the cart", "/cart", title, text);
    let answer = if refusal.is_away() {
        away()
    } else if refusal.is("SHIPPING_OPTION_UNKNOWN") {
        let draft = Draft { option: String::new(), ..draft.clone() };
        let kept = [(header::SET_COOKIE, draft.cookie(visitor.is_secure))];
        return (kept, answer::see_other("/checkout/delivery")).into_response();
    } else if refusal.is("PRODUCT_UNAVAILABLE") {
        said(
            "Something can no longer be ordered",
            "It is marked in your cart: take it out, and the rest can be ordered.",
        )
    } else if refusal.is("NOTHING_TO_PAY") {
        said("There is nothing to pay", "What is in your cart costs nothing, and this shop takes no orders for that.")
    } else if refusal.is("TOTAL_TOO_LARGE") {
        said("That is too much at once", "No order can be that large. Take something out, and order it apart.")
    } else if refusal.is("DESTINATION_NOT_SERVED") || !refusal.fields().is_empty() {
        back_to(
            "Change the address",
            "/checkout",
            "Nothing can be delivered there",
            "Choose another address for this order.",
        )
    } else {
        // There is no such cart, or nothing in it: its own page says so.
        answer::see_other("/cart")
    };
    (kept, answer).into_response()
}

/// The answer where no order can be placed now.
fn away() -> Response {
    let back = Crumb { name: "Try again".into(), href: "/checkout".into() };
    let text = "The service that takes orders does not answer. Nothing was ordered and nothing is lost: your cart is kept, and so \
                is what you wrote.";
    failure::refused(StatusCode::SERVICE_UNAVAILABLE, "Ordering is away for a moment", text, back)
}

/// Sends the browser on, with some cookies set.
fn on(place: &str, cookies: impl IntoIterator<Item = HeaderValue>) -> Response {
    let mut answer = answer::see_other(place);
    for cookie in cookies {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    answer
}

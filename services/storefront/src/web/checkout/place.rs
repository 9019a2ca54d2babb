//! Places the order that a form has in it, all of it: what the visitor saw is what is ordered, or nothing is.
//!
//! The form's own id makes sending it twice, by a double click, a reload or after an answer that was lost, one order. Once
//! there is an order its page says what becomes of it; only what the visitor can put right here is said here.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contracts::{
    checkout::v1::{Order, OrderFailureReason, OrderState, PlaceOrderRequest, Quote},
    google::r#type::Money,
    payment::v1::DeclineReason,
};
use http::StatusCode;
use rpc::Capability;

use super::{
    super::{
        Shop, answer,
        cookie::DRAFT,
        form::{self, Form},
        frame::Frame,
        refusal::Refusal,
        retry::{self, Words},
        visitor::Visitor,
    },
    address, card,
    draft::{Draft, Faults},
    field, on, review,
    review::Again,
    summary::Summary,
};

const WORDS: Words = Words {
    title: "Checkout did not answer",
    text: "It is away for a moment, and your order may or may not have been placed. Try the same again: it is placed and paid \
           once, however often you do.",
    back: ("See the cart", "/cart"),
};

/// What a form has in it.
struct Wanted {
    draft: Draft,
    card: Capability,
    total: Money,
    quote_id: String,
    request_id: String,
}

impl Wanted {
    fn read(form: &Form) -> Result<Self, Box<Response>> {
        let whole = |name: &str| form.text(name).parse::<i64>().ok();
        let nanos = whole("nanos").and_then(|nanos| i32::try_from(nanos).ok());
        let (Some(units), Some(nanos)) = (whole("units"), nanos) else { return Err(form::incomplete()) };
        Ok(Self {
            draft: Draft::of_form(form),
            card: Capability::parse(form.text("card_token")).ok_or_else(form::incomplete)?,
            total: Money { currency_code: form.text("currency").to_owned(), units, nanos },
            quote_id: form.text("quote_id").to_owned(),
            request_id: form.request_id()?,
        })
    }

    fn request(&self, cart_id: String) -> PlaceOrderRequest {
        PlaceOrderRequest {
            cart_id,
            quote_id: self.quote_id.clone(),
            expected_total: Some(self.total.clone()),
            shipping_address: Some(self.draft.address()),
            contact_email: self.draft.value("email").to_owned(),
            card_token: self.card.as_str().to_owned(),
            request_id: self.request_id.clone(),
        }
    }

    /// The form as it was sent.
    fn fields(&self) -> Vec<(&'static str, String)> {
        let Self { draft, card, total, quote_id, request_id } = self;
        let mut fields: Vec<_> = draft.pairs().map(|(name, value)| (name, value.to_owned())).collect();
        fields.extend([
            ("card_token", card.as_str().to_owned()),
            ("currency", total.currency_code.clone()),
            ("units", total.units.to_string()),
            ("nanos", total.nanos.to_string()),
            ("quote_id", quote_id.clone()),
            ("request_id", request_id.clone()),
        ]);
        fields
    }
}

/// Takes the form.
pub(in super::super) async fn take(State(shop): State<Arc<Shop>>, visitor: Visitor, form: Form) -> Response {
    let Some(cart) = &visitor.cart else { return answer::see_other("/cart") };
    let wanted = match Wanted::read(&form) {
        Ok(wanted) => wanted,
        Err(refused) => return *refused,
    };
    if let Err(faults) = wanted.draft.faults() {
        return address::wrong(&shop, &visitor, &wanted.draft, *faults).await;
    }
    let answer = shop.checkout.clone().place_order(wanted.request(cart.reveal().to_owned())).await;
    match answer.map_err(Refusal::from).and_then(|answer| answer.into_inner().order.ok_or_else(Refusal::broken)) {
        Ok(order) => placed(&shop, &visitor, wanted, &order).await,
        Err(refusal) => refused(&shop, &visitor, wanted, &refusal).await,
    }
}

/// The answer once there is an order.
async fn placed(shop: &Shop, visitor: &Visitor, wanted: Wanted, order: &Order) -> Response {
    let failure = order.failure.clone().filter(|_| order.state() == OrderState::Failed).unwrap_or_default();
    let Wanted { draft, card, .. } = wanted;
    let fault = match failure.reason() {
        OrderFailureReason::CardDeclined => declined(failure.decline_reason()),
        OrderFailureReason::CardTokenInvalid => {
            "This card was given too long ago, or for another order. Nothing was charged; give it again."
        }
        OrderFailureReason::OutOfStock => {
            let lines = order.lines.clone();
            let notice = |_: &Quote| {
                let amounts = order.amounts.clone().unwrap_or_default();
                let names = Summary::of(&lines, &amounts, visitor.language).names(&failure.product_ids);
                let notice = format!(
                    "There is not enough left of: {names}. Nothing was ordered and nothing was charged. Your cart is kept: \
                     change it there."
                );
                Again { notice: Some(notice), card_fault: None }
            };
            return review::page(shop, visitor, &draft, Some(card), StatusCode::CONFLICT, notice).await;
        }
        OrderFailureReason::Unspecified | OrderFailureReason::Expired => {
            let used = [card::forgotten(visitor), DRAFT.clear(visitor.is_secure)];
            return on(&format!("/order/{}", order.order_id), used);
        }
    };
    let again = |_: &Quote| Again { notice: None, card_fault: Some(fault) };
    review::page(shop, visitor, &draft, None, StatusCode::UNPROCESSABLE_ENTITY, again).await
}

/// The answer where there is no order.
async fn refused(shop: &Shop, visitor: &Visitor, wanted: Wanted, refusal: &Refusal) -> Response {
    if refusal.is_away() {
        return retry::page(Frame::ask(shop, visitor).await, WORDS, "/checkout/place", wanted.fields());
    }
    let Wanted { draft, card, total, .. } = wanted;
    let mut faults = Faults::default();
    for index in refusal.fields().iter().filter_map(|field| field::of_contract(field)) {
        faults[index] = Some("This is not taken as it is: change it.".into());
    }
    if faults.iter().any(Option::is_some) {
        return address::wrong(shop, visitor, &draft, faults).await;
    }
    let again = |quote: &Quote| Again { notice: Some(changed(refusal, &total, quote, visitor)), card_fault: None };
    review::page(shop, visitor, &draft, Some(card), StatusCode::CONFLICT, again).await
}

/// What is said above a new quote.
fn changed(refusal: &Refusal, before: &Money, quote: &Quote, visitor: &Visitor) -> String {
    let now = quote.amounts.as_ref().and_then(|amounts| amounts.total.clone()).unwrap_or_default();
    let why = if refusal.is("REQUEST_ID_REUSED") {
        "This form was sent before with something else in it."
    } else if refusal.is("QUOTE_EXPIRED") {
        "This page was open for more than 15 minutes, for which its prices held."
    } else {
        "Your cart or its prices have changed since this page was opened."
    };
    let amounts = (visitor.language.read(before), visitor.language.read(&now));
    let total = match amounts {
        (Some(before), Some(then)) if before != then => {
            format!(" The total was {}, and is {} now.", before.text, then.text)
        }
        _ => String::new(),
    };
    format!("{why}{total} Nothing was ordered by it: look at the order again, and place it if it is right.")
}

/// What the issuer said of a card.
fn declined(reason: DeclineReason) -> &'static str {
    match reason {
        DeclineReason::InsufficientFunds => {
            "The bank declined it: there is not enough money on it. Nothing was charged."
        }
        DeclineReason::ExpiredCard => "The bank declined it: the card has expired. Nothing was charged.",
        DeclineReason::IncorrectCode => "The bank declined it: the security code is wrong. Nothing was charged.",
        DeclineReason::CardNotAccepted => {
            "The bank does not take this card for this. Nothing was charged; try another."
        }
        DeclineReason::Unspecified | DeclineReason::Generic | DeclineReason::SuspectedFraud => {
            "The bank declined it, and does not say why. Nothing was charged; try another card."
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use contracts::checkout::v1::OrderAmounts;
    use tonic::{Code, Status};
    use tonic_types::{ErrorDetails, StatusExt as _};

    use super::{super::super::amount, *};

    fn euros(units: i64) -> Money {
        Money { currency_code: "EUR".into(), units, nanos: 0 }
    }

    fn said(reason: &str, before: i64, now: i64) -> String {
        let details = ErrorDetails::with_error_info(reason, "souk.checkout.v1", HashMap::new());
        let refusal = Refusal::from(Status::with_error_details(Code::FailedPrecondition, "", details));
        let amounts = Some(OrderAmounts { total: Some(euros(now)), ..OrderAmounts::default() });
        let visitor = Visitor { cart: None, language: amount::english(), is_secure: false };
        changed(&refusal, &euros(before), &Quote { amounts, ..Quote::default() }, &visitor)
    }

    #[test]
    fn a_quote_that_is_too_old_is_told_from_one_that_has_changed() {
        let expired = said("QUOTE_EXPIRED", 12, 12);
        assert!(expired.contains("more than 15 minutes") && !expired.contains("The total was"), "{expired}");
        let changed = said("QUOTE_CHANGED", 12, 14);
        assert!(changed.contains("The total was €12.00, and is €14.00 now."), "{changed}");
        assert!(said("REQUEST_ID_REUSED", 12, 12).contains("sent before"));
    }
}

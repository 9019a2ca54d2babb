//! The second step: how it gets there.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use contracts::checkout::v1::Quote;
use http::{HeaderMap, StatusCode};

use super::{
    super::{Shop, amount::Amount, answer, form::Form, frame::Frame, pay, text::shown, visitor::Visitor},
    Step, card,
    draft::Draft,
    on, steps,
    summary::{Summary, days},
    unquoted,
};

#[derive(Template)]
#[template(path = "checkout_delivery.html")]
struct Page {
    frame: Frame,
    steps: [Step; 4],
    label: Vec<String>,
    options: Vec<Choice>,
    summary: Summary,
}

/// A way to deliver.
struct Choice {
    id: String,
    name: String,
    days: String,
    price: Option<Amount>,
    is_chosen: bool,
}

/// Answers with the ways to deliver to the address that was given.
pub(in super::super) async fn show(State(shop): State<Arc<Shop>>, visitor: Visitor, headers: HeaderMap) -> Response {
    let Some(cart) = &visitor.cart else { return answer::see_other("/cart") };
    let draft = Draft::of_cookie(&headers);
    if draft.faults().is_err() {
        return answer::see_other("/checkout");
    }
    let (quote, frame) = tokio::join!(shop.quote(cart, &draft), Frame::ask(&shop, &visitor));
    let quote = match quote {
        Ok(quote) => quote,
        Err(refusal) => return unquoted(&visitor, &draft, &refusal),
    };
    let page = Page::of(frame, &quote, &draft, &visitor);
    answer::page(StatusCode::OK, &page.frame, &page)
}

/// Takes the way that was chosen, and goes on to the card, or past it where there is one already.
pub(in super::super) async fn take(visitor: Visitor, headers: HeaderMap, form: Form) -> Response {
    let chosen = Draft::of_form(&form).option;
    let draft = Draft { option: chosen, ..Draft::of_cookie(&headers) };
    let next = if card::token(&headers).is_some() { "/checkout/review" } else { pay::CARD };
    on(next, [draft.cookie(visitor.is_secure)])
}

impl Page {
    fn of(frame: Frame, quote: &Quote, draft: &Draft, visitor: &Visitor) -> Self {
        let chosen = quote.shipping_option.as_ref().map(|option| option.option_id.as_str());
        let options = quote.shipping_options.iter().map(|option| Choice {
            id: option.option_id.clone(),
            name: shown(&option.display_name),
            days: days(option),
            price: option.price.as_ref().and_then(|price| visitor.language.read(price)),
            is_chosen: chosen == Some(&option.option_id),
        });
        let amounts = quote.amounts.clone().unwrap_or_default();
        let summary = Summary::of(&quote.lines, &amounts, visitor.language);
        let has_foreign_pictures = summary.has_foreign_pictures();
        Self {
            frame: Frame { has_forms: true, is_private: true, has_foreign_pictures, ..frame },
            steps: steps(1),
            label: draft.label(),
            options: options.collect(),
            summary,
        }
    }
}

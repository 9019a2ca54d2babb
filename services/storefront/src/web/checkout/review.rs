//! The last step: the order as it would be placed, and the button that places it.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use contracts::{checkout::v1::Quote, google::r#type::Money};
use http::{HeaderMap, StatusCode, header};
use rpc::Capability;

use super::{
    super::{Shop, answer, form::new_request_id, frame::Frame, pay, text::shown, visitor::Visitor},
    Step, card,
    draft::Draft,
    steps,
    summary::{Summary, days},
    unquoted,
};

#[derive(Template)]
#[template(path = "checkout_review.html")]
struct Page {
    frame: Frame,
    steps: [Step; 4],
    notice: Option<String>,
    card_fault: Option<&'static str>,
    card_href: &'static str,
    has_card: bool,
    label: Vec<String>,
    email: String,
    delivery: String,
    summary: Summary,
    /// All that the order is made of.
    fields: Vec<(&'static str, String)>,
}

/// Why an order was not placed, and this page is shown again.
#[derive(Clone, Debug, Default)]
pub(super) struct Again {
    pub(super) notice: Option<String>,
    /// What is wrong with the card; it is forgotten.
    pub(super) card_fault: Option<&'static str>,
}

/// Answers with the order as it would be placed.
pub(in super::super) async fn show(State(shop): State<Arc<Shop>>, visitor: Visitor, headers: HeaderMap) -> Response {
    let draft = Draft::of_cookie(&headers);
    page(&shop, &visitor, &draft, card::token(&headers), StatusCode::OK, |_| Again::default()).await
}

/// Answers with the order as it would be placed now, with what `again` says of the new quote.
pub(super) async fn page(
    shop: &Shop,
    visitor: &Visitor,
    draft: &Draft,
    card: Option<Capability>,
    status: StatusCode,
    again: impl FnOnce(&Quote) -> Again,
) -> Response {
    let Some(cart) = &visitor.cart else { return answer::see_other("/cart") };
    if draft.faults().is_err() {
        return answer::see_other("/checkout");
    }
    if draft.option.is_empty() {
        return answer::see_other("/checkout/delivery");
    }
    let (quote, frame) = tokio::join!(shop.quote(cart, draft), Frame::ask(shop, visitor));
    let quote = match quote {
        Ok(quote) => quote,
        Err(refusal) => return unquoted(visitor, draft, &refusal),
    };
    let again = again(&quote);
    let is_forgotten = again.card_fault.is_some();
    let page = Page::of(frame, quote, draft, card.filter(|_| !is_forgotten), again, visitor);
    let mut answer = answer::page(status, &page.frame, &page);
    if is_forgotten {
        answer.headers_mut().append(header::SET_COOKIE, card::forgotten(visitor));
    }
    answer
}

impl Page {
    fn of(
        frame: Frame,
        quote: Quote,
        draft: &Draft,
        card: Option<Capability>,
        again: Again,
        visitor: &Visitor,
    ) -> Self {
        let amounts = quote.amounts.unwrap_or_default();
        let summary = Summary::of(&quote.lines, &amounts, visitor.language);
        let delivery = quote.shipping_option.unwrap_or_default();
        let has_card = card.is_some();
        let total = amounts.total.unwrap_or_default();
        let mut fields: Vec<_> = draft.pairs().map(|(name, value)| (name, value.to_owned())).collect();
        fields.extend([("request_id", new_request_id()), ("quote_id", quote.quote_id)]);
        fields.extend(written(&total));
        fields.extend(card.map(|token| ("card_token", token.as_str().to_owned())));
        let has_foreign_pictures = summary.has_foreign_pictures();
        Self {
            frame: Frame { has_forms: true, is_private: true, has_foreign_pictures, ..frame },
            steps: steps(if has_card { 3 } else { 2 }),
            notice: again.notice,
            card_fault: again.card_fault,
            card_href: pay::CARD,
            has_card,
            label: draft.label(),
            email: shown(draft.value("email")),
            delivery: format!("{}, {}", shown(&delivery.display_name), days(&delivery)),
            summary,
            fields,
        }
    }
}

/// A total as the fields of a form.
fn written(total: &Money) -> [(&'static str, String); 3] {
    [("currency", total.currency_code.clone()), ("units", total.units.to_string()), ("nanos", total.nanos.to_string())]
}

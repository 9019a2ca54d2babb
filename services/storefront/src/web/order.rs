//! The page of an order: where it stands, what was ordered, what it costs, where it goes.
//!
//! Whoever has its address has the right to the order: no log, metric or other site hears of it. While something is being
//! done for it, the script of the page asks for the part of it that changes (`?part=state`), ever less often; without the
//! script there is a link that loads it again.

pub(super) mod cancel;
mod words;

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use contracts::{
    checkout::v1::{GetOrderRequest, Order, OrderRefundState},
    payment::v1::{CardBrand, CardSummary},
};
use http::{StatusCode, Uri, header};
use rpc::Capability;

use super::{
    Shop,
    amount::{Amount, Language},
    answer,
    category::Crumb,
    checkout::{Summary, days, label},
    failure,
    form::new_request_id,
    frame::Frame,
    query::Parameters,
    refusal::Refusal,
    text::shown,
    visitor::Visitor,
};
use words::{Stage, Words};

#[derive(Template)]
#[template(path = "order.html")]
struct Page {
    frame: Frame,
    placed: String,
    standing: Standing,
    summary: Summary,
    delivery: String,
    label: Vec<String>,
    email: String,
    card: Option<String>,
    refunded: Option<Amount>,
}

/// The part of the page that changes.
#[derive(Template)]
#[template(path = "order_state.html")]
struct Standing {
    /// Where the page is.
    href: String,
    words: Words,
    stages: [Stage; 4],
    is_cancellable: bool,
    order_id: String,
    cancel_id: String,
    fault: Option<&'static str>,
    /// Something is being done for it just now.
    is_live: bool,
    revision: i64,
    tracking: Option<Parcel>,
}

/// How to follow a parcel.
struct Parcel {
    text: String,
    uri: Option<String>,
}

/// Answers with the order in the address.
pub(super) async fn show(State(shop): State<Arc<Shop>>, visitor: Visitor, uri: Uri) -> Response {
    let Some(id) = uri.path().rsplit('/').next().and_then(Capability::parse) else { return unknown() };
    if Parameters::of(&uri).first("part") == "state" {
        return match shop.order(&id).await {
            Ok(order) => part(&Standing::of(&order, None)),
            Err(refusal) => refused(&id, &refusal),
        };
    }
    page(&shop, &visitor, &id, StatusCode::OK, None).await
}

/// Answers with the page of an order, and what was not done with it.
async fn page(
    shop: &Shop,
    visitor: &Visitor,
    id: &Capability,
    status: StatusCode,
    fault: Option<&'static str>,
) -> Response {
    let (order, frame) = tokio::join!(shop.order(id), Frame::ask(shop, visitor));
    match order {
        Ok(order) => {
            let page = Page::of(frame, &order, fault, visitor.language);
            answer::page(status, &page.frame, &page)
        }
        Err(refusal) => refused(id, &refusal),
    }
}

/// Answers with the part of the page that changes.
fn part(standing: &Standing) -> Response {
    let mut answer = answer::page(StatusCode::OK, &Frame { is_private: true, ..Frame::bare() }, standing);
    // It is no page, and nobody is to find it as one.
    answer.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, http::HeaderValue::from_static("nosniff"));
    answer
}

fn refused(id: &Capability, refusal: &Refusal) -> Response {
    if refusal.is_not_found() {
        return unknown();
    }
    tracing::debug!(?refusal, order = ?id, "an order is not shown");
    let back = Crumb { name: "Try again".into(), href: format!("/order/{}", id.as_str()) };
    let text =
        "The service that has the orders does not answer. Your order is kept, and goes on by itself once it is back.";
    failure::refused(StatusCode::SERVICE_UNAVAILABLE, "Orders are away for a moment", text, back)
}

fn unknown() -> Response {
    let back = Crumb { name: "Back to the first page".into(), href: "/".into() };
    let text = "The address of an order is long, and every digit of it counts. Perhaps one was lost on the way here.";
    failure::refused(StatusCode::NOT_FOUND, "There is no such order", text, back)
}

impl Shop {
    /// An order, by the right to it.
    async fn order(&self, id: &Capability) -> Result<Order, Refusal> {
        let request = GetOrderRequest { order_id: id.as_str().to_owned() };
        let answer = self.checkout.clone().get_order(request).await.map_err(Refusal::from)?;
        answer.into_inner().order.ok_or_else(Refusal::broken)
    }
}

impl Page {
    fn of(frame: Frame, order: &Order, fault: Option<&'static str>, language: &Language) -> Self {
        let amounts = order.amounts.clone().unwrap_or_default();
        let summary = Summary::of(&order.lines, &amounts, language);
        let delivery = order.shipping_option.clone().unwrap_or_default();
        let refunded = order.refunded_amount.as_ref().filter(|amount| amount.units != 0 || amount.nanos != 0);
        let has_foreign_pictures = summary.has_foreign_pictures();
        Self {
            frame: Frame {
                has_forms: true,
                has_right_in_address: true,
                is_private: true,
                has_foreign_pictures,
                ..frame
            },
            placed: words::day(order.create_time),
            standing: Standing::of(order, fault),
            summary,
            delivery: format!("{}, {}", shown(&delivery.display_name), days(&delivery)),
            label: order.shipping_address.as_ref().map(label).unwrap_or_default(),
            email: shown(&order.contact_email),
            card: order.card.as_ref().map(card),
            refunded: refunded.and_then(|amount| language.read(amount)),
        }
    }
}

impl Standing {
    fn of(order: &Order, fault: Option<&'static str>) -> Self {
        let is_refunding = order.refunds.iter().any(|refund| refund.state() == OrderRefundState::Pending);
        let tracking = order.tracking.as_ref().map(|tracking| Parcel {
            text: shown(format!("{} {}", tracking.carrier, tracking.tracking_number).trim()),
            uri: Some(tracking.uri.clone()).filter(|uri| uri.starts_with("https://")),
        });
        Self {
            href: format!("/order/{}", order.order_id),
            words: Words::of(order),
            stages: words::stages(order),
            is_cancellable: words::is_cancellable(order),
            order_id: order.order_id.clone(),
            cancel_id: new_request_id(),
            fault,
            is_live: words::is_under_way(order) || is_refunding,
            revision: order.revision,
            tracking: tracking.filter(|parcel| !parcel.text.is_empty() || parcel.uri.is_some()),
        }
    }
}

/// A card in a few words.
fn card(card: &CardSummary) -> String {
    let brand = match card.brand() {
        CardBrand::Unspecified => "Card",
        CardBrand::Visa => "Visa",
        CardBrand::Mastercard => "Mastercard",
        CardBrand::AmericanExpress => "American Express",
        CardBrand::Discover => "Discover",
        CardBrand::Jcb => "JCB",
        CardBrand::DinersClub => "Diners Club",
        CardBrand::Unionpay => "UnionPay",
        CardBrand::Maestro => "Maestro",
    };
    format!("{brand} ending in {}", shown(&card.last_four))
}

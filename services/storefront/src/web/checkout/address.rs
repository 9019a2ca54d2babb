//! The first step: whom and where to.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode, header};

use super::{
    super::{
        Shop, answer,
        country::{self, Country},
        form::Form,
        frame::{Badge, Frame},
        visitor::Visitor,
    },
    Step, away,
    draft::{Draft, Faults},
    field::{FIELDS, Field},
    on, steps,
    summary::Summary,
    unquoted,
};

#[derive(Template)]
#[template(path = "checkout_address.html")]
struct Page {
    frame: Frame,
    steps: [Step; 4],
    entries: Vec<Entry>,
    countries: &'static [Country],
    has_faults: bool,
    summary: Option<Summary>,
}

/// A field, as it is filled in.
struct Entry {
    field: &'static Field,
    value: String,
    fault: Option<String>,
}

impl Entry {
    /// The ids of what is said of it.
    fn described_by(&self) -> String {
        let hint = (!self.field.hint.is_empty()).then(|| format!("{}-hint", self.field.name));
        let fault = self.fault.as_ref().map(|_| format!("{}-fault", self.field.name));
        fault.into_iter().chain(hint).collect::<Vec<_>>().join(" ")
    }
}

/// Answers with the form, as far as it was filled in before.
pub(in super::super) async fn show(State(shop): State<Arc<Shop>>, visitor: Visitor, headers: HeaderMap) -> Response {
    let Some(cart) = &visitor.cart else { return answer::see_other("/cart") };
    let (cart, is_search_away, are_orders_away) =
        tokio::join!(shop.cart_of(cart), shop.is_search_away(), shop.are_orders_away());
    // Where it is gone, empty or away, its own page says so.
    let Some(cart) = cart.ok().filter(|cart| !cart.items.is_empty()) else { return answer::see_other("/cart") };
    if are_orders_away {
        return away();
    }
    let frame = Frame::of(&visitor, Badge::of(&cart), is_search_away);
    let summary = Some(Summary::of_cart(&cart, visitor.language));
    page(StatusCode::OK, frame, &Draft::of_cookie(&headers), Faults::default(), summary)
}

/// Takes what was filled in.
pub(in super::super) async fn take(
    State(shop): State<Arc<Shop>>,
    visitor: Visitor,
    headers: HeaderMap,
    form: Form,
) -> Response {
    let Some(cart) = &visitor.cart else { return answer::see_other("/cart") };
    // Which way to deliver was chosen before stays so where it can be had there, too.
    let draft = Draft { option: Draft::of_cookie(&headers).option, ..Draft::of_form(&form) };
    if let Err(faults) = draft.faults() {
        return wrong(&shop, &visitor, &draft, *faults).await;
    }
    match shop.quote(cart, &draft).await {
        Ok(_) => on("/checkout/delivery", [draft.cookie(visitor.is_secure)]),
        Err(refusal) if refusal.is("DESTINATION_NOT_SERVED") => {
            let said = |field: &Field| (field.name == "country").then(|| "Nothing can be delivered there.".to_owned());
            wrong(&shop, &visitor, &draft, FIELDS.each_ref().map(said)).await
        }
        Err(refusal) => unquoted(&visitor, &draft, &refusal),
    }
}

/// Answers with the form and what is wrong with it.
pub(super) async fn wrong(shop: &Shop, visitor: &Visitor, draft: &Draft, faults: Faults) -> Response {
    let (cart, is_search_away) = tokio::join!(
        async {
            let cart = shop.cart_of(visitor.cart.as_ref()?).await;
            cart.ok()
        },
        shop.is_search_away()
    );
    let frame = Frame::of(visitor, cart.as_ref().map_or(Badge::Away, Badge::of), is_search_away);
    let summary = cart.map(|cart| Summary::of_cart(&cart, visitor.language));
    let kept = [(header::SET_COOKIE, draft.cookie(visitor.is_secure))];
    (kept, page(StatusCode::UNPROCESSABLE_ENTITY, frame, draft, faults, summary)).into_response()
}

fn page(status: StatusCode, frame: Frame, draft: &Draft, faults: Faults, summary: Option<Summary>) -> Response {
    let has_faults = faults.iter().any(Option::is_some);
    let entries = FIELDS.iter().zip(&draft.values).zip(faults);
    let entries = entries.map(|((field, value), fault)| Entry { field, value: value.clone(), fault });
    let has_foreign_pictures = summary.as_ref().is_some_and(Summary::has_foreign_pictures);
    let frame = Frame { has_forms: true, is_private: true, has_foreign_pictures, ..frame };
    let page =
        Page { frame, steps: steps(0), entries: entries.collect(), countries: country::all(), has_faults, summary };
    answer::page(status, &page.frame, &page)
}

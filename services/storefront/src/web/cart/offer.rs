//! A cart that is opened by its link, on another device or by somebody else: what is in it, and a form that moves it
//! into the visitor's own.
//!
//! The link's address has the cart's id, which is the right to it. So the address is left at once: the id goes into a
//! short-lived cookie, and no page, history or form has it from then on.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    response::{AppendHeaders, IntoResponse as _, Response},
};
use contracts::cart::v1::{Cart, MergeCartsRequest};
use http::{HeaderMap, StatusCode, Uri, header};

use super::{
    super::{
        Shop, answer,
        category::Crumb,
        cookie::{CART, CartId, OFFER},
        failure,
        form::{Form, new_request_id},
        frame::Frame,
        refusal::Refusal,
        text::{grouped, shown},
        visitor::Visitor,
    },
    Done, retry,
};

/// What becomes of carts that do not go together, by the contract's reason.
const REFUSALS: [(&str, &str); 3] = [
    ("CURRENCY_MISMATCH", "The two carts are priced in different currencies, and a cart has one."),
    ("CART_FULL", "Together they would have more than 100 different products."),
    ("QUANTITY_LIMIT", "Together they would have more than 10,000 of one product."),
];

#[derive(Template)]
#[template(path = "offer.html")]
struct Page {
    frame: Frame,
    /// Name and units of each line.
    lines: Vec<(String, String)>,
    request_id: String,
    fault: Option<&'static str>,
}

/// Takes the id out of the address.
pub(in super::super) async fn open(visitor: Visitor, uri: Uri) -> Response {
    let Some(offered) = uri.path().rsplit('/').next().and_then(CartId::parse) else { return gone() };
    if visitor.cart.as_ref() == Some(&offered) {
        return answer::see_other("/cart");
    }
    let cookies = [(header::SET_COOKIE, OFFER.set(&offered, visitor.is_secure))];
    (cookies, answer::see_other("/cart/offer")).into_response()
}

/// Shows what is offered.
pub(in super::super) async fn show(State(shop): State<Arc<Shop>>, visitor: Visitor, headers: HeaderMap) -> Response {
    page(&shop, &visitor, &headers, StatusCode::OK, None).await
}

async fn page(
    shop: &Shop,
    visitor: &Visitor,
    headers: &HeaderMap,
    status: StatusCode,
    fault: Option<&'static str>,
) -> Response {
    let Some(offered) = OFFER.read(headers) else { return answer::see_other("/cart") };
    let (cart, frame) = tokio::join!(shop.cart_of(&offered), Frame::ask(shop, visitor));
    let cart: Cart = match cart {
        Ok(cart) => cart,
        Err(refusal) if refusal.is_away() => return failure::away("The cart"),
        Err(_gone) => return gone(),
    };
    let lines = cart.items.iter().map(|item| (shown(&item.name), grouped(item.quantity))).collect();
    let frame = Frame { has_forms: true, is_private: true, ..frame };
    let page = Page { frame, lines, request_id: new_request_id(), fault };
    answer::page(status, &page.frame, &page)
}

/// Moves everything that is offered into the visitor's cart.
pub(in super::super) async fn merge(
    State(shop): State<Arc<Shop>>,
    visitor: Visitor,
    headers: HeaderMap,
    form: Form,
) -> Response {
    let request_id = match form.request_id() {
        Ok(request_id) => request_id,
        Err(refused) => return *refused,
    };
    // Taken already, by a click before this one.
    let Some(offered) = OFFER.read(&headers) else { return answer::see_other("/cart") };
    match send(&shop, &visitor, &offered, &request_id).await {
        Ok(cart) => {
            let cookies = [CART.set(&cart, visitor.is_secure), OFFER.clear(visitor.is_secure)];
            let cookies = AppendHeaders(cookies.map(|cookie| (header::SET_COOKIE, cookie)));
            (cookies, answer::see_other(&Done::Merged.href())).into_response()
        }
        Err(refusal) if refusal.is_away() => retry::page(&visitor, "/cart/merge", vec![("request_id", request_id)]),
        Err(refusal) if refusal.is("CART_NOT_FOUND") => gone(),
        Err(refusal) => {
            let known = REFUSALS.iter().find(|(reason, _)| refusal.is(reason)).map(|(_, text)| *text);
            let fault = known.unwrap_or("The two carts cannot be joined.");
            page(&shop, &visitor, &headers, StatusCode::CONFLICT, Some(fault)).await
        }
    }
}

/// Joins the carts, or makes a new one where the visitor has none or it has expired.
async fn send(shop: &Shop, visitor: &Visitor, offered: &CartId, request_id: &str) -> Result<CartId, Refusal> {
    let mut cart = shop.cart.clone();
    let mut join = async |cart_id: String| {
        let (source_cart_id, request_id) = (offered.reveal().to_owned(), request_id.to_owned());
        let request = MergeCartsRequest { cart_id, source_cart_id, etag: String::new(), request_id };
        let answer = cart.merge_carts(request).await.map_err(Refusal::from)?;
        let id = answer.into_inner().cart.map(|cart| cart.cart_id).unwrap_or_default();
        CartId::parse(&id).ok_or_else(Refusal::broken)
    };
    let known = visitor.cart.as_ref().map(|id| id.reveal().to_owned());
    match join(known.clone().unwrap_or_default()).await {
        Err(refusal) if known.is_some() && refusal.is("CART_NOT_FOUND") => join(String::new()).await,
        answer => answer,
    }
}

fn gone() -> Response {
    let text = "There is no cart at this link. It may have been cut, or nobody has changed the cart for 90 days.";
    let back = Crumb { name: "To your own cart".into(), href: "/cart".into() };
    failure::refused(StatusCode::NOT_FOUND, "This cart is gone", text, back)
}

//! Puts a product into the cart, and makes the cart with the first.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use contracts::cart::v1::AddItemRequest;
use http::{StatusCode, header};

use super::{
    super::{
        Shop, answer,
        cookie::{CART, CartId},
        form::{Form, QUANTITY_RULE, quantity},
        product::{self, Entry},
        refusal::Refusal,
        visitor::Visitor,
    },
    Done, retry,
};

/// What becomes of a form that was not taken, by the contract's reason.
const REFUSALS: [(&str, &str); 5] = [
    ("PRODUCT_DISCONTINUED", "This is no longer sold."),
    (
        "CURRENCY_MISMATCH",
        "Your cart is priced in another currency than this, and a cart has one. Empty your cart to begin with this.",
    ),
    ("CART_FULL", "Your cart is full: it holds 100 different products."),
    ("QUANTITY_LIMIT", "With these your cart would have more than 10,000 of it."),
    (
        "REQUEST_ID_REUSED",
        "This form was sent before with another number. Your cart shows what came of it; send again to add more.",
    ),
];

/// Takes the form.
pub(in super::super) async fn add(State(shop): State<Arc<Shop>>, visitor: Visitor, form: Form) -> Response {
    let (product, request_id) = match (form.product(), form.request_id()) {
        (Ok(product), Ok(request_id)) => (product, request_id),
        (Err(refused), _) | (_, Err(refused)) => return *refused,
    };
    let entered = form.text("quantity");
    let Some(quantity) = quantity(entered) else {
        let entry = Entry { quantity: entered.to_owned(), fault: Some(QUANTITY_RULE) };
        return product::page(&shop, &visitor, &product, StatusCode::UNPROCESSABLE_ENTITY, entry).await;
    };
    let product_id = product.as_str().to_owned();
    let request = AddItemRequest { product_id, quantity, request_id, ..AddItemRequest::default() };
    match send(&shop, &visitor, request.clone()).await {
        Ok(cart) => {
            let cookies = [(header::SET_COOKIE, CART.set(&cart, visitor.is_secure))];
            (cookies, answer::see_other(&Done::Added(product).href())).into_response()
        }
        Err(refusal) if refusal.is_away() => {
            let AddItemRequest { product_id, request_id, .. } = request;
            let quantity = quantity.to_string();
            let fields = [("product_id", product_id), ("quantity", quantity), ("request_id", request_id)];
            retry::page(&visitor, "/cart/add", fields.into())
        }
        Err(refusal) => {
            let known = REFUSALS.iter().find(|(reason, _)| refusal.is(reason)).map(|(_, text)| *text);
            let entry = Entry { quantity: entered.to_owned(), fault: known.or(Some("This cannot be added.")) };
            product::page(&shop, &visitor, &product, StatusCode::CONFLICT, entry).await
        }
    }
}

/// Adds to the visitor's cart, or to a new one where there is none or it has expired.
async fn send(shop: &Shop, visitor: &Visitor, request: AddItemRequest) -> Result<CartId, Refusal> {
    let mut cart = shop.cart.clone();
    let mut add = async |cart_id: String| {
        let answer = cart.add_item(AddItemRequest { cart_id, ..request.clone() }).await.map_err(Refusal::from)?;
        let id = answer.into_inner().cart.map(|cart| cart.cart_id).unwrap_or_default();
        CartId::parse(&id).ok_or_else(Refusal::broken)
    };
    let known = visitor.cart.as_ref().map(|id| id.reveal().to_owned());
    match add(known.clone().unwrap_or_default()).await {
        Err(refusal) if known.is_some() && refusal.is("CART_NOT_FOUND") => add(String::new()).await,
        answer => answer,
    }
}

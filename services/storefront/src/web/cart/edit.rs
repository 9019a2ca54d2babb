//! Changes what is in the cart: quantities, one line, all of it.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use contracts::cart::v1::{Cart, ClearCartRequest, RemoveItemRequest, SetItemQuantityRequest};
use http::{StatusCode, header};
use rpc::ProductId;
use tonic::Status;

use super::{
    super::{
        Shop, answer,
        cookie::{CART, CartId},
        form::{Form, QUANTITY_RULE, quantity},
        refusal::Refusal,
        visitor::Visitor,
    },
    Done, Fault, Notice, page, retry,
};

/// What is said of a change that was not made, by the contract's reason.
const REFUSALS: [(&str, &str); 3] = [
    (
        "ETAG_MISMATCH",
        "Your cart was changed elsewhere in the meantime, perhaps in another window. This was not changed; below is the \
         cart as it is now.",
    ),
    ("ITEM_NOT_FOUND", "That is no longer in your cart. Below is the cart as it is now."),
    ("REQUEST_ID_REUSED", "This form was sent before with another number. Below is the cart as it is now."),
];

/// Sets how many units of a product there are.
pub(in super::super) async fn set(State(shop): State<Arc<Shop>>, visitor: Visitor, form: Form) -> Response {
    let (cart, request_id, product) = match named(&visitor, &form).and_then(|named| with_product(named, &form)) {
        Ok(named) => named,
        Err(refused) => return *refused,
    };
    let entered = form.text("quantity");
    let Some(quantity) = quantity(entered) else {
        let fault = Fault { product, entered: entered.to_owned(), text: QUANTITY_RULE };
        return page(&shop, &visitor, StatusCode::UNPROCESSABLE_ENTITY, |_| None, Some(&fault)).await;
    };
    let (product_id, etag) = (product.as_str().to_owned(), form.text("etag").to_owned());
    let fields = [
        ("product_id", product_id.clone()),
        ("quantity", quantity.to_string()),
        ("etag", etag.clone()),
        ("request_id", request_id.clone()),
    ];
    let cart_id = cart.reveal().to_owned();
    let request = SetItemQuantityRequest { cart_id, product_id, quantity, etag, request_id };
    let answer = shop.cart.clone().set_item_quantity(request).await.map(|answer| answer.into_inner().cart);
    let sent = Sent { action: "/cart/set", fields: fields.into(), done: Done::Changed };
    sent.answered(&shop, &visitor, answer).await
}

/// Takes a product out.
pub(in super::super) async fn remove(State(shop): State<Arc<Shop>>, visitor: Visitor, form: Form) -> Response {
    let (cart, request_id, product) = match named(&visitor, &form).and_then(|named| with_product(named, &form)) {
        Ok(named) => named,
        Err(refused) => return *refused,
    };
    let (product_id, etag) = (product.as_str().to_owned(), form.text("etag").to_owned());
    let fields = [("product_id", product_id.clone()), ("etag", etag.clone()), ("request_id", request_id.clone())];
    let request = RemoveItemRequest { cart_id: cart.reveal().to_owned(), product_id, etag, request_id };
    let answer = shop.cart.clone().remove_item(request).await.map(|answer| answer.into_inner().cart);
    let sent = Sent { action: "/cart/remove", fields: fields.into(), done: Done::Removed };
    sent.answered(&shop, &visitor, answer).await
}

/// Takes everything out.
pub(in super::super) async fn clear(State(shop): State<Arc<Shop>>, visitor: Visitor, form: Form) -> Response {
    let (cart, request_id) = match named(&visitor, &form) {
        Ok(named) => named,
        Err(refused) => return *refused,
    };
    let etag = form.text("etag").to_owned();
    let fields = [("etag", etag.clone()), ("request_id", request_id.clone())];
    let request = ClearCartRequest { cart_id: cart.reveal().to_owned(), etag, request_id };
    let answer = shop.cart.clone().clear_cart(request).await.map(|answer| answer.into_inner().cart);
    let sent = Sent { action: "/cart/clear", fields: fields.into(), done: Done::Cleared };
    sent.answered(&shop, &visitor, answer).await
}

/// Whose cart is changed, and the id of the change. Without a cart there is nothing to change.
fn named(visitor: &Visitor, form: &Form) -> Result<(CartId, String), Box<Response>> {
    let request_id = form.request_id()?;
    let cart = visitor.cart.clone().ok_or_else(|| Box::new(answer::see_other("/cart")))?;
    Ok((cart, request_id))
}

fn with_product(
    (cart, request_id): (CartId, String),
    form: &Form,
) -> Result<(CartId, String, ProductId), Box<Response>> {
    Ok((cart, request_id, form.product()?))
}

/// A form that was sent to cart.
struct Sent {
    action: &'static str,
    fields: Vec<(&'static str, String)>,
    done: Done,
}

impl Sent {
    /// What the browser gets for cart's answer.
    async fn answered(self, shop: &Shop, visitor: &Visitor, answer: Result<Option<Cart>, Status>) -> Response {
        let refusal = match answer {
            Ok(_changed) => {
                let kept = visitor.cart.as_ref().map(|id| CART.set(id, visitor.is_secure));
                let cookies = kept.map(|cookie| [(header::SET_COOKIE, cookie)]);
                let answer = answer::see_other(&self.done.href());
                return match cookies {
                    Some(cookies) => (cookies, answer).into_response(),
                    None => answer,
                };
            }
            Err(status) => Refusal::from(status),
        };
        if refusal.is_away() {
            return retry::page(visitor, self.action, self.fields);
        }
        let known = REFUSALS.iter().find(|(reason, _)| refusal.is(reason)).map(|(_, text)| *text);
        let text = known.unwrap_or("This could not be changed. Below is the cart as it is now.");
        page(shop, visitor, StatusCode::CONFLICT, |_| Some(Notice::bad(text)), None).await
    }
}

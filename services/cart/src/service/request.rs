//! Requests, parsed: everything wrong with one is found at once.

use contracts::cart::v1 as pb;
use mesh::Violations;
use prost::Message as _;
use rpc::{etag, once, principal, request_id};

use super::answer;
use crate::cart::{CartId, QUANTITY_MAX};
use crate::product::ProductId;
use crate::store::{Action, Answer, Write};

pub(super) fn cart(id: &str) -> Result<CartId, Violations> {
    CartId::parse(id).ok_or_else(|| Violations::one("cart_id", CartId::RULE))
}

pub(super) fn add(mut request: pb::AddItemRequest) -> Result<(Write, Action), Violations> {
    let mut violations = Violations::default();
    let id = request_id(&mut request.request_id, &mut violations);
    let made = Made::parse(&request.cart_id, &request.etag, &mut violations);
    let product = product_in(&request.product_id, &mut violations);
    let quantity = quantity_in(request.quantity, &mut violations);
    violations.clone().check()?;
    let (Some(product), Some(quantity)) = (product, quantity) else { return Err(violations) };
    let answer: Answer = |view| pb::AddItemResponse { cart: Some(answer::cart(view)) }.encode_to_vec();
    let write = made.write("souk.cart.v1.CartService/AddItem", id, &request.encode_to_vec(), answer);
    Ok((write, Action::Add(product, quantity)))
}

pub(super) fn set(mut request: pb::SetItemQuantityRequest) -> Result<(Write, Action), Violations> {
    let mut violations = Violations::default();
    let id = request_id(&mut request.request_id, &mut violations);
    let made = Made::known(&request.cart_id, &request.etag, &mut violations);
    let product = product_in(&request.product_id, &mut violations);
    let quantity = quantity_in(request.quantity, &mut violations);
    violations.clone().check()?;
    let (Some(product), Some(quantity)) = (product, quantity) else { return Err(violations) };
    let answer: Answer = |view| pb::SetItemQuantityResponse { cart: Some(answer::cart(view)) }.encode_to_vec();
    let write = made.write("souk.cart.v1.CartService/SetItemQuantity", id, &request.encode_to_vec(), answer);
    Ok((write, Action::Set(product, quantity)))
}

pub(super) fn remove(mut request: pb::RemoveItemRequest) -> Result<(Write, Action), Violations> {
    let mut violations = Violations::default();
    let id = request_id(&mut request.request_id, &mut violations);
    let made = Made::known(&request.cart_id, &request.etag, &mut violations);
    let product = product_in(&request.product_id, &mut violations);
    violations.clone().check()?;
    let Some(product) = product else { return Err(violations) };
    let answer: Answer = |view| pb::RemoveItemResponse { cart: Some(answer::cart(view)) }.encode_to_vec();
    let write = made.write("souk.cart.v1.CartService/RemoveItem", id, &request.encode_to_vec(), answer);
    Ok((write, Action::Remove(product)))
}

pub(super) fn clear(mut request: pb::ClearCartRequest) -> Result<(Write, Action), Violations> {
    let mut violations = Violations::default();
    let id = request_id(&mut request.request_id, &mut violations);
    let made = Made::known(&request.cart_id, &request.etag, &mut violations);
    violations.check()?;
    let answer: Answer = |view| pb::ClearCartResponse { cart: Some(answer::cart(view)) }.encode_to_vec();
    Ok((made.write("souk.cart.v1.CartService/ClearCart", id, &request.encode_to_vec(), answer), Action::Clear))
}

pub(super) fn merge(mut request: pb::MergeCartsRequest) -> Result<(Write, CartId), Violations> {
    let mut violations = Violations::default();
    let id = request_id(&mut request.request_id, &mut violations);
    let made = Made::parse(&request.cart_id, &request.etag, &mut violations);
    let source = CartId::parse(&request.source_cart_id);
    match &source {
        None => violations.add("source_cart_id", CartId::RULE),
        Some(_) if source == made.cart => violations.add("source_cart_id", "must be another cart than cart_id"),
        Some(_) => {}
    }
    violations.clone().check()?;
    let Some(source) = source else { return Err(violations) };
    let answer: Answer = |view| pb::MergeCartsResponse { cart: Some(answer::cart(view)) }.encode_to_vec();
    Ok((made.write("souk.cart.v1.CartService/MergeCarts", id, &request.encode_to_vec(), answer), source))
}

/// Which cart a write is for, and which version of it.
struct Made {
    /// `None`: one that is made.
    cart: Option<CartId>,
    etag: Option<String>,
}

impl Made {
    /// Of a write that makes a cart where it names none.
    fn parse(id: &str, etag: &str, violations: &mut Violations) -> Self {
        if !id.is_empty() {
            return Self::known(id, etag, violations);
        }
        if !etag.is_empty() {
            violations.add("etag", "must be empty where cart_id is");
        }
        Self { cart: None, etag: None }
    }

    /// Of a write that names its cart.
    fn known(id: &str, version: &str, violations: &mut Violations) -> Self {
        let cart = CartId::parse(id);
        if cart.is_none() {
            violations.add("cart_id", CartId::RULE);
        }
        Self { cart, etag: etag(version, "etag", violations) }
    }

    fn write(self, rpc: &'static str, request_id: String, content: &[u8], answer: Answer) -> Write {
        let scope = self.cart.as_ref().map_or_else(principal, |cart| cart.as_str().to_owned());
        Write { request: once(scope, rpc, request_id, content), cart: self.cart, etag: self.etag, answer }
    }
}

fn product_in(id: &str, violations: &mut Violations) -> Option<ProductId> {
    let product = ProductId::parse(id);
    if product.is_none() {
        violations.add("product_id", ProductId::RULE);
    }
    product
}

fn quantity_in(quantity: i32, violations: &mut Violations) -> Option<u32> {
    let quantity = u32::try_from(quantity).ok().filter(|quantity| (1..=QUANTITY_MAX).contains(quantity));
    if quantity.is_none() {
        violations.add("quantity", format!("must be 1 to {QUANTITY_MAX}"));
    }
    quantity
}

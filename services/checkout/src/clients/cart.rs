//! Carts as checkout sees them: read once, and emptied when their order stands.

use contracts::cart::v1 as pb;
use rpc::money::Currency;
use tonic::Code;

use super::{Away, Clients, Unanswered, reason, unanswered};
use crate::derived;
use crate::quote::Cart;
use rpc::Capability;

/// What came of emptying a cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cleared {
    /// It is empty, was changed meanwhile, or is gone.
    Done,
    Unknown(Unanswered),
}

/// There is no such cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CartNotFound;

impl Clients {
    /// A cart as it is.
    pub(crate) async fn cart(&self, id: &Capability) -> Result<Result<Cart, CartNotFound>, Away> {
        let away = |status| Away { service: "cart", status };
        let request = pb::GetCartRequest { cart_id: id.as_str().to_owned() };
        let cart = match self.cart.clone().get_cart(request).await {
            Ok(answer) => answer.into_inner().cart.unwrap_or_default(),
            Err(status) if status.code() == Code::NotFound => return Ok(Err(CartNotFound)),
            Err(status) => return Err(away(status)),
        };
        let item = |item: pb::CartItem| Some((item.product_id, u32::try_from(item.quantity).ok()?));
        let currency = Currency::parse(&cart.currency_code);
        let items: Option<Vec<_>> = cart.items.into_iter().map(item).collect();
        let odd = || away(tonic::Status::internal("its cart makes no sense"));
        let items = items.ok_or_else(odd)?;
        if currency.is_none() && !items.is_empty() {
            return Err(odd());
        }
        Ok(Ok(Cart { etag: cart.etag, currency, items }))
    }

    /// Empties an order's cart, if it is still the one that was ordered: what was added since stays.
    pub(crate) async fn clear_cart(&self, order: &Capability, cart: &Capability, etag: &str) -> Cleared {
        let request = pb::ClearCartRequest {
            cart_id: cart.as_str().to_owned(),
            etag: etag.to_owned(),
            request_id: derived::request_id(order, "clear-cart"),
        };
        match self.cart.clone().clear_cart(request).await {
            Ok(_) => Cleared::Done,
            Err(status) => match (status.code(), reason(&status).as_str()) {
                (Code::NotFound, _) | (Code::Aborted, "ETAG_MISMATCH") => Cleared::Done,
                _ => Cleared::Unknown(unanswered(&status)),
            },
        }
    }
}

//! Carts and the copy of the catalog in their database: every read and every write.
//!
//! A cart is one row, read with its products by one statement and written by another, which finds the row only in the version
//! that was read: whatever else went wrong, no update is lost.

pub mod audit;
mod copy;
mod edit;
mod expire;
mod load;
mod merge;
mod row;

use ::store::{Migration, Request, Store, migration};

use crate::cart::{Cart, CartId};
use crate::error::{Error, unexpected};
use crate::product::{News, Product, ProductId};

pub(crate) use copy::{Copy, Products, SOURCE, complete};
pub(crate) use edit::Action;
pub(crate) use expire::EXPIRED_MAX;

/// The schema of this service.
pub(crate) const MIGRATIONS: &[Migration] =
    &[migration!(1, "0001_carts"), migration!(2, "0002_rows_in_order_of_insertion")];

/// Reads an event of the catalog: its type and its payload.
pub(crate) type Read = fn(&str, &[u8]) -> Result<News, Unreadable>;

/// Encodes the answer to a write, to be given again.
pub(crate) type Answer = fn(&View) -> Vec<u8>;

/// Why an event of the catalog cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("read an event of the catalog: {0}")]
pub(crate) struct Unreadable(pub(crate) String);

/// A cart, and its items' products in their order, as far as the copy of the catalog has them.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) cart: Cart,
    pub(crate) products: std::collections::HashMap<ProductId, Product>,
}

/// What a write takes, whatever it does.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    /// The cart that is written. `None`: a new one.
    pub(crate) cart: Option<CartId>,
    /// The version that is meant. `None`: whatever it is.
    pub(crate) etag: Option<String>,
    pub(crate) request: Request,
    pub(crate) answer: Answer,
}

/// Carts.
#[derive(Clone, Debug)]
pub(crate) struct Carts {
    store: Store,
}

impl Carts {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// A cart as it is.
    pub(crate) async fn get(&self, id: CartId) -> Result<View, Error> {
        self.store.read("GetCart", move |connection| load::read(connection, id)).await?.ok_or(Error::CartNotFound)
    }

    /// Changes one cart, or gives the first answer to this request again, encoded.
    pub(crate) async fn edit(&self, write: Write, action: Action) -> Result<Vec<u8>, Error> {
        let target = Target::of(write.cart)?;
        let Write { etag, request, answer, .. } = write;
        self.store.write(edit::Edit { target, etag, request, answer, action }).await
    }

    /// Moves everything from another cart into one, or gives the first answer to this request again, encoded.
    pub(crate) async fn merge(&self, write: Write, source: CartId) -> Result<Vec<u8>, Error> {
        let target = Target::of(write.cart)?;
        let Write { etag, request, answer, .. } = write;
        self.store.write(merge::Merge { target, source, etag, request, answer }).await
    }

    /// Deletes carts whose time is over, the oldest first, at most [`EXPIRED_MAX`]; how many.
    pub(crate) async fn expire(&self) -> Result<u64, Error> {
        self.store.write(expire::Expire).await
    }
}

/// The cart that a unit writes.
#[derive(Clone, Debug)]
enum Target {
    /// One that must be there.
    Known(CartId),
    /// One that is made, unless the request was answered before.
    New(CartId),
}

impl Target {
    fn of(cart: Option<CartId>) -> Result<Self, Error> {
        match cart {
            Some(id) => Ok(Self::Known(id)),
            None => Ok(Self::New(CartId::random().map_err(|error| unexpected("make a cart's id", error))?)),
        }
    }

    fn id(&self) -> &CartId {
        match self {
            Self::Known(id) | Self::New(id) => id,
        }
    }

    /// The cart as it was loaded, in the version that is meant; or a new one.
    fn found(&self, cart: Option<Cart>, etag: Option<&str>, now_us: i64) -> Result<Cart, Error> {
        let cart = match (self, cart) {
            (Self::Known(_), None) => return Err(Error::CartNotFound),
            (Self::Known(_), Some(cart)) => cart,
            (Self::New(id), _) => Cart::new(id.clone(), now_us),
        };
        match etag {
            Some(etag) if etag != cart.etag() => Err(Error::EtagMismatch),
            Some(_) | None => Ok(cart),
        }
    }
}

/// What units of this cart lock.
fn key(id: &CartId) -> String {
    format!("cart/{}", id.as_str())
}

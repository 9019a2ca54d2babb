//! What can go wrong, and the gRPC status each of it becomes.

use std::sync::Arc;

use mesh::Violations;
use rpc::Domain;
use rpc::money::Currency;
use tonic::{Code, Status};

use crate::cart::{ITEMS_MAX, QUANTITY_MAX, Refused};
use crate::product::ProductId;

/// The domain of every `ErrorInfo`.
pub(crate) const DOMAIN: Domain = Domain::new("souk.cart.v1");

/// Why a call is refused. None names the cart: its id is the right to it.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the request is invalid")]
    Invalid(Violations),
    #[error("there is no such cart, or it has expired")]
    CartNotFound,
    #[error("there is no product {0}")]
    ProductNotFound(ProductId),
    #[error("product {0} is no longer sold")]
    ProductDiscontinued(ProductId),
    #[error("product {0} is not in the cart")]
    ItemNotFound(ProductId),
    #[error("the product is priced in {product}, the cart in {cart}")]
    ProductCurrency { cart: Currency, product: Currency },
    #[error("the other cart is priced in {source_cart}, this one in {cart}")]
    CartCurrency { cart: Currency, source_cart: Currency },
    #[error("a cart has at most {ITEMS_MAX} products")]
    CartFull,
    #[error("a cart has at most {QUANTITY_MAX} units of product {0}")]
    QuantityLimit(ProductId),
    #[error("the catalog has not been seen yet")]
    CatalogNotSeen,
    #[error("the cart is no longer the one of this etag: read it again")]
    EtagMismatch,
    #[error("the database did not do it")]
    Store(#[source] store::Error),
}

impl Error {
    /// Why nothing could be added, set or removed.
    pub(crate) fn of_product(refused: Refused) -> Self {
        match refused {
            Refused::Currency(cart, product) => Self::ProductCurrency { cart, product },
            Refused::Full => Self::CartFull,
            Refused::Quantity(product) => Self::QuantityLimit(product),
            Refused::NotThere(product) => Self::ItemNotFound(product),
        }
    }

    /// Why two carts are not joined.
    pub(crate) fn of_merge(refused: Refused) -> Self {
        match refused {
            Refused::Currency(cart, source_cart) => Self::CartCurrency { cart, source_cart },
            Refused::Full | Refused::Quantity(_) | Refused::NotThere(_) => Self::of_product(refused),
        }
    }
}

/// What cannot be unless the database was written by somebody else, or the system has no random numbers.
pub(crate) fn unexpected(
    attempted: &'static str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> store::Error {
    store::Error::Internal { attempted, source: Arc::new(source) }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<Violations> for Error {
    fn from(violations: Violations) -> Self {
        Self::Invalid(violations)
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let about = |code, reason, id: &ProductId| DOMAIN.about(code, &message, reason, [("product_id", id.as_str())]);
        let mismatch = |cart: Currency, key, other: Currency| {
            let metadata = [("cart_currency", cart.code()), (key, other.code())];
            DOMAIN.about(Code::FailedPrecondition, &message, "CURRENCY_MISMATCH", metadata)
        };
        match error {
            Error::Invalid(violations) => DOMAIN.invalid(&violations),
            Error::CartNotFound => DOMAIN.status(Code::NotFound, &message, "CART_NOT_FOUND"),
            Error::ProductNotFound(id) => about(Code::NotFound, "PRODUCT_NOT_FOUND", &id),
            Error::ProductDiscontinued(id) => about(Code::FailedPrecondition, "PRODUCT_DISCONTINUED", &id),
            Error::ItemNotFound(id) => about(Code::NotFound, "ITEM_NOT_FOUND", &id),
            Error::ProductCurrency { cart, product } => mismatch(cart, "product_currency", product),
            Error::CartCurrency { cart, source_cart } => mismatch(cart, "source_currency", source_cart),
            Error::CartFull => DOMAIN.status(Code::FailedPrecondition, &message, "CART_FULL"),
            Error::QuantityLimit(id) => about(Code::FailedPrecondition, "QUANTITY_LIMIT", &id),
            Error::CatalogNotSeen => DOMAIN.again(&message, "CATALOG_NOT_SEEN"),
            Error::EtagMismatch => DOMAIN.status(Code::Aborted, &message, "ETAG_MISMATCH"),
            Error::Store(error) => DOMAIN.store(&error),
        }
    }
}

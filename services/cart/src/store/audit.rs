//! What is in this service's copy of the catalog, for whoever checks it from outside.

use ::store::{Error, Range, Reader, Statement};
use rpc::money::Money;

use super::row;
use crate::product::{self, State};

const PRODUCTS: Statement = Statement::new(
    "SELECT products",
    "SELECT product_id, name, currency, price_minor, picture_uri, state FROM products \
     WHERE product_id >= $1 AND product_id <= $2 ORDER BY product_id LIMIT $3",
);

/// A product as it is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub product_id: String,
    /// The beginning of its name.
    pub name: String,
    /// What it costs.
    pub price: Money,
    /// Its first picture; empty: it has none.
    pub picture_uri: String,
    /// Whether it is sold, or discontinued. Nothing: it is deleted, and stays for the carts that have it.
    pub active: Option<bool>,
}

/// Products in the order of their ids, deleted ones included.
///
/// # Errors
/// See [`Error`].
pub async fn products(reader: &mut Reader, range: &Range) -> Result<Vec<Product>, Error> {
    let mut products = Vec::new();
    for found in reader.fetch_all(&PRODUCTS, range.values()).await? {
        let Some(product) = row::product(&found)? else { continue };
        let active = match product.state {
            State::Active => Some(true),
            State::Discontinued => Some(false),
            State::Deleted => None,
        };
        let (product_id, product::Product { name, price, picture_uri, .. }) = (found.get("product_id")?, product);
        products.push(Product { product_id, name, price, picture_uri, active });
    }
    Ok(products)
}

/// The part of a name that is copied.
#[must_use]
pub fn copied_name(name: &str) -> String {
    product::cut(name)
}

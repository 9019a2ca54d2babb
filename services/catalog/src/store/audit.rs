//! What is in this service's database, for whoever checks copies of it from outside.

use ::store::{Error, Range, Reader, Row, Statement};
use rpc::money::Money;

use super::row::{self, columns};
use crate::product;

const PRODUCTS: Statement = Statement::new(
    "SELECT products",
    concat!(
        "SELECT ",
        columns!(),
        " FROM products WHERE product_id >= $1 AND product_id <= $2 ORDER BY product_id LIMIT $3"
    ),
);

/// A product, as far as others copy it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub product_id: String,
    /// Its whole name.
    pub name: String,
    /// What it costs.
    pub price: Money,
    /// Its first picture; empty: it has none.
    pub picture_uri: String,
    /// Whether it is sold, or discontinued.
    pub active: bool,
    /// The revision of its newest event.
    pub revision: u64,
}

/// Products in the order of their ids.
///
/// # Errors
/// See [`Error`].
pub async fn products(reader: &mut Reader, range: &Range) -> Result<Vec<Product>, Error> {
    let rows = reader.fetch_all(&PRODUCTS, range.values()).await?;
    rows.iter().map(product).collect()
}

fn product(row: &Row) -> Result<Product, Error> {
    let product = row::product(row)?;
    let content = product.content;
    Ok(Product {
        product_id: product.id.as_str().to_owned(),
        name: content.name,
        price: content.price,
        picture_uri: content.pictures.into_iter().next().map(|picture| picture.uri).unwrap_or_default(),
        active: content.state == product::State::Active,
        revision: product.revision,
    })
}

//! Rows, read and written.

use std::sync::Arc;

use ::store::{Error as StoreError, Row};
use rpc::money::{Currency, Money};

use crate::cart::{Cart, CartId, Item};
use crate::product::{Product, ProductId, State};

/// The items of a cart as they are stored.
pub(super) fn items_text(items: &[Item]) -> Result<String, StoreError> {
    let rows: Vec<_> = items.iter().map(|item| (item.product.as_str(), item.quantity, item.create_us)).collect();
    let failed = |error| StoreError::Internal { attempted: "encode items", source: Arc::new(error) };
    serde_json::to_string(&rows).map_err(failed)
}

/// Reads a cart that may not be there, without its items.
pub(super) fn cart(row: &Row, id: &CartId) -> Result<Option<Cart>, StoreError> {
    let revision: Option<u64> = row.get("revision")?;
    let Some(revision) = revision else { return Ok(None) };
    let currency: String = row.get("cart_currency")?;
    let currency = (!currency.is_empty()).then(|| self::currency(&currency)).transpose()?;
    let (create_us, update_us) = (row.get("create_us")?, row.get("update_us")?);
    Ok(Some(Cart { id: id.clone(), items: Vec::new(), currency, create_us, update_us, revision }))
}

/// Reads an item, unless the row is that of a product that was asked for besides.
pub(super) fn item(row: &Row, product: &ProductId) -> Result<Option<Item>, StoreError> {
    let quantity: Option<u32> = row.get("quantity")?;
    let Some(quantity) = quantity else { return Ok(None) };
    Ok(Some(Item { product: product.clone(), quantity, create_us: row.get("item_create_us")? }))
}

/// Reads a product that may not be there.
pub(super) fn product(row: &Row) -> Result<Option<Product>, StoreError> {
    let number: Option<i64> = row.get("state")?;
    let Some(number) = number else { return Ok(None) };
    let currency: String = row.get("currency")?;
    Ok(Some(Product {
        name: row.get("name")?,
        price: Money::new(self::currency(&currency)?, row.get("price_minor")?),
        picture_uri: row.get("picture_uri")?,
        state: state(number)?,
    }))
}

pub(super) fn product_id(id: &str) -> Result<ProductId, StoreError> {
    ProductId::parse(id).ok_or_else(|| corrupt("product_id", "it is no id"))
}

pub(super) fn state_number(state: State) -> i64 {
    match state {
        State::Active => 1,
        State::Discontinued => 2,
        State::Deleted => 3,
    }
}

fn state(number: i64) -> Result<State, StoreError> {
    match number {
        1 => Ok(State::Active),
        2 => Ok(State::Discontinued),
        3 => Ok(State::Deleted),
        _ => Err(corrupt("state", "it is no state")),
    }
}

fn currency(code: &str) -> Result<Currency, StoreError> {
    Currency::parse(code).ok_or_else(|| corrupt("currency", "it is no currency"))
}

fn corrupt(what: &'static str, why: &'static str) -> StoreError {
    StoreError::Corrupt { attempted: "SELECT carts", what, source: Arc::new(std::io::Error::other(why)) }
}

//! A product as a row, and the categories that it is listed in.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::store::{Error as StoreError, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::product::{CategoryPath, Content, Product, ProductId, Rating, State};
use rpc::money::{Currency, Money};

/// The columns of a product, as [`product`] reads them.
macro_rules! columns {
    () => {
        "product_id, name, description, brand, categories, currency, price, list_price, pictures, attributes, rating, \
         rating_count, sku, state, create_us, update_us, revision"
    };
}
pub(super) use columns;

/// A product as the upsert takes it, in a JSON list.
#[derive(Serialize)]
pub(super) struct ProductRow<'a> {
    product_id: &'a str,
    name: &'a str,
    description: &'a str,
    brand: &'a str,
    categories: &'a [CategoryPath],
    currency: &'static str,
    price: i64,
    list_price: Option<i64>,
    pictures: &'a [crate::product::Picture],
    attributes: &'a [crate::product::Attribute],
    rating: Option<u32>,
    rating_count: Option<u32>,
    sku: &'a str,
    state: i64,
    create_us: i64,
    update_us: i64,
    revision: u64,
}

/// A category that a product is in or below, in a JSON list.
#[derive(Serialize)]
pub(super) struct CategoryRow<'a> {
    category: String,
    product_id: &'a str,
    parent: String,
    name: &'a str,
    brand: &'a str,
    state: i64,
}

impl<'a> ProductRow<'a> {
    pub(super) fn of(product: &'a Product) -> Self {
        let content = &product.content;
        Self {
            product_id: product.id.as_str(),
            name: &content.name,
            description: &content.description,
            brand: &content.brand,
            categories: &content.categories,
            currency: content.price.currency().code(),
            price: content.price.minor(),
            list_price: content.list_price.map(Money::minor),
            pictures: &content.pictures,
            attributes: &content.attributes,
            rating: content.rating.map(|rating| rating.average_hundredths),
            rating_count: content.rating.map(|rating| rating.count),
            sku: &content.sku,
            state: state_number(content.state),
            create_us: product.create_us,
            update_us: product.update_us,
            revision: product.revision,
        }
    }
}

impl<'a> CategoryRow<'a> {
    /// Every category of the product's paths and above them, each once.
    pub(super) fn all_of(product: &'a Product) -> Vec<Self> {
        let content = &product.content;
        let mut rows = BTreeMap::new();
        for path in &content.categories {
            let mut parent = String::new();
            for (depth, name) in path.names().iter().enumerate() {
                let category = category_key(&path.names()[..=depth]);
                let row = Self {
                    category: category.clone(),
                    product_id: product.id.as_str(),
                    parent: std::mem::replace(&mut parent, category.clone()),
                    name,
                    brand: &content.brand,
                    state: state_number(content.state),
                };
                rows.insert(category, row);
            }
        }
        rows.into_values().collect()
    }

    /// Whether these two have the same rows.
    pub(super) fn are_the_same(old: &Content, new: &Content) -> bool {
        old.categories == new.categories && old.brand == new.brand && old.state == new.state
    }
}

/// What stands for a category: a digest of its names, since the names may be longer than an index takes. Root: empty.
pub(super) fn category_key(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let mut digest = Sha256::new();
    for name in names {
        digest.update((name.len() as u64).to_be_bytes());
        digest.update(name);
    }
    digest.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn state_number(state: State) -> i64 {
    match state {
        State::Active => 1,
        State::Discontinued => 2,
    }
}

/// Reads a product from the columns of [`columns`].
pub(super) fn product(row: &Row) -> Result<Product, StoreError> {
    let id: String = row.get("product_id")?;
    let currency: String = row.get("currency")?;
    let currency = Currency::parse(&currency).ok_or_else(|| corrupt("currency", "it is no currency"))?;
    let rating: Option<u32> = row.get("rating")?;
    let count: Option<u32> = row.get("rating_count")?;
    let list_price: Option<i64> = row.get("list_price")?;
    let content = Content {
        name: row.get("name")?,
        description: row.get("description")?,
        brand: row.get("brand")?,
        categories: list(row, "categories")?,
        price: Money::new(currency, row.get("price")?),
        list_price: list_price.map(|minor| Money::new(currency, minor)),
        pictures: list(row, "pictures")?,
        attributes: list(row, "attributes")?,
        rating: rating.map(|average_hundredths| Rating { average_hundredths, count: count.unwrap_or_default() }),
        sku: row.get("sku")?,
        state: match row.get("state")? {
            1_i64 => State::Active,
            2 => State::Discontinued,
            _ => return Err(corrupt("state", "it is no state")),
        },
    };
    Ok(Product {
        id: ProductId::parse(&id).ok_or_else(|| corrupt("product_id", "it is no id"))?,
        content,
        create_us: row.get("create_us")?,
        update_us: row.get("update_us")?,
        revision: row.get("revision")?,
    })
}

fn list<T: DeserializeOwned>(row: &Row, column: &'static str) -> Result<Vec<T>, StoreError> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| StoreError::Corrupt {
        attempted: "SELECT products",
        what: column,
        source: Arc::new(error),
    })
}

fn corrupt(what: &'static str, why: &'static str) -> StoreError {
    StoreError::Corrupt { attempted: "SELECT products", what, source: Arc::new(std::io::Error::other(why)) }
}

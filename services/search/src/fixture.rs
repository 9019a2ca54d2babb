//! Products for tests, said shortly.

use rpc::money::{Currency, Money};

use crate::index::{Change, What};
use crate::product::{CategoryPath, Product, Rating};

/// A product of this name at ten euros.
pub(crate) fn product(name: &str) -> Product {
    Product {
        name: name.to_owned(),
        description: String::new(),
        brand: String::new(),
        categories: Vec::new(),
        attributes: Vec::new(),
        sku: String::new(),
        price: money("EUR", 1_000),
        rating: None,
        shown: name.as_bytes().to_vec(),
    }
}

pub(crate) fn money(code: &str, minor: u64) -> Money {
    Money::new(Currency::parse(code).unwrap(), i64::try_from(minor).unwrap())
}

pub(crate) fn path(names: &[&str]) -> CategoryPath {
    CategoryPath { names: names.iter().map(|name| (*name).to_owned()).collect() }
}

pub(crate) fn rating(average_hundredths: u16, count: u32) -> Option<Rating> {
    Some(Rating { average_hundredths, count })
}

/// The product is this, from this revision on.
pub(crate) fn made(id: &str, revision: u64, product: Product) -> Change {
    Change { id: id.to_owned(), revision, what: What::Product(Box::new(product)), time_us: Some(1) }
}

pub(crate) fn deleted(id: &str, revision: u64) -> Change {
    Change { id: id.to_owned(), revision, what: What::Deleted, time_us: Some(1) }
}

pub(crate) fn stock(id: &str, revision: u64, in_stock: bool) -> Change {
    Change { id: id.to_owned(), revision, what: What::Stock { in_stock }, time_us: Some(1) }
}

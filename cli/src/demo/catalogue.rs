//! The demo catalogue: a data file inside the binary, as products of the contract.

use std::sync::LazyLock;

use contracts::{
    catalog::v1::{Attribute, CategoryPath, Picture, Product, Rating},
    google::r#type::Money,
};
use serde::Deserialize;

use super::price::Price;

/// The file, which is read once.
const FILE: &str = include_str!("../../demo/products.json");

/// What stands between two names of a category's path.
const SEPARATOR: &str = " > ";

/// A product, and how many of it there are.
#[derive(Debug)]
pub(super) struct Stocked {
    pub(super) product: Product,
    /// Units that came in, of which none was sold yet.
    pub(super) received: i64,
}

/// All products, in the file's order.
///
/// # Panics
/// If the file is wrong, which a test keeps from being released.
pub(super) fn get() -> &'static [Stocked] {
    static PRODUCTS: LazyLock<Vec<Stocked>> =
        LazyLock::new(|| parse(FILE).expect("the demo catalogue was checked when this was built"));
    &PRODUCTS
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    currency: String,
    products: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    product_id: String,
    name: String,
    brand: String,
    category: String,
    price: Price,
    list_price: Option<Price>,
    description: String,
    attributes: Vec<EntryAttribute>,
    rating: Option<EntryRating>,
    picture: EntryPicture,
    /// Units in stock.
    stock: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryAttribute {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryRating {
    average: f64,
    count: i32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryPicture {
    uri: String,
    alt: String,
}

fn parse(json: &str) -> serde_json::Result<Vec<Stocked>> {
    let file: File = serde_json::from_str(json)?;
    let stocked = |entry: Entry| Stocked { received: entry.stock.into(), product: entry.into_product(&file.currency) };
    Ok(file.products.into_iter().map(stocked).collect())
}

impl Entry {
    fn into_product(self, currency: &str) -> Product {
        let money = |price: Price| Money { currency_code: currency.to_owned(), units: price.units, nanos: price.nanos };
        let attribute = |attribute: EntryAttribute| Attribute { name: attribute.name, value: attribute.value };
        Product {
            product_id: self.product_id,
            name: self.name,
            description: self.description,
            brand: self.brand,
            categories: vec![CategoryPath { names: self.category.split(SEPARATOR).map(str::to_owned).collect() }],
            price: Some(money(self.price)),
            list_price: self.list_price.map(money),
            pictures: vec![Picture { uri: self.picture.uri, alt_text: self.picture.alt }],
            attributes: self.attributes.into_iter().map(attribute).collect(),
            rating: self.rating.map(|rating| Rating { average: rating.average, count: rating.count }),
            ..Product::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;

    #[test]
    fn there_are_at_least_120_products_each_with_an_id_of_its_own() {
        let ids: BTreeSet<_> = get().iter().map(|one| &one.product.product_id).collect();
        assert_eq!(ids.len(), get().len());
        assert!(ids.len() >= 120, "{}", ids.len());
    }

    #[test]
    fn every_product_has_its_picture_in_the_storefront() {
        let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services/storefront/assets");
        let pictures = get().iter().flat_map(|one| &one.product.pictures);
        let missing: Vec<_> =
            pictures.filter(|picture| !assets.join(picture.uri.trim_start_matches('/')).is_file()).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn there_is_plenty_of_some_little_of_others_and_nothing_of_a_few() {
        let of =
            |units: std::ops::RangeInclusive<i64>| get().iter().filter(|one| units.contains(&one.received)).count();
        assert!(of(0..=0) > 0 && of(1..=5) > 0 && of(20..=i64::MAX) > 0);
    }

    #[test]
    fn a_reduced_price_is_below_the_one_before() {
        for Stocked { product, .. } in get() {
            let Some(before) = &product.list_price else { continue };
            let now = product.price.as_ref().unwrap();
            assert!((before.units, before.nanos) > (now.units, now.nanos), "{}", product.product_id);
        }
    }

    #[test]
    fn a_field_that_is_misspelt_is_an_error() {
        assert!(parse(r#"{"currency": "USD", "products": [], "productz": []}"#).is_err());
    }
}

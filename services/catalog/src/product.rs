//! A product, as everything behind the door sees it: valid by construction.
//!
//! The limits are the contract's. Whoever makes one of these types from outside text checks it first; the database holds
//! only what was checked.

pub(crate) mod text;

use mesh::Violations;
use serde::{Deserialize, Serialize};

pub(crate) use rpc::ProductId;
use rpc::money::Money;

/// The most units a price has.
pub(crate) const PRICE_UNITS_MAX: i64 = 1_000_000_000_000;
/// The most characters of a brand, in products and in filters.
pub(crate) const BRAND_MAX: usize = 200;
/// The most bytes of a product, encoded.
pub(crate) const ENCODED_MAX: usize = 32 * 1024;

/// A way through the categories, from the root down: 1 to 8 names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct CategoryPath {
    names: Vec<String>,
}

impl CategoryPath {
    /// How deep categories go, and how long their names are.
    pub(crate) const NAMES_MAX: usize = 8;
    pub(crate) const NAME_MAX: usize = 100;

    /// Names that were checked.
    pub(crate) fn new(names: Vec<String>) -> Self {
        Self { names }
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn into_names(self) -> Vec<String> {
        self.names
    }
}

/// A picture of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Picture {
    pub(crate) uri: String,
    pub(crate) alt_text: String,
}

/// A property of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// A summary of ratings. The average is in hundredths of stars, 100 to 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rating {
    pub(crate) average_hundredths: u32,
    pub(crate) count: u32,
}

impl Rating {
    /// The most ratings there are.
    pub(crate) const COUNT_MAX: u32 = 1_000_000_000;

    /// An average in stars as hundredths, rounded half up.
    pub(crate) fn hundredths(average: f64) -> Option<u32> {
        // A comparison with NaN is false.
        if !(1.0..=5.0).contains(&average) {
            return None;
        }
        let rounded = (average * 100.0).round();
        (100..=500).find(|hundredths| f64::from(*hundredths) >= rounded)
    }

    pub(crate) fn average(self) -> f64 {
        f64::from(self.average_hundredths) / 100.0
    }
}

/// Whether a product can be bought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    #[default]
    Active,
    Discontinued,
}

/// What whoever keeps a product says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) brand: String,
    pub(crate) categories: Vec<CategoryPath>,
    pub(crate) price: Money,
    pub(crate) list_price: Option<Money>,
    pub(crate) pictures: Vec<Picture>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) rating: Option<Rating>,
    pub(crate) sku: String,
    pub(crate) state: State,
}

impl Content {
    /// What only shows once all fields are together. Paths are those of a product on its own.
    pub(crate) fn check(&self) -> Result<(), Violations> {
        match self.list_price {
            Some(list_price) if list_price.currency() != self.price.currency() => {
                Err(Violations::one("list_price.currency_code", "must be the currency of the price"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// A whole product as a caller states it; `None` keeps the state, and makes a new product active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) content: Content,
    pub(crate) state: Option<State>,
}

impl Draft {
    /// What becomes of `old`, or of nothing.
    pub(crate) fn onto(&self, old: Option<&Content>) -> Content {
        let kept = old.map_or(State::Active, |old| old.state);
        Content { state: self.state.unwrap_or(kept), ..self.content.clone() }
    }
}

/// New values of some fields; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) brand: Option<String>,
    pub(crate) categories: Option<Vec<CategoryPath>>,
    pub(crate) price: Option<Money>,
    pub(crate) list_price: Option<Option<Money>>,
    pub(crate) pictures: Option<Vec<Picture>>,
    pub(crate) attributes: Option<Vec<Attribute>>,
    pub(crate) rating: Option<Option<Rating>>,
    pub(crate) sku: Option<String>,
    pub(crate) state: Option<State>,
}

impl Change {
    /// What becomes of `old`.
    pub(crate) fn onto(&self, old: &Content) -> Content {
        fn or<T: Clone>(new: Option<&T>, old: &T) -> T {
            new.unwrap_or(old).clone()
        }
        Content {
            name: or(self.name.as_ref(), &old.name),
            description: or(self.description.as_ref(), &old.description),
            brand: or(self.brand.as_ref(), &old.brand),
            categories: or(self.categories.as_ref(), &old.categories),
            price: self.price.unwrap_or(old.price),
            list_price: self.list_price.unwrap_or(old.list_price),
            pictures: or(self.pictures.as_ref(), &old.pictures),
            attributes: or(self.attributes.as_ref(), &old.attributes),
            rating: self.rating.unwrap_or(old.rating),
            sku: or(self.sku.as_ref(), &old.sku),
            state: self.state.unwrap_or(old.state),
        }
    }
}

/// A product as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Product {
    pub(crate) id: ProductId,
    pub(crate) content: Content,
    /// Microseconds since 1970.
    pub(crate) create_us: i64,
    pub(crate) update_us: i64,
    /// Counts the changes of this id, over deletes too.
    pub(crate) revision: u64,
}

impl Product {
    /// Names this version of the product. A revision is never used twice for an id, so it is all that is needed.
    pub(crate) fn etag(&self) -> String {
        format!("r{:x}", self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_its_pattern_says() {
        for id in ["a", "0", "Blue-Mug_1.5~x", &"a".repeat(64)] {
            assert!(ProductId::parse(id).is_some(), "{id}");
        }
        for id in ["", "-a", ".a", "a/b", "a b", "é", "a\0", &"a".repeat(65)] {
            assert!(ProductId::parse(id).is_none(), "{id:?}");
        }
        assert!(ProductId::parse(ProductId::generate().as_str()).is_some());
    }

    #[test]
    fn an_average_is_kept_in_hundredths_rounded_half_up() {
        for (average, hundredths) in
            [(1.0, 100), (4.375, 438), (4.4, 440), (4.7, 470), (4.994, 499), (4.995_1, 500), (5.0, 500)]
        {
            assert_eq!(Rating::hundredths(average), Some(hundredths), "{average}");
        }
        for average in [0.99, 5.01, f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(Rating::hundredths(average), None, "{average}");
        }
    }
}

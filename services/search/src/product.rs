//! What search knows of a product.

use rpc::money::{Currency, Money};
use serde::{Deserialize, Serialize};

/// A product that can be found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) brand: String,
    pub(crate) categories: Vec<CategoryPath>,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) sku: String,
    #[serde(with = "price")]
    pub(crate) price: Money,
    pub(crate) rating: Option<Rating>,
    /// What is shown of it, encoded by the service. The index keeps it and does not look into it.
    #[serde(skip)]
    pub(crate) shown: Vec<u8>,
}

/// How a price is kept: its currency's code and its minor units.
mod price {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};

    use super::{Currency, Money};

    pub(super) fn serialize<S: Serializer>(price: &Money, serializer: S) -> Result<S::Ok, S::Error> {
        (price.currency().code(), price.minor()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
        let (code, minor) = <(String, i64)>::deserialize(deserializer)?;
        let currency = Currency::parse(&code).ok_or_else(|| D::Error::custom("no such currency"))?;
        Ok(Money::new(currency, minor))
    }
}

/// The place of a currency in [`Currency::ALL`]: currencies in the order of their codes.
pub(crate) fn currency_number(currency: Currency) -> u16 {
    let number = Currency::ALL.binary_search(&currency).ok();
    number.and_then(|number| u16::try_from(number).ok()).unwrap_or(u16::MAX)
}

/// An amount in minor units; prices are not negative.
pub(crate) fn minor(price: Money) -> u64 {
    u64::try_from(price.minor()).unwrap_or_default()
}

/// A way through the categories, from the root down.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct CategoryPath {
    pub(crate) names: Vec<String>,
}

impl CategoryPath {
    /// How deep categories go, and how long their names are.
    pub(crate) const NAMES_MAX: usize = 8;
    pub(crate) const NAME_MAX: usize = 100;

    /// Separates names in a key; a control character, so that no name has it.
    pub(crate) const SEPARATOR: char = '\u{1f}';

    /// The keys of this path and of all above it. A key orders below its path's, and its subtree follows it.
    pub(crate) fn keys(&self) -> impl Iterator<Item = String> + '_ {
        (1..=self.names.len()).map(|depth| key(&self.names[..depth]))
    }

    /// The key of this path.
    pub(crate) fn key(&self) -> String {
        key(&self.names)
    }

    /// The path of a key.
    pub(crate) fn of_key(key: &str) -> Self {
        Self { names: key.split(Self::SEPARATOR).map(str::to_owned).collect() }
    }
}

/// Every name ends with the separator but the last.
fn key(names: &[String]) -> String {
    names.join(&CategoryPath::SEPARATOR.to_string())
}

/// A summary of ratings. The average is in hundredths of stars, 100 to 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rating {
    pub(crate) average_hundredths: u16,
    pub(crate) count: u32,
}

/// Whether a product can be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Availability {
    Unknown,
    InStock,
    OutOfStock,
}

/// What is known of a product's stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stock {
    pub(crate) revision: u64,
    pub(crate) in_stock: bool,
}

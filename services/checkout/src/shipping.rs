//! Ways to deliver, by a table of places.
//!
//! A table is text, an entry a line (or between semicolons): a country, or `*` for any other; an id; how many working days it
//! takes; prices in minor units by currency, `*` for any other; and a name:
//!
//! ```text
//! DE express 1-2 EUR=990,USD=1190 Express delivery
//! * standard 3-5 EUR=490,*=0 Standard delivery
//! KP none
//! ```
//!
//! A country that has entries has those alone; one with `none` is not delivered to. An option without a price in the order's
//! currency is not offered.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use rpc::money::Currency;

use crate::country;
use crate::order::ShippingOption;

/// What the shop asks for a delivery unless it is told something else.
pub(crate) const DEFAULT: &str = "* standard 3-5 EUR=490,USD=590,GBP=450,CHF=690,JPY=600,*=0 Standard delivery; \
    * express 1-2 EUR=1290,USD=1490,GBP=1190,CHF=1590,JPY=1500 Express delivery";

/// The most options of a place.
pub(crate) const OPTIONS_MAX: usize = 10;
/// The most characters of a name.
const NAME_MAX: usize = 100;
/// The highest price: 1,000,000 units of a currency with four digits.
const PRICE_MAX: i64 = 10_000_000_000;
/// The longest delivery in working days.
const DAYS_MAX: u16 = 365;

/// Options by place; an empty country is any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shipping {
    places: HashMap<String, Vec<Offer>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Offer {
    id: String,
    name: String,
    days: (u16, u16),
    /// By the currency's code; an empty one is any other.
    prices: BTreeMap<String, i64>,
}

impl Shipping {
    /// What is offered in a country at prices in a currency, the cheapest first.
    pub(crate) fn options(&self, country: &str, currency: Currency) -> Vec<ShippingOption> {
        let offers = self.places.get(country).or_else(|| self.places.get("")).map_or(&[][..], Vec::as_slice);
        let option = |offer: &Offer| {
            let price = offer.prices.get(currency.code()).or_else(|| offer.prices.get(""))?;
            let (days_min, days_max) = offer.days;
            Some(ShippingOption { id: offer.id.clone(), name: offer.name.clone(), price: *price, days_min, days_max })
        };
        let mut options: Vec<_> = offers.iter().filter_map(option).collect();
        options.sort_by_key(|option| option.price);
        options
    }
}

/// Whether a text may be an option's id: `[a-z0-9][a-z0-9-]{0,31}`.
pub(crate) fn is_id(text: &str) -> bool {
    let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    (1..=32).contains(&text.len()) && !text.starts_with('-') && text.as_bytes().iter().all(inner)
}

impl FromStr for Shipping {
    type Err = String;

    /// Reads a table.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut places: HashMap<String, Vec<Offer>> = HashMap::new();
        for entry in text.split(['\n', ';']).map(str::trim).filter(|entry| !entry.is_empty()) {
            let (country, offer) = read(entry).map_err(|why| format!("{entry:?}: {why}"))?;
            let offers = places.entry(country).or_default();
            let Some(offer) = offer else { continue };
            if offers.len() == OPTIONS_MAX || offers.iter().any(|other| other.id == offer.id) {
                return Err(format!("{entry:?}: the place has this option already, or {OPTIONS_MAX} of them"));
            }
            offers.push(offer);
        }
        Ok(Self { places })
    }
}

/// One entry: its country, and the offer unless it is none.
fn read(entry: &str) -> Result<(String, Option<Offer>), &'static str> {
    let (place, rest) = word(entry);
    let country = match place {
        "*" => String::new(),
        code if country::is_country(code) => code.to_owned(),
        _ => return Err("must begin with a country such as DE, or with *"),
    };
    let (id, rest) = word(rest);
    if id == "none" && rest.is_empty() {
        return Ok((country, None));
    }
    if !is_id(id) {
        return Err("the id must match [a-z0-9][a-z0-9-]{0,31}");
    }
    let (days, rest) = word(rest);
    let days = days.split_once('-').and_then(|(min, max)| Some((min.parse().ok()?, max.parse().ok()?)));
    let days: Option<(u16, u16)> = days.filter(|(min, max)| min <= max && *max <= DAYS_MAX);
    let days = days.ok_or("the working days must be such as 3-5")?;
    let (prices, name) = word(rest);
    let prices = prices.split(',').map(price).collect::<Option<_>>();
    let prices = prices.ok_or("the prices must be such as EUR=490,*=0, in minor units")?;
    let length = name.chars().count();
    if !(1..=NAME_MAX).contains(&length) || name.contains(char::is_control) {
        return Err("the name must be 1 to 100 characters");
    }
    Ok((country, Some(Offer { id: id.to_owned(), name: name.to_owned(), days, prices })))
}

fn price(text: &str) -> Option<(String, i64)> {
    let (currency, price) = text.split_once('=')?;
    let price = price.parse().ok().filter(|price| (0..=PRICE_MAX).contains(price))?;
    match currency {
        "*" => Some((String::new(), price)),
        code => Some((Currency::parse(code)?.code().to_owned(), price)),
    }
}

/// The first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offered(table: &str, country: &str, currency: &str) -> Vec<(String, i64)> {
        let table: Shipping = table.parse().unwrap();
        let options = table.options(country, Currency::parse(currency).unwrap());
        options.into_iter().map(|option| (option.id, option.price)).collect()
    }

    #[test]
    fn a_country_has_its_own_options_or_those_of_any_other_the_cheapest_first() {
        let table = "* fast 1-1 EUR=900 Fast; * slow 3-5 EUR=400,*=0 Slow\nDE post 1-2 EUR=300 Post; KP none";
        assert_eq!(offered(table, "FR", "EUR"), [("slow".into(), 400), ("fast".into(), 900)]);
        assert_eq!(offered(table, "FR", "USD"), [("slow".into(), 0)]);
        assert_eq!(offered(table, "DE", "EUR"), [("post".into(), 300)]);
        assert_eq!(offered(table, "DE", "USD"), []);
        assert_eq!(offered(table, "KP", "EUR"), []);
        assert_eq!(offered("DE post 1-2 EUR=300 Post", "FR", "EUR"), []);
        assert_eq!(offered(DEFAULT, "BR", "BRL").len(), 1);
    }

    #[test]
    fn a_table_that_makes_no_sense_is_refused_with_the_entry() {
        let wrong = [
            "XX post 1-2 EUR=1 Post",
            "DE Post 1-2 EUR=1 Post",
            "DE post 2-1 EUR=1 Post",
            "DE post 1-2 EUR=-1 Post",
            "DE post 1-2 EURO=1 Post",
            "DE post 1-2 EUR=1",
            "DE post",
            "DE a 1-1 EUR=1 A; DE a 1-1 EUR=2 B",
        ];
        for wrong in wrong {
            let refused = wrong.parse::<Shipping>().unwrap_err();
            assert!(refused.contains(wrong.rsplit("; ").next().unwrap()), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn no_table_panics(text in "[A-Z*; \n0-9a-z=,-]{0,80}") {
            let _outcome = text.parse::<Shipping>().is_ok();
        }
    }
}

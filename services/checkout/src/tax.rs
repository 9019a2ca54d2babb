//! Taxes by a table of places.
//!
//! A table is text, an entry a line (or between semicolons): a country, or `*` for any other, or a country and a region joined
//! by `-`; a rate in basis points (hundredths of a percent); and `included` where prices contain the tax already:
//!
//! ```text
//! DE 1900 included
//! US 0; US-CA 725
//! * 0
//! ```
//!
//! The most exact entry counts: the region's, else the country's, else `*`'s; without any there is no tax. The tax is
//! reckoned once, on the sum of items and shipping, and rounded half up to the minor unit.

use std::collections::HashMap;
use std::str::FromStr;

use crate::country;
use crate::order::Destination;

/// The taxes that the shop knows unless it is told others: standard rates of value added tax, and none elsewhere.
pub(crate) const DEFAULT: &str = "AT 2000 included; BE 2100 included; CH 810 included; DE 1900 included; \
    DK 2500 included; ES 2100 included; FI 2550 included; FR 2000 included; GB 2000 included; IE 2300 included; \
    IT 2200 included; JP 1000 included; LU 1700 included; NL 2100 included; NO 2500 included; PL 2300 included; \
    PT 2300 included; SE 2500 included; US 0; US-CA 725; US-FL 600; US-NY 400; US-TX 625; US-WA 650; * 0";

/// A whole, in basis points.
const WHOLE: i64 = 10_000;
/// The most entries of a table.
const ENTRIES_MAX: usize = 5_000;

/// A rate of tax.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rate {
    /// From 0 to 10,000.
    pub(crate) basis_points: i64,
    /// Whether prices contain it.
    pub(crate) included: bool,
}

/// Rates by place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taxes {
    /// By country, and region in capitals; an empty region is the country's own, an empty country any.
    rates: HashMap<(String, String), Rate>,
}

impl Rate {
    /// The tax on an amount from zero on, or the part of it that is tax. `None`: it does not fit.
    pub(crate) fn of(self, amount: i64) -> Option<i64> {
        let (rate, whole) = (i128::from(self.basis_points), i128::from(WHOLE));
        let divisor = if self.included { whole + rate } else { whole };
        let tax = (i128::from(amount) * rate * 2 + divisor) / (divisor * 2);
        i64::try_from(tax).ok()
    }
}

impl Taxes {
    /// The rate of a place.
    pub(crate) fn rate(&self, place: &Destination) -> Rate {
        let region = place.region.to_uppercase();
        let keys = [(place.country.clone(), region), (place.country.clone(), String::new()), Default::default()];
        keys.iter().find_map(|key| self.rates.get(key)).copied().unwrap_or_default()
    }
}

impl FromStr for Taxes {
    type Err = String;

    /// Reads a table.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut rates = HashMap::new();
        for entry in text.split(['\n', ';']).map(str::trim).filter(|entry| !entry.is_empty()) {
            let wrong = |why: &str| format!("{entry:?}: {why}");
            let mut words = entry.split_whitespace();
            let place = words.next().unwrap_or_default();
            let (country, region) = place.split_once('-').unwrap_or((place, ""));
            let any = place == "*";
            if !any && !country::is_country(country) {
                return Err(wrong("must begin with a country such as DE, with a region such as US-CA, or with *"));
            }
            if place.ends_with('-') {
                return Err(wrong("the region is missing"));
            }
            let basis_points = words.next().and_then(|rate| rate.parse().ok());
            let Some(basis_points) = basis_points.filter(|rate| (0..=WHOLE).contains(rate)) else {
                return Err(wrong("the rate must be 0 to 10000 basis points"));
            };
            let included = match (words.next(), words.next()) {
                (None, _) => false,
                (Some("included"), None) => true,
                (Some(_), _) => return Err(wrong("nothing but `included` may follow the rate")),
            };
            let country = if any { String::new() } else { country.to_owned() };
            if rates.insert((country, region.to_uppercase()), Rate { basis_points, included }).is_some() {
                return Err(wrong("the place is there twice"));
            }
            if rates.len() > ENTRIES_MAX {
                return Err(format!("there are more than {ENTRIES_MAX} entries"));
            }
        }
        Ok(Self { rates })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(country: &str, region: &str) -> Destination {
        Destination { country: country.into(), region: region.into(), postal_code: String::new() }
    }

    #[test]
    fn the_most_exact_entry_counts() {
        let taxes: Taxes = "DE 1900 included; US 10\n US-CA 725\n * 5".parse().unwrap();
        assert_eq!(taxes.rate(&place("DE", "")), Rate { basis_points: 1900, included: true });
        assert_eq!(taxes.rate(&place("US", "CA")).basis_points, 725);
        assert_eq!(taxes.rate(&place("US", "ca")).basis_points, 725);
        assert_eq!(taxes.rate(&place("US", "NV")).basis_points, 10);
        assert_eq!(taxes.rate(&place("FR", "CA")).basis_points, 5);
        assert_eq!("DE 1900".parse::<Taxes>().unwrap().rate(&place("FR", "")), Rate::default());
        DEFAULT.parse::<Taxes>().unwrap();
    }

    #[test]
    fn a_table_that_makes_no_sense_is_refused_with_the_entry() {
        for wrong in
            ["XX 5", "DE", "DE x", "DE -1", "DE 10001", "DE 5 incl", "DE 5 included too", "DE 5; DE 6", "US- 5"]
        {
            let refused = wrong.parse::<Taxes>().unwrap_err();
            assert!(refused.contains(wrong.rsplit("; ").next().unwrap()), "{refused}");
        }
    }

    #[test]
    fn a_tax_is_rounded_half_up() {
        let on_top = Rate { basis_points: 725, included: false };
        assert_eq!((on_top.of(100), on_top.of(200), on_top.of(0)), (Some(7), Some(15), Some(0)));
        let included = Rate { basis_points: 1900, included: true };
        assert_eq!((included.of(119), included.of(100)), (Some(19), Some(16)));
    }

    proptest! {
        #[test]
        fn a_tax_is_within_half_a_minor_unit_of_its_share_and_never_overflows(
            amount in 0..=i64::MAX, basis_points in 0..=WHOLE, included: bool,
        ) {
            let rate = Rate { basis_points, included };
            let tax = rate.of(amount).unwrap();
            let divisor = i128::from(if included { WHOLE + basis_points } else { WHOLE });
            let exact = i128::from(amount) * i128::from(basis_points);
            prop_assert!((i128::from(tax) * divisor - exact).abs() * 2 <= divisor);
            prop_assert!((0..=amount).contains(&tax));
        }

        #[test]
        fn no_table_panics(text in "[A-Z*; \n0-9a-z-]{0,60}") {
            let _outcome = text.parse::<Taxes>().is_ok();
        }
    }
}

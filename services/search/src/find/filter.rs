//! What products must be, and which of it a document is not.

use std::ops::Range;

use rpc::money::Currency;

use crate::index::{Fact, Facts};
use crate::product::{Availability, CategoryPath, currency_number};

/// What products must be; all of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter {
    /// At or below one of these; empty: anywhere.
    pub(crate) categories: Vec<CategoryPath>,
    /// Of one of these; empty: any.
    pub(crate) brands: Vec<String>,
    pub(crate) price: Option<PriceLimits>,
    /// The least average in hundredths; 0: any.
    pub(crate) rating_min: u16,
    pub(crate) in_stock: bool,
}

/// Prices in one currency, both ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PriceLimits {
    pub(crate) currency: Currency,
    pub(crate) min: u64,
    pub(crate) max: u64,
}

/// The parts of a filter, as bits: those that a document misses.
pub(super) const CATEGORY: u8 = 1;
pub(super) const BRAND: u8 = 2;
pub(super) const PRICE: u8 = 4;
pub(super) const RATING: u8 = 8;
pub(super) const STOCK: u8 = 16;

/// A filter in terms of one segment.
pub(super) struct Matcher<'a> {
    facts: &'a Facts,
    /// Everything is what it must be.
    is_open: bool,
    /// Numbers of the segment, ascending; `None`: any.
    categories: Option<Vec<u32>>,
    brands: Option<Vec<u32>>,
    price: Option<(u16, Range<u64>)>,
    rating_min: u16,
    in_stock: bool,
}

impl<'a> Matcher<'a> {
    pub(super) fn new(filter: &Filter, facts: &'a Facts) -> Self {
        let sorted = |mut numbers: Vec<u32>| {
            numbers.sort_unstable();
            numbers
        };
        let categories = filter.categories.iter().filter_map(|path| facts.categories.find(&path.key())).collect();
        let brands = filter.brands.iter().filter_map(|brand| facts.brands.find(brand)).collect();
        let price = filter.price.as_ref();
        let price = price.map(|limits| (currency_number(limits.currency), limits.min..limits.max.saturating_add(1)));
        Self {
            facts,
            is_open: *filter == Filter::default(),
            categories: (!filter.categories.is_empty()).then(|| sorted(categories)),
            brands: (!filter.brands.is_empty()).then(|| sorted(brands)),
            price,
            rating_min: filter.rating_min,
            in_stock: filter.in_stock,
        }
    }

    /// The parts of the filter that a product misses; 0: it is what it must be.
    pub(super) fn misses(&self, doc: u32, fact: &Fact) -> u8 {
        // Facts are spread over memory, so they are looked at only where somebody asks.
        if self.is_open {
            return 0;
        }
        let mut misses = 0;
        if let Some(wanted) = &self.categories
            && !self.facts.categories_of(doc).iter().any(|category| wanted.binary_search(category).is_ok())
        {
            misses |= CATEGORY;
        }
        if let Some(wanted) = &self.brands
            && wanted.binary_search(&fact.brand).is_err()
        {
            misses |= BRAND;
        }
        if let Some((currency, prices)) = &self.price
            && (*currency != fact.currency || !prices.contains(&fact.price))
        {
            misses |= PRICE;
        }
        if fact.rating < self.rating_min {
            misses |= RATING;
        }
        if self.in_stock && fact.availability() != Availability::InStock {
            misses |= STOCK;
        }
        misses
    }
}

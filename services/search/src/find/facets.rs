//! What the filters could be set to, and how many products that would give.
//!
//! Each list counts products that match everything but its own filter: those that miss nothing, and those that miss that one
//! part alone.

use std::collections::HashMap;

use rpc::money::{Currency, Money};

use super::filter::{BRAND, CATEGORY, Filter, PRICE, RATING, STOCK};
use crate::index::{Fact, Facts, View};
use crate::product::{Availability, CategoryPath};

/// The most values of a list, and the most ranges of prices.
const VALUES_MAX: usize = 100;
const RANGES_MAX: usize = 10;
/// The least ratings that are counted, in hundredths.
const RATINGS: [u16; 4] = [400, 300, 200, 100];

/// See the module. Values that no product has are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facets {
    pub(crate) categories: Vec<(CategoryPath, u64)>,
    pub(crate) brands: Vec<(String, u64)>,
    /// Ascending, side by side.
    pub(crate) prices: Vec<PriceRange>,
    /// Least averages in hundredths, the highest first.
    pub(crate) ratings: Vec<(u16, u64)>,
    pub(crate) in_stock: u64,
}

/// Prices from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PriceRange {
    pub(crate) min: Money,
    pub(crate) max: Money,
    pub(crate) count: u64,
}

/// Prices fall between 1, 2 and 5 of each power of ten of minor units: the first of each such range.
const STEPS: [u64; 52] = steps();

const fn steps() -> [u64; 52] {
    let mut steps = [0; 52];
    let (mut at, mut ten) = (1, 1);
    while at < 52 {
        steps[at] = ten * [1, 2, 5][(at - 1) % 3];
        if at % 3 == 0 {
            ten *= 10;
        }
        at += 1;
    }
    steps
}

/// The counts of one segment, by its numbers.
pub(super) struct Counts {
    categories: Vec<u32>,
    brands: Vec<u32>,
    /// By currency; there are few.
    prices: Vec<(u16, [u32; STEPS.len()])>,
    ratings: [u64; RATINGS.len()],
    in_stock: u64,
}

impl Counts {
    pub(super) fn new(facts: &Facts) -> Self {
        Self {
            categories: vec![0; facts.categories.len()],
            brands: vec![0; facts.brands.len()],
            prices: Vec::new(),
            ratings: [0; RATINGS.len()],
            in_stock: 0,
        }
    }

    pub(super) fn add(&mut self, facts: &Facts, doc: u32, fact: &Fact, misses: u8) {
        let counts_for = |part: u8| misses & !part == 0;
        if counts_for(CATEGORY) {
            for category in facts.categories_of(doc) {
                self.categories[*category as usize] += 1;
            }
        }
        if counts_for(BRAND) {
            self.brands[fact.brand as usize] += 1;
        }
        if counts_for(PRICE) {
            let known = self.prices.iter().position(|(currency, _)| *currency == fact.currency);
            let at = known.unwrap_or_else(|| {
                self.prices.push((fact.currency, [0; STEPS.len()]));
                self.prices.len() - 1
            });
            // The first step is 0, so there is always one at or below a price.
            self.prices[at].1[STEPS.partition_point(|step| *step <= fact.price) - 1] += 1;
        }
        if counts_for(RATING) {
            for (count, least) in self.ratings.iter_mut().zip(RATINGS) {
                *count += u64::from(fact.rating >= least);
            }
        }
        if counts_for(STOCK) {
            self.in_stock += u64::from(fact.availability() == Availability::InStock);
        }
    }
}

/// The counts of all segments, by the numbers of their view.
pub(super) struct Tally<'a> {
    view: &'a View,
    /// What all categories of the filter are below, as a category's key begins that is below it.
    above: String,
    categories: Vec<u64>,
    brands: Vec<u64>,
    prices: HashMap<u16, [u64; STEPS.len()]>,
    ratings: [u64; RATINGS.len()],
    in_stock: u64,
}

impl<'a> Tally<'a> {
    pub(super) fn new(view: &'a View, filter: &Filter) -> Self {
        let names = shared(&filter.categories);
        let mut above = CategoryPath { names }.key();
        if !above.is_empty() {
            above.push(CategoryPath::SEPARATOR);
        }
        Self {
            view,
            above,
            categories: vec![0; view.categories().len()],
            brands: vec![0; view.brands().len()],
            prices: HashMap::new(),
            ratings: [0; RATINGS.len()],
            in_stock: 0,
        }
    }

    /// Adds what was counted in a segment.
    pub(super) fn add(&mut self, segment: usize, counts: &Counts) {
        add_up(&mut self.categories, self.view.categories().numbers(segment), &counts.categories);
        add_up(&mut self.brands, self.view.brands().numbers(segment), &counts.brands);
        for (currency, steps) in &counts.prices {
            let sums = self.prices.entry(*currency).or_insert([0; STEPS.len()]);
            sums.iter_mut().zip(steps).for_each(|(sum, count)| *sum += u64::from(*count));
        }
        self.ratings.iter_mut().zip(counts.ratings).for_each(|(sum, count)| *sum += count);
        self.in_stock += counts.in_stock;
    }

    pub(super) fn finish(self) -> Facets {
        let facts = |segment: usize| &self.view.segments[segment].facts;
        let category = |number| {
            let (segment, own) = self.view.categories().place(number);
            let key = facts(segment).categories.get(own);
            let below = key.strip_prefix(self.above.as_str())?;
            (!below.contains(CategoryPath::SEPARATOR)).then(|| CategoryPath::of_key(key))
        };
        let brand = |number| {
            let (segment, own) = self.view.brands().place(number);
            Some(facts(segment).brands.get(own).to_owned()).filter(|brand| !brand.is_empty())
        };
        let ratings = RATINGS.into_iter().zip(self.ratings).filter(|(_, count)| *count > 0);
        Facets {
            categories: most(&self.categories, category),
            brands: most(&self.brands, brand),
            prices: ranges(&self.prices),
            ratings: ratings.collect(),
            in_stock: self.in_stock,
        }
    }
}

fn add_up(sums: &mut [u64], numbers: &[u32], counts: &[u32]) {
    for (number, count) in numbers.iter().zip(counts) {
        sums[*number as usize] += u64::from(*count);
    }
}

/// The deepest path that all paths share.
fn shared(paths: &[CategoryPath]) -> Vec<String> {
    let Some((first, others)) = paths.split_first() else { return Vec::new() };
    let mut shared = first.names.as_slice();
    for path in others {
        let alike = shared.iter().zip(&path.names).take_while(|(a, b)| a == b).count();
        shared = &shared[..alike];
    }
    shared.to_vec()
}

/// The values of most products, then in the order of their names, which is that of their numbers; those that have no name
/// are left out.
fn most<T>(counts: &[u64], name: impl Fn(u32) -> Option<T>) -> Vec<(T, u64)> {
    let mut counted: Vec<_> = (0..).zip(counts).filter(|(_, count)| **count > 0).collect();
    counted.sort_unstable_by_key(|(number, count)| (std::cmp::Reverse(**count), *number));
    let named = counted.into_iter().filter_map(|(number, count)| Some((name(number)?, *count)));
    named.take(VALUES_MAX).collect()
}

/// Ranges of the currency that most products are priced in. Those without products go to the one below, as do the rarest
/// where there are too many.
fn ranges(prices: &HashMap<u16, [u64; STEPS.len()]>) -> Vec<PriceRange> {
    let sum = |steps: &[u64]| steps.iter().sum::<u64>();
    // Of currencies of as many products, the first by its code.
    let most = prices.iter().max_by_key(|(currency, steps)| (sum(*steps), std::cmp::Reverse(**currency)));
    let Some((currency, steps)) = most else { return Vec::new() };
    let Some(currency) = Currency::ALL.get(usize::from(*currency)) else { return Vec::new() };
    let end = |step: usize| STEPS.get(step + 1).map_or(i64::MAX.unsigned_abs(), |next| next - 1);
    let mut ranges: Vec<(u64, u64, u64)> = Vec::new();
    for (step, count) in steps.iter().enumerate().filter(|(_, count)| **count > 0) {
        match ranges.last_mut() {
            // What lies between is empty, and the ranges stay side by side.
            Some(last) => {
                last.1 = STEPS[step] - 1;
                ranges.push((STEPS[step], end(step), *count));
            }
            None => ranges.push((STEPS[step], end(step), *count)),
        }
    }
    while ranges.len() > RANGES_MAX {
        let rarest = (1..ranges.len()).min_by_key(|at| ranges[*at].2 + ranges[*at - 1].2).unwrap_or(1);
        let (_, max, count) = ranges.remove(rarest);
        ranges[rarest - 1].1 = max;
        ranges[rarest - 1].2 += count;
    }
    let money = |minor: u64| Money::new(*currency, i64::try_from(minor).unwrap_or(i64::MAX));
    ranges.into_iter().map(|(min, max, count)| PriceRange { min: money(min), max: money(max), count }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product::currency_number;

    #[test]
    fn ranges_begin_at_one_two_and_five() {
        assert_eq!(STEPS[..8], [0, 1, 2, 5, 10, 20, 50, 100]);
        assert!(STEPS.is_sorted());
        assert!(STEPS[51] >= 1_000_000_000_000 * 10_000, "the highest price has a range that ends");
    }

    #[test]
    fn ranges_lie_side_by_side_and_are_ten_at_most() {
        let mut steps = [0; STEPS.len()];
        for (step, count) in steps.iter_mut().enumerate().step_by(2) {
            *count = step as u64 + 1;
        }
        let euro = Currency::parse("EUR").unwrap();
        let found = ranges(&HashMap::from([(currency_number(euro), steps), (0, [1; STEPS.len()])]));
        assert_eq!(found.len(), RANGES_MAX);
        assert!(found.windows(2).all(|pair| pair[0].max.minor() + 1 == pair[1].min.minor()));
        assert_eq!(found.iter().map(|range| range.count).sum::<u64>(), steps.iter().sum::<u64>());
        assert!(found.iter().all(|range| range.min.currency() == euro && range.count > 0));
    }

    #[test]
    fn the_path_above_is_what_all_share() {
        let path = |names: &[&str]| CategoryPath { names: names.iter().map(|name| (*name).to_owned()).collect() };
        assert_eq!(shared(&[]), Vec::<String>::new());
        assert_eq!(shared(&[path(&["a", "b"])]), ["a", "b"]);
        assert_eq!(shared(&[path(&["a", "b"]), path(&["a", "c"])]), ["a"]);
        assert_eq!(shared(&[path(&["a"]), path(&["b"])]), Vec::<String>::new());
    }
}

//! The order of what was found, and the best of it.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use serde::{Deserialize, Serialize};

use super::Search;
use super::page::Begin;
use crate::index::{Address, Fact};
use crate::sales::Units;

/// Space that is taken before anything was found.
const CAPACITY_MAX: usize = 1_024;

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Order {
    #[default]
    Relevance,
    PriceAscending,
    PriceDescending,
    Rating,
    /// By units sold lately.
    Popularity,
}

/// A place in an order: what is smaller comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Rank(pub(crate) u64, pub(crate) u64);

/// A document with its rank. Among alike ones the id decides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ranked<'a> {
    pub(super) rank: Rank,
    pub(super) id: &'a str,
    pub(super) score: f32,
    pub(super) at: Address,
}

impl PartialEq for Ranked<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked<'_> {}

impl PartialOrd for Ranked<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.rank, self.id).cmp(&(other.rank, other.id))
    }
}

/// Collects the first documents of an order, behind a mark.
pub(super) struct Best<'a> {
    size: usize,
    order: Order,
    sold: &'a Units,
    scored: bool,
    begin: Option<Begin>,
    heap: BinaryHeap<Ranked<'a>>,
    /// How many were before the mark.
    before: u64,
}

impl<'a> Best<'a> {
    pub(super) fn new(size: usize, search: &'a Search, scored: bool, begin: Option<Begin>) -> Self {
        let size = match &begin {
            Some(Begin::BehindOthers(others, _)) => size + others + 1,
            Some(Begin::Behind(..)) | None => size,
        };
        let heap = BinaryHeap::with_capacity(size.min(CAPACITY_MAX));
        Self { size, order: search.order, sold: &search.sold, scored, begin, heap, before: 0 }
    }

    /// Takes a document if it is one of the first so far. Its id is asked for where the rank alone does not decide.
    pub(super) fn offer(&mut self, fact: &Fact, score: f32, at: Address, id: impl Fn() -> &'a str) {
        let rank = self.rank(fact, score, &id);
        // Whatever is among the first so far is behind the mark, and so is what is behind that.
        let is_full = self.heap.len() >= self.size;
        if is_full && self.heap.peek().is_some_and(|worst| rank > worst.rank) {
            return;
        }
        let found = Ranked { rank, id: id(), score, at };
        if let Some(Begin::Behind(rank, id)) = &self.begin
            && (found.rank, found.id) <= (*rank, id.as_str())
        {
            self.before += 1;
            return;
        }
        if !is_full {
            self.heap.push(found);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && found < *worst
        {
            *worst = found;
        }
    }

    fn rank(&self, fact: &Fact, score: f32, id: &impl Fn() -> &'a str) -> Rank {
        let currency = u64::from(fact.currency);
        match self.order {
            Order::Relevance if self.scored => of_score(score),
            Order::Relevance => Rank(0, 0),
            Order::Popularity => Rank(u64::MAX - self.sold.get(id()).copied().unwrap_or_default(), 0),
            Order::PriceAscending => Rank(currency, fact.price),
            Order::PriceDescending => Rank(currency, u64::MAX - fact.price),
            // The average of those without one is 0, which comes last.
            Order::Rating => Rank(u64::from(u16::MAX - fact.rating), u64::from(u32::MAX - fact.ratings)),
        }
    }

    /// Those behind the mark, the first one first, and how many are before it.
    pub(super) fn into_sorted(self) -> (Vec<Ranked<'a>>, u64) {
        let (mut sorted, mut before) = (self.heap.into_sorted_vec(), self.before);
        if let Some(Begin::BehindOthers(others, id)) = self.begin {
            let others = sorted.iter().enumerate().filter(|(_, found)| found.id != id).nth(others);
            let others = others.map_or(sorted.len(), |(index, _)| index);
            sorted.drain(..others);
            before = others as u64;
        }
        (sorted, before)
    }
}

/// The rank of a score: the bits of floats that are not negative are in their order.
pub(super) fn of_score(score: f32) -> Rank {
    Rank(u64::from(u32::MAX - score.max(0.0).to_bits()), 0)
}

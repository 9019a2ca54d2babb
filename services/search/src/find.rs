//! Answers a search on one view of the index.
//!
//! A query becomes clauses (`plan`), each segment gives the documents that match them with a score (`matching`), one pass over
//! those filters, counts (`facets`) and ranks (`rank`), and the page's products are read and marked (`highlight`).

mod facets;
mod filter;
mod highlight;
mod matching;
mod page;
mod plan;
mod rank;
mod spelling;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;

use crate::index::{Address, View};
use crate::product::Availability;
use crate::sales::Units;
use crate::text::Query;

pub(crate) use facets::{Facets, PriceRange};
pub(crate) use filter::{Filter, PriceLimits};
pub(crate) use highlight::Highlight;
pub(crate) use page::Mark;
pub(crate) use rank::Order;
#[cfg(test)]
pub(crate) use rank::Rank;

use facets::Counts;
use filter::Matcher;
use matching::Candidates;
use plan::Plan;
use rank::Best;

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Search {
    /// As it was typed; empty: everything.
    pub(crate) text: String,
    pub(crate) filter: Filter,
    pub(crate) order: Order,
    /// Units sold lately, by product: what popularity is.
    pub(crate) sold: Arc<Units>,
    /// The most hits.
    pub(crate) size: usize,
    /// The last hit of the page before.
    pub(crate) after: Option<Mark>,
    pub(crate) facets: bool,
    pub(crate) highlights: bool,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) hits: Vec<Hit>,
    /// Whether there are hits after these.
    pub(crate) more: bool,
    pub(crate) total: u64,
    /// The query as it was probably meant.
    pub(crate) corrected: Option<String>,
    pub(crate) facets: Option<Facets>,
}

/// A product that matches.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    /// What is shown of it, as it came in.
    pub(crate) shown: Bytes,
    pub(crate) score: f32,
    pub(crate) availability: Availability,
    pub(crate) stock_revision: u64,
    /// Units sold lately.
    pub(crate) popularity: u64,
    pub(crate) highlights: Vec<Highlight>,
    /// Where a next page would begin.
    pub(crate) mark: Mark,
}

/// Searches. The number of documents that are looked at is at most that of the view, once a word.
pub(crate) fn search(view: &View, search: &Search) -> tantivy::Result<Found> {
    let query = (!search.text.is_empty()).then(|| Query::parse(&search.text));
    let (plan, candidates) = match &query {
        Some(query) => {
            let (plan, candidates) = Plan::execute(view, query)?;
            (Some(plan), Some(candidates))
        }
        None => (None, None),
    };
    let after = match &search.after {
        Some(mark) => Some(page::resume(view, search, plan.as_ref(), mark)?),
        None => None,
    };
    let scored = candidates.is_some();
    let mut best = Best::new(search.size + 1, search, scored, after);
    let mut facets = search.facets.then(|| facets::Tally::new(view, &search.filter));
    let mut total = 0;
    for (index, segment) in view.segments.iter().enumerate() {
        let matcher = Matcher::new(&search.filter, &segment.facts);
        let mut counts = facets.is_some().then(|| Counts::new(&segment.facts));
        let mut look = |doc: u32, score: f32| {
            let fact = segment.facts.of(doc);
            let misses = matcher.misses(doc, fact);
            if let Some(counts) = &mut counts {
                counts.add(&segment.facts, doc, fact, misses);
            }
            if misses == 0 {
                total += 1;
                best.offer(fact, score, Address { segment: index, doc }, || segment.facts.id(doc));
            }
        };
        match &candidates {
            Some(candidates) => candidates[index].iter().for_each(|(doc, score)| look(*doc, *score)),
            None => segment.live().for_each(|doc| look(doc, 0.0)),
        }
        if let (Some(tally), Some(counts)) = (&mut facets, counts) {
            tally.add(index, &counts);
        }
    }
    let (mut ranked, before) = best.into_sorted();
    let more = ranked.len() > search.size;
    ranked.truncate(search.size);
    let mut hits = Vec::with_capacity(ranked.len());
    for (found, seen) in ranked.iter().zip(before + 1..) {
        hits.push(hit(view, search, plan.as_ref(), found, seen)?);
    }
    let corrected = plan.and_then(|plan| plan.corrected(&search.text));
    Ok(Found { hits, more, total, corrected, facets: facets.map(facets::Tally::finish) })
}

fn hit(view: &View, search: &Search, plan: Option<&Plan>, found: &rank::Ranked<'_>, seen: u64) -> tantivy::Result<Hit> {
    let segment = &view.segments[found.at.segment];
    let fact = segment.facts.of(found.at.doc);
    let highlights = match plan.filter(|_| search.highlights) {
        Some(plan) => view.product(found.at)?.map(|product| highlight::of(&product, plan)).unwrap_or_default(),
        None => Vec::new(),
    };
    Ok(Hit {
        shown: view.shown(found.at)?,
        score: found.score,
        availability: fact.availability(),
        stock_revision: fact.stock_revision,
        popularity: search.sold.get(found.id).copied().unwrap_or_default(),
        highlights,
        mark: Mark { rank: found.rank, id: found.id.to_owned(), revision: fact.revision, seen },
    })
}

/// How well one document matches; `None`: it does not.
fn score_of(view: &View, plan: &Plan, at: Address) -> tantivy::Result<Option<f32>> {
    let candidates: Candidates = matching::of_segment(&view.segments[at.segment], at.segment, plan)?;
    let found = candidates.binary_search_by_key(&at.doc, |(doc, _)| *doc).ok();
    Ok(found.map(|index| candidates[index].1))
}

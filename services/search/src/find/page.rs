//! Where a page ended, and the token that says so.
//!
//! A token names the last product of its page with the rank it had, so that what is made or deleted in between moves nothing.
//! A score shifts with every change of the index, though; so where that product is still the same, the next page begins at
//! the score that it has now, and else behind as many others as were before it. Tokens are bound to their search and are no secret: they only have to be recognised.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::plan::Plan;
use super::rank::{Order, Rank, of_score};
use super::{Search, score_of};
use crate::index::{Address, View};

/// The longest token that is looked at.
const TOKEN_MAX: usize = 2_048;
/// The first byte of a token; another layout gets another one.
const VERSION: u8 = 1;
/// How much of the digest a token carries.
const DIGEST: usize = 8;
/// The numbers before the id: two of the rank, the revision, and how many were seen.
const NUMBERS: usize = 4 * 8;

/// The last product of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) rank: Rank,
    pub(crate) id: String,
    pub(crate) revision: u64,
    /// How many hits there were up to this one, itself included.
    pub(crate) seen: u64,
}

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// Behind this place of the order.
    Behind(Rank, String),
    /// Behind so many others than this product, whose place is not what it was.
    BehindOthers(usize, String),
}

impl Mark {
    /// The token of the page after this product.
    pub(crate) fn token(&self, search: &Search) -> String {
        let mut content = Vec::with_capacity(NUMBERS + self.id.len());
        for number in [self.rank.0, self.rank.1, self.revision, self.seen] {
            content.extend_from_slice(&number.to_be_bytes());
        }
        content.extend_from_slice(self.id.as_bytes());
        let token = [&[VERSION][..], &digest(search, &content), &content].concat();
        URL_SAFE_NO_PAD.encode(token)
    }

    /// What a token names; `None` if it is not one of this search's.
    pub(crate) fn read(token: &str, search: &Search) -> Option<Self> {
        if token.len() > TOKEN_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (version, bytes) = bytes.split_first()?;
        let (found, content) = bytes.split_at_checked(DIGEST)?;
        if *version != VERSION || found != digest(search, content) {
            return None;
        }
        let (numbers, id) = content.split_at_checked(NUMBERS)?;
        let mut numbers =
            numbers.chunks_exact(8).map(|bytes| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
        let rank = Rank(numbers.next()?, numbers.next()?);
        let id = String::from_utf8(id.to_vec()).ok()?;
        Some(Self { rank, id, revision: numbers.next()?, seen: numbers.next()? })
    }
}

/// Where the page after a mark begins, in this view.
pub(super) fn resume(view: &View, search: &Search, plan: Option<&Plan>, mark: &Mark) -> tantivy::Result<Begin> {
    let (Order::Relevance, Some(plan)) = (search.order, plan) else {
        return Ok(Begin::Behind(mark.rank, mark.id.clone()));
    };
    let same = |at: &Address| view.segments[at.segment].facts.of(at.doc).revision == mark.revision;
    let score = match view.find(&mark.id)?.filter(same) {
        Some(at) => score_of(view, plan, at)?,
        None => None,
    };
    let others = usize::try_from(mark.seen.saturating_sub(1)).unwrap_or(usize::MAX);
    Ok(match score {
        Some(score) => Begin::Behind(of_score(score), mark.id.clone()),
        // No more than the view has.
        None => Begin::BehindOthers(others.min(usize::try_from(view.live).unwrap_or(usize::MAX)), mark.id.clone()),
    })
}

/// Every part has its length before it, so that no two searches look the same.
fn digest(search: &Search, content: &[u8]) -> [u8; DIGEST] {
    let filter = &search.filter;
    let mut digest = Sha256::new();
    let mut part = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    part(&[VERSION, search.order as u8, u8::from(filter.in_stock)]);
    part(&filter.rating_min.to_be_bytes());
    part(search.text.as_bytes());
    part(content);
    for number in [filter.brands.len(), filter.categories.len()] {
        part(&(number as u64).to_be_bytes());
    }
    filter.brands.iter().for_each(|brand| part(brand.as_bytes()));
    filter.categories.iter().for_each(|path| part(path.key().as_bytes()));
    if let Some(price) = &filter.price {
        part(price.currency.code().as_bytes());
        part(&price.min.to_be_bytes());
        part(&price.max.to_be_bytes());
    }
    let mut short = [0; DIGEST];
    short.copy_from_slice(&digest.finalize()[..DIGEST]);
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::find::Filter;

    fn search() -> impl Strategy<Value = Search> {
        let brands = proptest::collection::vec("[a-b]{0,2}", 0..3);
        ("[a-b]{0,2}", brands, any::<bool>()).prop_map(|(text, brands, in_stock)| Search {
            text,
            filter: Filter { brands, in_stock, ..Filter::default() },
            ..Search::default()
        })
    }

    proptest! {
        #[test]
        fn a_token_is_read_by_its_own_search_and_by_no_other(
            own in search(), other in search(), id in "[a-z.]{1,64}", rank: (u64, u64), revision: u64, seen: u64,
        ) {
            let mark = Mark { rank: Rank(rank.0, rank.1), id, revision, seen };
            let token = mark.token(&own);
            prop_assert!(token.len() <= TOKEN_MAX);
            prop_assert_eq!(Mark::read(&token, &own), Some(mark));
            let same = own.text == other.text && own.filter == other.filter;
            prop_assert_eq!(Mark::read(&token, &other).is_some(), same);
        }

        #[test]
        fn no_text_panics_or_is_a_token(own in search(), token in ".{0,600}") {
            prop_assert_eq!(Mark::read(&token, &own), None);
        }
    }
}

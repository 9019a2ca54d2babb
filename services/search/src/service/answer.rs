//! Answers in the contract's terms.
//!
//! A product is written as a `SearchHit` once, when its feed brings it; what changes from answer to answer is written behind
//! it, since protobuf joins messages by joining their bytes. A test holds this against the contract.

use bytes::{BufMut as _, Bytes, BytesMut};
use contracts::catalog::v1 as catalog;
use contracts::search::v1 as pb;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
use rpc::money::Money;
use rpc::timestamp;

use crate::find::{Facets, Found, Hit, Mark, PriceRange, Search};
use crate::index::{Freshness, Suggestion};
use crate::product::{Availability, CategoryPath};

/// A page ends where its hits reach this many bytes.
const BYTES_MAX: usize = 1024 * 1024;
/// The number of `hits` in `SearchProductsResponse`.
const HITS: u32 = 1;

/// An encoded `SearchProductsResponse`.
pub(super) fn page(search: &Search, found: Found, freshness: Freshness) -> Bytes {
    let Found { hits, mut more, total, corrected, facets } = found;
    let size = hits.iter().map(|hit| hit.shown.len() + 64).sum::<usize>() + 256;
    let mut answer = BytesMut::with_capacity(size.min(2 * BYTES_MAX));
    let (count, mut last) = (hits.len(), None);
    for (index, hit) in hits.into_iter().enumerate() {
        last = Some(put_hit(hit, &mut answer));
        if answer.len() >= BYTES_MAX {
            more |= index + 1 < count;
            break;
        }
    }
    let token = last.filter(|_| more).map(|mark: Mark| mark.token(search)).unwrap_or_default();
    let rest = pb::SearchProductsResponse {
        hits: Vec::new(),
        next_page_token: token,
        total_count: number(total),
        corrected_query: corrected.unwrap_or_default(),
        facets: facets.map(self::facets),
        stale: freshness.stale,
        index_time: freshness.heard_us.map(timestamp),
    };
    answer.reserve(rest.encoded_len());
    rest.encode_raw(&mut answer);
    answer.freeze()
}

pub(super) fn suggestions(found: Vec<Suggestion>) -> pb::SuggestQueriesResponse {
    let suggestion = |found: Suggestion| pb::Suggestion { query: found.query, product_count: number(found.products) };
    pb::SuggestQueriesResponse { suggestions: found.into_iter().map(suggestion).collect() }
}

/// What of a hit stays the same while its product does.
pub(super) fn shown(product: catalog::Product) -> Vec<u8> {
    let hit = pb::SearchHit {
        product_id: product.product_id,
        name: product.name,
        brand: product.brand,
        price: product.price,
        list_price: product.list_price,
        picture: product.pictures.into_iter().next(),
        rating: product.rating,
        product_revision: product.revision,
        ..Default::default()
    };
    hit.encode_to_vec()
}

fn put_hit(hit: Hit, answer: &mut BytesMut) -> Mark {
    let Hit { shown, score, availability, stock_revision, popularity, highlights, mark } = hit;
    let range = |(start, end): (usize, usize)| pb::TextRange { start: small(start), end: small(end) };
    let highlight = |highlight: crate::find::Highlight| pb::Highlight {
        field: highlight.field.to_owned(),
        text: highlight.text,
        ranges: highlight.ranges.into_iter().map(range).collect(),
    };
    let behind = pb::SearchHit {
        availability: self::availability(availability).into(),
        score: score.into(),
        highlights: highlights.into_iter().map(highlight).collect(),
        stock_revision: number(stock_revision),
        popularity: number(popularity),
        ..Default::default()
    };
    let length = shown.len() + behind.encoded_len();
    answer.reserve(length + encoded_len_varint(length as u64) + 1);
    encode_key(HITS, WireType::LengthDelimited, answer);
    encode_varint(length as u64, answer);
    answer.put(shown);
    behind.encode_raw(answer);
    mark
}

fn facets(facets: Facets) -> pb::Facets {
    let category = |(path, count): (CategoryPath, u64)| pb::CategoryFacet {
        category: Some(catalog::CategoryPath { names: path.names }),
        count: number(count),
    };
    let price = |range: PriceRange| pb::PriceFacet {
        price_min: Some(Money::into(range.min)),
        price_max: Some(Money::into(range.max)),
        count: number(range.count),
    };
    let rating =
        |(least, count): (u16, u64)| pb::RatingFacet { rating_min: f64::from(least) / 100.0, count: number(count) };
    pb::Facets {
        categories: facets.categories.into_iter().map(category).collect(),
        brands: facets
            .brands
            .into_iter()
            .map(|(brand, count)| pb::BrandFacet { brand, count: number(count) })
            .collect(),
        prices: facets.prices.into_iter().map(price).collect(),
        ratings: facets.ratings.into_iter().map(rating).collect(),
        in_stock_count: number(facets.in_stock),
    }
}

fn availability(availability: Availability) -> pb::Availability {
    match availability {
        Availability::Unknown => pb::Availability::Unspecified,
        Availability::InStock => pb::Availability::InStock,
        Availability::OutOfStock => pb::Availability::OutOfStock,
    }
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn small(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find::{Highlight, Rank};

    fn hit(shown: Vec<u8>) -> Hit {
        Hit {
            shown: shown.into(),
            score: 1.5,
            availability: Availability::InStock,
            stock_revision: 4,
            popularity: 7,
            highlights: vec![Highlight { field: "name", text: "Mug".into(), ranges: vec![(0, 3)] }],
            mark: Mark { rank: Rank(1, 2), id: "mug".into(), revision: 3, seen: 1 },
        }
    }

    fn answer(hits: Vec<Hit>, more: bool) -> pb::SearchProductsResponse {
        let found = Found { hits, more, total: 9, corrected: None, facets: None };
        let freshness = Freshness { stale: false, heard_us: Some(1_500_001) };
        pb::SearchProductsResponse::decode(page(&Search::default(), found, freshness)).unwrap()
    }

    #[test]
    fn a_hit_is_what_its_product_was_written_as_and_what_the_index_knows() {
        let price = contracts::google::r#type::Money { currency_code: "EUR".into(), units: 12, nanos: 500_000_000 };
        let picture = |uri: &str| catalog::Picture { uri: uri.into(), alt_text: String::new() };
        let product = catalog::Product {
            product_id: "mug".into(),
            name: "Mug".into(),
            brand: "Kiln".into(),
            price: Some(price.clone()),
            pictures: vec![picture("/1.svg"), picture("/2.svg")],
            revision: 3,
            ..Default::default()
        };
        let answer = answer(vec![hit(shown(product))], true);
        let expected = pb::SearchHit {
            product_id: "mug".into(),
            name: "Mug".into(),
            brand: "Kiln".into(),
            price: Some(price),
            picture: Some(picture("/1.svg")),
            availability: pb::Availability::InStock.into(),
            score: 1.5,
            highlights: vec![pb::Highlight {
                field: "name".into(),
                text: "Mug".into(),
                ranges: vec![pb::TextRange { start: 0, end: 3 }],
            }],
            product_revision: 3,
            stock_revision: 4,
            popularity: 7,
            ..Default::default()
        };
        assert_eq!(answer.hits, [expected]);
        assert_eq!(answer.index_time, Some(timestamp(1_500_001)));
        let mark = Mark::read(&answer.next_page_token, &Search::default()).unwrap();
        assert_eq!(mark.id, "mug");
    }

    #[test]
    fn a_page_ends_where_its_hits_reach_a_megabyte_and_says_that_there_are_more() {
        let long = || {
            let name = "n".repeat(600 * 1024);
            hit(pb::SearchHit { name, ..Default::default() }.encode_to_vec())
        };
        let page = answer(vec![long(), long(), long()], false);
        assert_eq!((page.hits.len(), page.total_count), (2, 9));
        assert!(!page.next_page_token.is_empty());
        assert!(answer(vec![long(), long()], false).next_page_token.is_empty());
    }
}

//! Searches and suggestions through gRPC, on indexes of two sizes.

use std::{fmt::Write as _, path::PathBuf, rc::Rc};

use contracts::search::v1::{SearchFilter, SearchOrder, SearchProductsRequest, SuggestQueriesRequest};
use prost::Message as _;

use super::{
    Options,
    fixture::{Fixture, framed},
    goods,
    load::Call,
    shop::{Place, Shop},
    variant::{Comparison, Variant},
};

/// Products in the index.
const COUNTS: [u32; 2] = [10_000, 100_000];
/// Different queries of each kind, and of the mix of them.
const QUERIES: u32 = 16;
const MIXED: u32 = 64;
/// Hits asked for.
const HITS: i32 = 20;

const SEARCH: &str = "souk.search.v1.SearchService/SearchProducts";
const SUGGEST: &str = "souk.search.v1.SearchService/SuggestQueries";

/// What is asked for.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Mix,
    TwoWords,
    OneWord,
    Misspelt,
    Facets,
    Filtered,
    Suggestions,
}

const KINDS: [(Kind, &str); 7] = [
    (Kind::Mix, "as buyers type"),
    (Kind::TwoWords, "two words"),
    (Kind::OneWord, "one word"),
    (Kind::Misspelt, "a misspelt word"),
    (Kind::Facets, "one word, facets and highlights"),
    (Kind::Filtered, "one word, filtered, facets, by price"),
    (Kind::Suggestions, "suggestions for three letters"),
];

/// The section, as Markdown.
pub(super) fn measure(options: &Options, fixture: &Fixture) -> anyhow::Result<String> {
    let mut text = String::from("## Search through gRPC\n\n");
    writeln!(text, "{HITS} hits of {QUERIES} different queries of each kind, at the service's own port; the index is")?;
    writeln!(
        text,
        "caught up, the other services are idle. Products and queries are made up from words whose frequencies are"
    )?;
    writeln!(
        text,
        "those of language (Zipf's): a description has some 55 words and says twice which of 120 kinds of things it"
    )?;
    writeln!(text, "is. What buyers type is {MIXED} queries, of a hundred: {}.\n", goods::MIX)?;
    for count in COUNTS {
        let shop = Shop::in_processes(&Place::pinned(&fixture.goods(count)?))?;
        let search = shop.process("search")?;
        let mut variants = Vec::new();
        for (kind, name) in KINDS {
            variants.push(Variant::new(name, kind.call(fixture)?, vec![Rc::clone(&search)]));
        }
        let mut comparison = Comparison::new(variants);
        comparison.measure(&format!("search, {count} products"), options.effort().tenth(), || Ok(()))?;
        writeln!(text, "### {count} products\n\n{comparison}")?;
    }
    Ok(text)
}

impl Kind {
    /// With a file for each of its queries.
    fn call(self, fixture: &Fixture) -> anyhow::Result<Call> {
        let mut random = goods::random();
        let mut bodies: Vec<PathBuf> = Vec::new();
        for query in 0..if matches!(self, Self::Mix) { MIXED } else { QUERIES } {
            let name = format!("{self:?}-{query}.bin").to_lowercase();
            bodies.push(fixture.file(&name, &framed(&self.request(&mut random))?)?);
        }
        Ok(Call::grpc(if matches!(self, Self::Suggestions) { SUGGEST } else { SEARCH }, bodies))
    }

    /// A query, encoded.
    fn request(self, random: &mut fastrand::Rng) -> Vec<u8> {
        let search = |query| SearchProductsRequest { query, page_size: HITS, ..Default::default() };
        let request = match self {
            Self::Mix => search(goods::any_query(random)),
            Self::TwoWords => search(goods::two_words(random)),
            Self::OneWord => search(goods::kind(random)),
            Self::Misspelt => search(goods::misspelt(random)),
            Self::Facets => {
                SearchProductsRequest { include_facets: true, include_highlights: true, ..search(goods::kind(random)) }
            }
            Self::Filtered => SearchProductsRequest {
                filter: Some(SearchFilter { in_stock: true, rating_min: 4.0, ..Default::default() }),
                order: SearchOrder::PriceAscending.into(),
                include_facets: true,
                ..search(goods::kind(random))
            },
            Self::Suggestions => {
                let prefix = goods::kind(random).chars().take(3).collect();
                return SuggestQueriesRequest { prefix, page_size: 10 }.encode_to_vec();
            }
        };
        request.encode_to_vec()
    }
}

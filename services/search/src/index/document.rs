//! A product as a document of the index, and back.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use tantivy::TantivyDocument;
use tantivy::schema::Value as _;

use super::schema::{Fields, Prepared};
use crate::product::{Product, Stock, minor};
use crate::text::{Kind, Term, fold, terms, words};

/// How often a term counts where it stands (BM25 saturates, so twice the weight is less than twice the score).
const NAME: u32 = 8;
const BRAND: u32 = 5;
const CATEGORY: u32 = 4;
const ATTRIBUTE: u32 = 3;
const DESCRIPTION: u32 = 1;
/// A word that a description says again and again counts as often as this.
const DESCRIPTION_REPEATS_MAX: u32 = 2;

/// Longer names are no queries that somebody would type.
const SUGGESTION_CHARS_MAX: usize = 60;
/// Words of a name from which suggestions are made.
const SUGGESTION_WORDS_MAX: usize = 16;
/// Between what is typed and what is shown for it.
pub(super) const SUGGESTION_SEPARATOR: char = '\u{1f}';

/// The product can be found.
pub(super) const LIVE: u64 = 1;
/// Its stock is known.
pub(super) const STOCK_KNOWN: u64 = 2;
/// At least one is on hand.
pub(super) const IN_STOCK: u64 = 4;

/// All that is known under one product id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// `None`: not made yet, no longer sold, or deleted.
    pub(super) product: Option<Product>,
    /// The last revision of it, which stays when it goes. 0: never heard of.
    pub(super) revision: u64,
    pub(super) stock: Option<Stock>,
    /// When it was deleted, in seconds since 1970; 0: it was not.
    pub(super) gone_s: u64,
}

impl Record {
    /// Reads a document of the index.
    pub(super) fn read(fields: &Fields, document: &TantivyDocument) -> Option<Self> {
        let bytes = |field| document.get_first(field).and_then(|value| value.as_bytes());
        let mut record: Self = serde_json::from_slice(bytes(fields.record)?).ok()?;
        if let Some(product) = &mut record.product {
            product.shown = bytes(fields.shown)?.to_vec();
        }
        Some(record)
    }

    /// The document under `id`.
    pub(super) fn document(&self, fields: &Fields, id: &str) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        document.add_text(fields.id, id);
        document.add_u64(fields.revision, self.revision);
        document.add_u64(fields.stock_revision, self.stock.map_or(0, |stock| stock.revision));
        document.add_u64(fields.gone, self.gone_s);
        let stock = self.stock.map_or(0, |stock| STOCK_KNOWN | if stock.in_stock { IN_STOCK } else { 0 });
        document.add_u64(fields.flags, stock | if self.product.is_some() { LIVE } else { 0 });
        if let Some(product) = &self.product {
            add_product(&mut document, fields, product);
        }
        let record = serde_json::to_vec(self).expect("a record has no map and no float: it is always JSON");
        document.add_bytes(fields.record, &record);
        document
    }
}

fn add_product(document: &mut TantivyDocument, fields: &Fields, product: &Product) {
    document.add_text(fields.brand, &product.brand);
    document.add_text(fields.currency, product.price.currency().code());
    document.add_u64(fields.price, minor(product.price));
    let keys: BTreeSet<_> = product.categories.iter().flat_map(|path| path.keys()).collect();
    keys.iter().for_each(|key| document.add_text(fields.category, key));
    let (average, count) = product.rating.map_or((0, 0), |rating| (rating.average_hundredths, rating.count));
    document.add_u64(fields.rating, average.into());
    document.add_u64(fields.ratings, count.into());
    document.add_bytes(fields.shown, &product.shown);

    let mut text = Text::default();
    text.add(&product.name, NAME, u32::MAX);
    text.add(&product.brand, BRAND, u32::MAX);
    let names: BTreeSet<_> = product.categories.iter().flat_map(|path| &path.names).collect();
    names.iter().for_each(|name| text.add(name, CATEGORY, u32::MAX));
    text.add(&product.sku, ATTRIBUTE, u32::MAX);
    for (name, value) in &product.attributes {
        text.add(name, ATTRIBUTE, 1);
        text.add(value, ATTRIBUTE, 1);
    }
    text.add(&product.description, DESCRIPTION, DESCRIPTION_REPEATS_MAX);
    let (words, places) = text.finish();
    document.add_text(fields.words, words);
    document.add_text(fields.places, places);
    for suggestion in suggestions(product) {
        document.add_text(fields.suggestions, suggestion);
    }
}

/// The texts of a product, on their way into the two fields.
#[derive(Default)]
struct Text {
    weights: HashMap<String, u32>,
    places: Prepared,
    begun: bool,
}

impl Text {
    /// Adds a text whose terms weigh `weight` each time, `repeats_max` times at most.
    fn add(&mut self, text: &str, weight: u32, repeats_max: u32) {
        let mut all = terms(text);
        if all.is_empty() {
            return;
        }
        let begin = if self.begun { self.places.next_text() } else { 0 };
        self.begun = true;
        // A pair is found at its second character, and stands at its first.
        all.sort_by_key(|term| term.position);
        let mut repeats: HashMap<&str, u32> = HashMap::new();
        for Term { text, kind, position, .. } in &all {
            if *kind != Kind::Part {
                self.places.place(text, begin + position);
            }
            *repeats.entry(text).or_default() += 1;
        }
        for (term, repeats) in repeats {
            let weight = weight.saturating_mul(repeats.min(repeats_max));
            let sum = self.weights.entry(term.to_owned()).or_default();
            *sum = sum.saturating_add(weight);
        }
    }

    fn finish(self) -> (String, String) {
        let mut words = Prepared::default();
        for (term, weight) in &self.weights {
            words.weigh(term, *weight);
        }
        (words.into_text(), self.places.into_text())
    }
}

/// What somebody who looks for this product may type: words of its name, pairs of them, its name, brand and categories.
fn suggestions(product: &Product) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut add = |key: &str, shown: &str| {
        if !key.is_empty() && shown.chars().count() <= SUGGESTION_CHARS_MAX {
            found.insert(format!("{key}{SUGGESTION_SEPARATOR}{shown}"));
        }
    };
    let words: Vec<_> = words(&product.name).into_iter().take(SUGGESTION_WORDS_MAX).collect();
    let lower: Vec<_> = words.iter().map(|word| word.to_lowercase()).collect();
    let keys: Vec<_> = words.iter().map(|word| suggestion_key(word)).collect();
    for at in 0..words.len() {
        // One letter or one number says nothing.
        if keys[at].chars().count() > 1 && keys[at].chars().any(char::is_alphabetic) {
            add(&keys[at], &lower[at]);
        }
        if let (Some(key), Some(word)) = (keys.get(at + 1), lower.get(at + 1)) {
            add(&format!("{} {key}", keys[at]), &format!("{} {word}", lower[at]));
        }
    }
    let leaves = product.categories.iter().filter_map(|path| path.names.last());
    for shown in [&product.name, &product.brand].into_iter().chain(leaves) {
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        add(&suggestion_key(&shown), &shown);
    }
    found
}

/// The words of a text, folded and joined by single spaces: what a prefix is compared with.
pub(super) fn suggestion_key(text: &str) -> String {
    let mut key = String::with_capacity(text.len());
    for word in words(text) {
        if !key.is_empty() {
            key.push(' ');
        }
        fold(word, &mut key);
    }
    key
}

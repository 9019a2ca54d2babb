//! The fields of the index, and how text gets into them.

use std::fmt::Write as _;

use tantivy::schema::{
    FAST, Field, IndexRecordOption, STORED, STRING, Schema, SchemaBuilder, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// Changes whenever an index of the version before would be read wrongly: it is then built anew.
pub(crate) const VERSION: u32 = 1;

/// The analyzer of text that was cut into terms already.
pub(super) const PREPARED: &str = "prepared";

/// The most repeats of a term in a document that count.
const REPEATS_MAX: u32 = 120;
/// Words of different texts are at least this far apart, so that no phrase runs over the end of one.
const GAP: u32 = 100;
/// Numbers are written as one character each, from this one on.
const NUMBERS_FROM: u32 = 0x20;

/// The fields.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    pub(super) schema: Schema,
    /// The product id, as one term.
    pub(super) id: Field,
    /// All terms, as often as they weigh.
    pub(super) words: Field,
    /// All terms, where they stand.
    pub(super) places: Field,
    /// What could be suggested.
    pub(super) suggestions: Field,
    pub(super) brand: Field,
    pub(super) category: Field,
    pub(super) currency: Field,
    pub(super) price: Field,
    pub(super) rating: Field,
    pub(super) ratings: Field,
    pub(super) flags: Field,
    pub(super) revision: Field,
    pub(super) stock_revision: Field,
    /// When it went, in seconds since 1970; 0 for what is there.
    pub(super) gone: Field,
    /// What is shown of it.
    pub(super) shown: Field,
    /// What it can be indexed from again.
    pub(super) record: Field,
}

impl Fields {
    pub(super) fn new() -> Self {
        let mut schema = SchemaBuilder::default();
        let id = schema.add_text_field("id", STRING | FAST);
        let words = schema.add_text_field("words", prepared(IndexRecordOption::WithFreqs, true));
        let places = schema.add_text_field("places", prepared(IndexRecordOption::WithFreqsAndPositions, false));
        let raw = TextFieldIndexing::default().set_tokenizer("raw").set_index_option(IndexRecordOption::Basic);
        let raw = TextOptions::default().set_indexing_options(raw.set_fieldnorms(false));
        let suggestions = schema.add_text_field("suggestions", raw);
        Self {
            id,
            words,
            places,
            suggestions,
            brand: schema.add_text_field("brand", FAST),
            category: schema.add_text_field("category", FAST),
            currency: schema.add_text_field("currency", FAST),
            price: schema.add_u64_field("price", FAST),
            rating: schema.add_u64_field("rating", FAST),
            ratings: schema.add_u64_field("ratings", FAST),
            flags: schema.add_u64_field("flags", FAST),
            revision: schema.add_u64_field("revision", FAST),
            stock_revision: schema.add_u64_field("stock_revision", FAST),
            gone: schema.add_u64_field("gone", FAST),
            shown: schema.add_bytes_field("shown", STORED),
            record: schema.add_bytes_field("record", STORED),
            schema: schema.build(),
        }
    }
}

fn prepared(option: IndexRecordOption, norms: bool) -> TextOptions {
    let indexing = TextFieldIndexing::default().set_tokenizer(PREPARED).set_index_option(option);
    TextOptions::default().set_indexing_options(indexing.set_fieldnorms(norms))
}

/// Terms on their way into a field, each with its repeats and its distance from the one before.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    text: String,
    position: u32,
}

impl Prepared {
    /// Adds a term that counts `repeats` times.
    pub(super) fn weigh(&mut self, term: &str, repeats: u32) {
        self.put(term, repeats.min(REPEATS_MAX), 0);
    }

    /// Adds a term at a place, at or after the one before.
    pub(super) fn place(&mut self, term: &str, position: u32) {
        let advance = position.saturating_sub(self.position);
        self.position = position;
        self.put(term, 1, advance);
    }

    /// Where the next text begins.
    pub(super) fn next_text(&self) -> u32 {
        self.position + GAP
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn put(&mut self, term: &str, repeats: u32, advance: u32) {
        // A text has at most 10,000 characters: far from the surrogates at 0xd800.
        let number = |number: u32| char::from_u32(NUMBERS_FROM + number).unwrap_or(' ');
        // Writing to a String does not fail.
        let _infallible = writeln!(self.text, "{}{}{term}", number(repeats), number(advance));
    }
}

/// Reads what [`Prepared`] wrote.
#[derive(Clone, Debug, Default)]
pub(super) struct PreparedTokenizer {
    token: Token,
}

#[derive(Debug)]
pub(super) struct PreparedStream<'a> {
    lines: std::str::Lines<'a>,
    token: &'a mut Token,
    repeats: u32,
}

impl Tokenizer for PreparedTokenizer {
    type TokenStream<'a> = PreparedStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> PreparedStream<'a> {
        self.token = Token { position: 0, ..Token::default() };
        PreparedStream { lines: text.lines(), token: &mut self.token, repeats: 0 }
    }
}

impl TokenStream for PreparedStream<'_> {
    fn advance(&mut self) -> bool {
        if self.repeats > 1 {
            self.repeats -= 1;
            return true;
        }
        let Some(line) = self.lines.next() else { return false };
        let mut chars = line.chars();
        let mut number = || chars.next().map_or(0, |c| u32::from(c).saturating_sub(NUMBERS_FROM));
        let (repeats, advance) = (number(), number());
        self.repeats = repeats;
        self.token.position += advance as usize;
        self.token.text.clear();
        self.token.text.push_str(chars.as_str());
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_come_out_as_often_and_where_they_were_put() {
        let mut prepared = Prepared::default();
        prepared.weigh("lamp", 2);
        prepared.place("茶", 3);
        prepared.place("茶杯", 3);
        let begin = prepared.next_text();
        prepared.place("x", begin);
        let text = prepared.into_text();
        let (mut tokenizer, mut tokens) = (PreparedTokenizer::default(), Vec::new());
        let mut stream = tokenizer.token_stream(&text);
        while stream.advance() {
            tokens.push((stream.token().text.clone(), stream.token().position));
        }
        let expected = [("lamp", 0), ("lamp", 0), ("茶", 3), ("茶杯", 3), ("x", 103)];
        assert_eq!(tokens, expected.map(|(term, position)| (term.to_owned(), position)));
    }
}

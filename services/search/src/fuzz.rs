//! The fuzz target of what shoppers type: any bytes are a query, and what is read of it stands in its text.
//!
//! `cargo test` runs it on `corpus/query` and on mutations of it; CONTRIBUTING.md says how a fuzzer does.

use crate::text::{Query, terms, words};

/// Reads a query, and cuts it as if it were a product's text.
///
/// # Panics
/// If what is read does not stand in the text, or the reader panics.
pub fn query(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let query = Query::parse(&text);
    for word in &query.words {
        assert!(!text[word.start..word.end].is_empty(), "a word has a place");
        assert!(!word.terms.is_empty() && word.terms.iter().all(|term| !term.is_empty()), "a word has terms");
    }
    for phrase in query.phrases.iter().chain(&query.without) {
        assert!(phrase.terms.iter().any(|(_, distance)| *distance == 0), "a phrase begins somewhere");
    }
    let mut position = 0;
    for term in terms(&text) {
        assert!(!term.text.is_empty() && !text[term.start..term.end].is_empty(), "a term has a place");
        assert!(term.position + 1 >= position, "places are in order");
        position = term.position;
    }
    for word in words(&text) {
        assert!(word.chars().any(char::is_alphanumeric), "a word has letters or digits");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_bytes_are_too_strange_for_a_query() {
        test_fuzz::Target { crate_folder: env!("CARGO_MANIFEST_DIR"), name: "query", function: super::query }.run();
    }
}

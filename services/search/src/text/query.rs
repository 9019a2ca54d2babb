//! Reads what somebody typed.
//!
//! Words, `"several words"` next to each other, `-word` for one that must not occur. Everything is a query: what is no
//! operator is white space or part of a word, and a quote without an end is just a character.

use super::terms::{Kind, Term, terms};

/// A query, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// What should occur, each once.
    pub(crate) words: Vec<Word>,
    /// What must occur side by side.
    pub(crate) phrases: Vec<Phrase>,
    /// What must not occur.
    pub(crate) without: Vec<Phrase>,
}

/// One word, or one run of a script without spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// Its terms, all of which belong to it: one, or the pairs of a run.
    pub(crate) terms: Vec<String>,
    /// The letters and the digits that it can be split into; mostly none.
    pub(crate) parts: Vec<String>,
    /// Its bytes in the query.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Whether it is a word of letters, which can be misspelt.
    pub(crate) spelt: bool,
    /// Whether it may go on: it is at the end of the query.
    pub(crate) open: bool,
}

/// Terms at places beside each other, by their distance from the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Phrase {
    pub(crate) terms: Vec<(String, u32)>,
}

impl Query {
    /// Reads any text.
    pub(crate) fn parse(text: &str) -> Self {
        let mut query = Self::default();
        let (mut at, mut boundary) = (0, true);
        while let Some(c) = text[at..].chars().next() {
            let after = at + c.len_utf8();
            if c == '-' && boundary {
                let dashes = text[at..].len() - text[at..].trim_start_matches('-').len();
                at += dashes;
                let (inner, next) = quoted(text, at).unwrap_or_else(|| blob(text, at));
                query.without.extend(Phrase::of(&text[inner]));
                at = next;
            } else if let Some((inner, next)) = quoted(text, at) {
                query.phrases.extend(Phrase::of(&text[inner]));
                at = next;
            } else if is_space(c) || c == '"' {
                (at, boundary) = (after, true);
                continue;
            } else {
                let (inner, next) = blob(text, at);
                query.add_words(text, inner.start, &text[inner.clone()]);
                at = next;
            }
            boundary = false;
        }
        query
    }

    /// Whether there is anything to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty() && self.phrases.is_empty()
    }

    fn add_words(&mut self, text: &str, offset: usize, blob: &str) {
        let terms = terms(blob);
        let mut at = 0;
        while at < terms.len() {
            let length = terms[at..].iter().enumerate().skip(1).find(|(_, term)| begins(&terms, at, term));
            let length = length.map_or(terms.len() - at, |(length, _)| length);
            let word = Word::of(&terms[at..at + length], offset, text.len());
            if !self.words.iter().any(|known| known.terms == word.terms) {
                self.words.push(word);
            }
            at += length;
        }
    }
}

impl Word {
    fn of(terms: &[Term], offset: usize, length: usize) -> Self {
        let of_kind = |kind| terms.iter().filter(move |term| term.kind == kind).map(|term| term.text.clone());
        let (whole, pairs): (Vec<_>, Vec<_>) = (of_kind(Kind::Word).collect(), of_kind(Kind::Pair).collect());
        let spelt = whole.first().is_some_and(|word| word.chars().any(char::is_alphabetic));
        let own = match (whole.is_empty(), pairs.is_empty()) {
            (false, _) => whole,
            (true, false) => pairs,
            (true, true) => of_kind(Kind::Single).collect(),
        };
        let start = terms.iter().map(|term| term.start).min().unwrap_or_default() + offset;
        let end = terms.iter().map(|term| term.end).max().unwrap_or_default() + offset;
        Self { terms: own, parts: of_kind(Kind::Part).collect(), start, end, spelt, open: spelt && end == length }
    }
}

impl Phrase {
    /// `None`: no term is in it.
    fn of(text: &str) -> Option<Self> {
        let all = terms(text);
        let lonely = |term: &&Term| !all.iter().any(|pair| pair.kind == Kind::Pair && covers(pair, term));
        let terms: Vec<_> = all
            .iter()
            .filter(|term| match term.kind {
                Kind::Word | Kind::Pair => true,
                Kind::Part => false,
                Kind::Single => lonely(term),
            })
            .map(|term| (term.text.clone(), term.position))
            .collect();
        let first = terms.iter().map(|(_, position)| *position).min()?;
        Some(Self { terms: terms.into_iter().map(|(term, position)| (term, position - first)).collect() })
    }
}

/// Whether `term` begins another word than the one at `first`.
fn begins(terms: &[Term], first: usize, term: &Term) -> bool {
    match (terms[first].kind, term.kind) {
        (_, Kind::Word) | (Kind::Word | Kind::Part, Kind::Single) => true,
        (Kind::Word | Kind::Part, Kind::Part | Kind::Pair) => false,
        // Characters of one run follow each other without a gap.
        (Kind::Single | Kind::Pair, _) => {
            let end = terms[first..].iter().take_while(|other| other.start < term.start).map(|other| other.end).max();
            term.kind == Kind::Single && end.is_some_and(|end| term.start > end)
        }
    }
}

fn covers(pair: &Term, single: &Term) -> bool {
    pair.start <= single.start && single.end <= pair.end
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// What stands between quotes at a byte, and where they end.
fn quoted(text: &str, at: usize) -> Option<(std::ops::Range<usize>, usize)> {
    let inner = text[at..].strip_prefix('"')?;
    let length = inner.find('"')?;
    Some((at + 1..at + 1 + length, at + length + 2))
}

/// Everything up to white space or a quote.
fn blob(text: &str, at: usize) -> (std::ops::Range<usize>, usize) {
    let length = text[at..].find(|c: char| is_space(c) || c == '"').unwrap_or(text.len() - at);
    (at..at + length, at + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        Query::parse(text).words.into_iter().flat_map(|word| word.terms).collect()
    }

    fn phrase(terms: &[&str]) -> Phrase {
        Phrase { terms: terms.iter().zip(0..).map(|(term, at)| ((*term).to_owned(), at)).collect() }
    }

    #[test]
    fn a_query_is_words_phrases_and_what_must_not_occur() {
        let query = Query::parse(r#"Desk lamp "brushed steel" -led -"clip on" wi-fi"#);
        assert_eq!(words("Desk lamp wi-fi"), ["desk", "lamp", "wi", "fi"]);
        assert_eq!(query.words.len(), 4);
        assert_eq!(query.phrases, [phrase(&["brushed", "steel"])]);
        assert_eq!(query.without, [phrase(&["led"]), phrase(&["clip", "on"])]);
    }

    #[test]
    fn characters_without_spaces_are_their_pairs() {
        assert_eq!(words("蓝牙耳机"), ["蓝牙", "牙耳", "耳机"]);
        assert_eq!(words("茶"), ["茶"]);
        assert_eq!(words("蓝牙,茶"), ["蓝牙", "茶"]);
        assert_eq!(words("茶,茶杯 茶杯"), ["茶", "茶杯"]);
        assert_eq!(words("iphone手机"), ["iphone", "手机"]);
        assert_eq!(Query::parse("\"蓝牙耳机\"").phrases, [phrase(&["蓝牙", "牙耳", "耳机"])]);
    }

    #[test]
    fn operators_alone_are_no_words() {
        for text in [
            "",
            " ",
            "-",
            "--",
            "\"",
            "\"\"",
            "\"\"\"",
            "- -",
            "+&|!(){}[]^~*?:\\/",
            "🎧",
            "\0\0",
            "-\"",
            "AND".get(..0).unwrap(),
        ] {
            let query = Query::parse(text);
            assert!(query.is_empty() && query.without.is_empty(), "{text:?}");
        }
        assert!(Query::parse("-lamp").is_empty());
        assert_eq!(words("AND OR NOT"), ["and", "or", "not"]);
    }

    #[test]
    fn a_quote_without_an_end_is_a_space() {
        assert_eq!(words("\"desk lamp"), ["desk", "lamp"]);
        assert_eq!(words("a\0b\u{85}c"), ["a", "b", "c"]);
    }

    #[test]
    fn only_the_last_word_may_go_on() {
        let open = |text: &str| Query::parse(text).words.into_iter().map(|word| word.open).collect::<Vec<_>>();
        assert_eq!(open("desk la"), [false, true]);
        assert_eq!(open("desk la "), [false, false]);
    }

    #[test]
    fn a_word_says_where_it_stands() {
        let query = Query::parse("  wi-Fi 500ml");
        assert_eq!(
            query.words.iter().map(|word| (word.start, word.end)).collect::<Vec<_>>(),
            [(2, 4), (5, 7), (8, 13)]
        );
        assert_eq!(query.words[2].parts, ["500", "ml"]);
    }
}

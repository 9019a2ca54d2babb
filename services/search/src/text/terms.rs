//! Cuts text into terms, each with its place in the text.
//!
//! A run of letters and digits of a script with spaces is one term; where letters and digits meet inside of it, the parts are
//! terms too (`500ml`). A run of a script without spaces gives each character and each pair of neighbours. A term's position
//! counts words and characters, so that a phrase is terms at consecutive positions.

use unicode_normalization::char::is_combining_mark;

use super::fold::{fold, is_ignorable};

/// Longer terms are cut: nobody types them, and the dictionary has to stay small.
const TERM_BYTES_MAX: usize = 64;

/// What a term is of its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The whole run.
    Word,
    /// Its letters or its digits.
    Part,
    /// One character of a script without spaces.
    Single,
    /// Two neighbours of a script without spaces.
    Pair,
}

/// A term and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) text: String,
    pub(crate) kind: Kind,
    /// Its place among the words and characters.
    pub(crate) position: u32,
    /// Its bytes in the text.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A run of characters of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    start: usize,
    end: usize,
    /// Where the next run may begin: behind a possessive, which is no part of the term.
    next: usize,
    spaced: bool,
}

/// All terms of `text`, in order.
pub(crate) fn terms(text: &str) -> Vec<Term> {
    let mut terms = Vec::new();
    let (mut at, mut position) = (0, 0);
    while let Some(run) = run(text, at) {
        position = if run.spaced {
            word(text, run, position, &mut terms)
        } else {
            characters(text, run, position, &mut terms)
        };
        at = run.next;
    }
    terms
}

/// The words of `text` as somebody might go on typing them: runs as they are written.
pub(crate) fn words(text: &str) -> Vec<&str> {
    let (mut words, mut at) = (Vec::new(), 0);
    while let Some(run) = run(text, at) {
        words.push(&text[run.start..run.end]);
        at = run.next;
    }
    words
}

fn word(text: &str, run: Run, position: u32, terms: &mut Vec<Term>) -> u32 {
    let written = &text[run.start..run.end];
    let Some(folded) = folded(written) else { return position };
    let has_digit = folded.bytes().any(|byte| byte.is_ascii_digit());
    let mixed = has_digit && folded.bytes().any(|byte| !byte.is_ascii_digit());
    terms.push(Term { text: folded, kind: Kind::Word, position, start: run.start, end: run.end });
    if mixed {
        let mut start = run.start;
        let cuts =
            written.char_indices().zip(written.chars().skip(1)).filter(|((_, a), b)| a.is_numeric() != b.is_numeric());
        let cuts = cuts.map(|((at, a), _)| run.start + at + a.len_utf8()).chain([run.end]);
        for end in cuts {
            if let Some(part) = self::folded(&text[start..end]) {
                terms.push(Term { text: part, kind: Kind::Part, position, start, end });
            }
            start = end;
        }
    }
    position + 1
}

fn characters(text: &str, run: Run, mut position: u32, terms: &mut Vec<Term>) -> u32 {
    let mut before: Option<(usize, String)> = None;
    let mut start = run.start;
    while start < run.end {
        let mut end = run.end;
        for (at, c) in text[start..run.end].char_indices().skip(1) {
            if !is_continued(c) {
                end = start + at;
                break;
            }
        }
        if let Some(single) = folded(&text[start..end]) {
            if let Some((pair_start, first)) = before {
                let pair = format!("{first}{single}");
                terms.push(Term { text: pair, kind: Kind::Pair, position: position - 1, start: pair_start, end });
            }
            terms.push(Term { text: single.clone(), kind: Kind::Single, position, start, end });
            before = Some((start, single));
            position += 1;
        }
        start = end;
    }
    position
}

/// `None`: nothing is left of it.
fn folded(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    fold(text, &mut out);
    out.truncate(out.floor_char_boundary(TERM_BYTES_MAX));
    (!out.is_empty()).then_some(out)
}

/// The first run at or after a byte.
fn run(text: &str, at: usize) -> Option<Run> {
    let (offset, first) = text[at..].char_indices().find(|(_, c)| c.is_alphanumeric())?;
    let (start, spaced) = (at + offset, !is_unspaced(first));
    let mut end = start + first.len_utf8();
    let mut behind = end;
    for c in text[end..].chars() {
        behind += c.len_utf8();
        if is_ignorable(c) {
            continue;
        }
        let goes_on = is_continued(c) || (c.is_alphanumeric() && is_unspaced(c) != spaced);
        if !goes_on {
            break;
        }
        end = behind;
    }
    let possessive = if spaced { possessive(&text[end..]) } else { 0 };
    Some(Run { start, end, next: end + possessive, spaced })
}

/// The bytes of `'s` at the end of a word.
fn possessive(rest: &str) -> usize {
    let mut chars = rest.chars();
    let (apostrophe, s) = (chars.next(), chars.next());
    let ends = chars.next().is_none_or(|c| !c.is_alphanumeric());
    match (apostrophe, s) {
        (Some(apostrophe @ ('\'' | '’')), Some('s' | 'S')) if ends => apostrophe.len_utf8() + 1,
        _ => 0,
    }
}

/// Whether a character belongs to the one before it.
fn is_continued(c: char) -> bool {
    is_combining_mark(c) || is_ignorable(c) || matches!(c, '\u{ff9e}' | '\u{ff9f}' | '\u{1160}'..='\u{11ff}')
}

/// Whether a script is written without spaces, or with words that particles grow onto (Hangul).
fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c),
        0x0e00..=0x0eff // Thai, Lao
        | 0x1000..=0x109f // Burmese
        | 0x1100..=0x11ff | 0x3130..=0x318f | 0xa960..=0xa97f | 0xac00..=0xd7ff | 0xffa0..=0xffdc // Hangul
        | 0x1780..=0x17ff // Khmer
        | 0x2e80..=0x2fdf | 0x3005..=0x3007 | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x323af // Han
        | 0x3040..=0x30ff | 0x31f0..=0x31ff | 0xff66..=0xff9f // Kana
        | 0x3100..=0x312f | 0x31a0..=0x31bf) // Bopomofo
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of_kind(text: &str, kinds: &[Kind]) -> Vec<String> {
        terms(text).into_iter().filter(|term| kinds.contains(&term.kind)).map(|term| term.text).collect()
    }

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        let words = |text| of_kind(text, &[Kind::Word]);
        assert_eq!(words("A 2.4-inch, <b>Blue</b> lamp!"), ["a", "2", "4", "inch", "b", "blue", "b", "lamp"]);
        assert_eq!(words("the boss's men’s shop's"), ["the", "boss", "men", "shop"]);
        assert_eq!(words("rock'n'roll l'eau"), ["rock", "n", "roll", "l", "eau"]);
        assert_eq!(words("🎧 … ¿?"), Vec::<String>::new());
        assert_eq!(words("Настольная лампа"), ["настольная", "лампа"]);
    }

    #[test]
    fn where_letters_and_digits_meet_the_parts_are_terms_too() {
        assert_eq!(
            of_kind("500ml WH1000XM4", &[Kind::Word, Kind::Part]),
            ["500ml", "500", "ml", "wh1000xm4", "wh", "1000", "xm", "4"]
        );
    }

    #[test]
    fn scripts_without_spaces_are_characters_and_pairs() {
        assert_eq!(of_kind("蓝牙耳机", &[Kind::Pair]), ["蓝牙", "牙耳", "耳机"]);
        assert_eq!(of_kind("茶", &[Kind::Single, Kind::Pair]), ["茶"]);
        assert_eq!(of_kind("ﾍｯﾄﾞﾎﾝ", &[Kind::Pair]), of_kind("ヘッドホン", &[Kind::Pair]));
        assert_eq!(of_kind("iPhone手机壳", &[Kind::Word, Kind::Pair]), ["iphone", "手机", "机壳"]);
        assert_eq!(of_kind("กล้อง", &[Kind::Single]).len(), 4);
    }

    #[test]
    fn positions_count_words_and_characters() {
        let at = |text: &str, wanted: &str| terms(text).into_iter().find(|term| term.text == wanted).unwrap().position;
        assert_eq!(at("a 蓝牙 b", "蓝牙"), 1);
        assert_eq!(at("a 蓝牙 b", "b"), 3);
        assert_eq!(at("a 500ml b", "ml"), 1);
        assert_eq!(at("a 500ml b", "b"), 2);
    }

    proptest! {
        #[test]
        fn places_are_in_the_text_and_no_text_panics(text in "[\\PC\0\u{301}a-z茶ｶﾞ1' ]{0,60}") {
            for term in terms(&text) {
                let mut again = String::new();
                fold(&text[term.start..term.end], &mut again);
                again.truncate(again.floor_char_boundary(TERM_BYTES_MAX));
                prop_assert!(!term.text.is_empty() && term.text.len() <= 2 * TERM_BYTES_MAX);
                if term.kind != Kind::Pair {
                    prop_assert_eq!(again, term.text);
                }
            }
        }
    }
}

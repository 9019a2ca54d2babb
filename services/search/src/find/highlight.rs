//! Marks the parts of a product's texts that match.

use std::collections::HashSet;

use super::plan::Plan;
use crate::product::Product;
use crate::text::{Phrase, Term, terms};

/// The most characters of a text that is cut out.
const TEXT_CHARS_MAX: usize = 300;
/// How many characters stand before the first match of a part.
const BEFORE_CHARS: usize = 60;
/// The most matches of a text.
const RANGES_MAX: usize = 50;

/// A text and the bytes of it that match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Highlight {
    pub(crate) field: &'static str,
    pub(crate) text: String,
    /// Ascending, apart from each other.
    pub(crate) ranges: Vec<(usize, usize)>,
}

/// The texts of a product that match, one for each field at most.
pub(super) fn of(product: &Product, plan: &Plan) -> Vec<Highlight> {
    let terms = plan.terms();
    let phrases: Vec<_> = plan.phrases.iter().map(|places| &places.phrase).collect();
    let fields = [("name", &product.name), ("brand", &product.brand), ("description", &product.description)];
    fields.into_iter().filter_map(|(field, text)| mark(field, text, &terms, &phrases)).collect()
}

fn mark(field: &'static str, text: &str, wanted: &HashSet<&str>, phrases: &[&Phrase]) -> Option<Highlight> {
    let all = terms(text);
    let mut ranges: Vec<_> =
        all.iter().filter(|term| wanted.contains(term.text.as_str())).map(|term| (term.start, term.end)).collect();
    for phrase in phrases {
        ranges.extend(places(&all, phrase));
    }
    ranges.sort_unstable();
    let mut apart: Vec<(usize, usize)> = Vec::with_capacity(ranges.len());
    for (start, end) in ranges {
        match apart.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => apart.push((start, end)),
        }
    }
    let (first, _) = *apart.first()?;
    let part = part(text, first);
    let inside = apart.into_iter().filter(|(start, _)| part.contains(start));
    let cut = inside.map(|(start, end)| (start - part.start, end.min(part.end) - part.start));
    Some(Highlight { field, ranges: cut.take(RANGES_MAX).collect(), text: text[part].to_owned() })
}

/// Where a phrase stands: the bytes of its terms.
fn places<'a>(all: &'a [Term], phrase: &'a Phrase) -> impl Iterator<Item = (usize, usize)> + 'a {
    let at = |position: u32, text: &str| all.iter().find(|term| term.position == position && term.text == text);
    let (first, _) = phrase.terms.first().map_or(("", 0), |(term, distance)| (term.as_str(), *distance));
    let starts = all.iter().filter(move |term| term.text == first).map(|term| term.position);
    starts.flat_map(move |start| {
        let found: Option<Vec<_>> = phrase.terms.iter().map(|(term, distance)| at(start + distance, term)).collect();
        found.unwrap_or_default().into_iter().map(|term| (term.start, term.end))
    })
}

/// The part of a text around a byte: all of it where it is short, else from the beginning of a word.
fn part(text: &str, first: usize) -> std::ops::Range<usize> {
    let end_of = |begin: usize| text[begin..].char_indices().nth(TEXT_CHARS_MAX).map(|(at, _)| begin + at);
    let Some(end) = end_of(0) else { return 0..text.len() };
    let before = text[..first].char_indices().rev().nth(BEFORE_CHARS - 1).map_or(0, |(at, _)| at);
    if before == 0 {
        return 0..end;
    }
    let word = text[before..first].char_indices().find(|(_, c)| c.is_whitespace());
    let begin = word.map_or(before, |(at, c)| before + at + c.len_utf8());
    begin..end_of(begin).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marked(text: &str, wanted: &[&str]) -> Vec<String> {
        let found = mark("name", text, &wanted.iter().copied().collect(), &[]);
        found.map_or(Vec::new(), |found| found.ranges.iter().map(|(a, b)| found.text[*a..*b].to_owned()).collect())
    }

    #[test]
    fn what_matches_is_marked_as_it_is_written() {
        assert_eq!(marked("Crème <b>brûlée</b>", &["brulee"]), ["brûlée"]);
        assert_eq!(marked("无线蓝牙耳机", &["蓝牙", "牙耳", "耳机"]), ["蓝牙耳机"]);
        assert_eq!(marked("no match", &["lamp"]), Vec::<String>::new());
    }

    #[test]
    fn of_a_long_text_the_part_around_the_matches_is_shown() {
        let text = format!("{}the lamp {}", "word ".repeat(200), "é ".repeat(400));
        let found = mark("description", &text, &HashSet::from(["lamp"]), &[]).unwrap();
        assert_eq!(found.text.chars().count(), TEXT_CHARS_MAX);
        assert!(found.text.starts_with("word "), "{}", found.text);
        assert_eq!(&found.text[found.ranges[0].0..found.ranges[0].1], "lamp");
    }

    #[test]
    fn a_phrase_is_marked_where_its_words_are_side_by_side() {
        let phrase = Phrase { terms: vec![("blue".into(), 0), ("lamp".into(), 1)] };
        let found = mark("name", "Blue shade, blue lamp", &HashSet::new(), &[&phrase]).unwrap();
        assert_eq!(found.ranges, [(12, 16), (17, 21)]);
    }

    proptest! {
        #[test]
        fn ranges_are_in_the_text_apart_and_at_characters(text in "[a-c é茶杯\u{301}.]{0,900}", wanted in "[a-c]{1,2}") {
            if let Some(found) = mark("name", &text, &HashSet::from([wanted.as_str(), "茶杯", "茶"]), &[]) {
                prop_assert!(found.text.chars().count() <= TEXT_CHARS_MAX && found.ranges.len() <= RANGES_MAX);
                prop_assert!(!found.ranges.is_empty());
                let mut before = None;
                for (start, end) in found.ranges {
                    prop_assert!(start < end && before.is_none_or(|before| before < start));
                    prop_assert!(found.text.get(start..end).is_some());
                    before = Some(end);
                }
            }
        }
    }
}

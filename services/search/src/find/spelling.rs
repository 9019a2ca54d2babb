//! Words of the index that are close to one that was typed.

use std::collections::HashMap;

use tantivy::postings::TermInfo;
use tantivy::query::FuzzyTermQuery;

use super::plan::Alternative;
use crate::index::View;

/// The most words that one misspelt word may stand for.
const CLOSE_MAX: usize = 16;
/// The most words that one begun word may stand for.
const BEGUN_MAX: usize = 32;
/// The most terms of a segment that are looked at for one word.
const LOOKED_AT_MAX: usize = 2_000;
/// What a match counts, by how far it is from what was typed.
const CLOSE_WEIGHTS: [f32; 3] = [1.0, 0.5, 0.25];
const BEGUN_WEIGHT: f32 = 0.6;

/// How many letters of a word may be wrong, left out, added or swapped.
pub(super) fn typos(word: &str) -> u8 {
    match word.chars().count() {
        ..=3 => 0,
        4..=7 => 1,
        8.. => 2,
    }
}

/// The words that somebody may have meant, the closest and then the most frequent first.
pub(super) fn close(view: &View, word: &str) -> tantivy::Result<Vec<Alternative>> {
    let distance = typos(word);
    if distance == 0 {
        return Ok(Vec::new());
    }
    // To make it costs more than to walk a segment's words with it.
    let automaton = FuzzyTermQuery::new(view.word(word), distance, true).automaton()?;
    let mut found = Terms::new(view);
    for (index, segment) in view.segments.iter().enumerate() {
        let mut stream = segment.words.terms().search(&automaton).into_stream()?;
        let mut looked_at = 0;
        while looked_at < LOOKED_AT_MAX && stream.advance() {
            found.add(index, stream.key(), stream.value());
            looked_at += 1;
        }
    }
    let mut close = Vec::new();
    for (term, infos) in found.by_term {
        let distance = self::distance(word, &term);
        let weight = CLOSE_WEIGHTS.get(distance).copied().unwrap_or_default();
        if let Some(alternative) = Alternative::of(view, term, infos, weight)? {
            close.push((distance, alternative));
        }
    }
    close.sort_by(|(a_far, a), (b_far, b)| (a_far, b.documents, &a.term).cmp(&(b_far, a.documents, &b.term)));
    close.truncate(CLOSE_MAX);
    Ok(close.into_iter().map(|(_, alternative)| alternative).collect())
}

/// The words that begin as this one does, the most frequent first.
pub(super) fn begun(view: &View, prefix: &str) -> tantivy::Result<Vec<Alternative>> {
    let mut found = Terms::new(view);
    // No text goes on with this byte.
    let end = [prefix.as_bytes(), &[0xff]].concat();
    for (index, segment) in view.segments.iter().enumerate() {
        let mut stream = segment.words.terms().range().ge(prefix).lt(&end).into_stream()?;
        let mut looked_at = 0;
        while looked_at < LOOKED_AT_MAX && stream.advance() {
            found.add(index, stream.key(), stream.value());
            looked_at += 1;
        }
    }
    let mut begun = Vec::new();
    for (term, infos) in found.by_term {
        begun.extend(Alternative::of(view, term, infos, BEGUN_WEIGHT)?);
    }
    begun.sort_by(|a, b| (b.documents, &a.term).cmp(&(a.documents, &b.term)));
    begun.truncate(BEGUN_MAX);
    Ok(begun)
}

/// Terms with where they are in each segment.
struct Terms {
    segments: usize,
    by_term: HashMap<String, Vec<Option<TermInfo>>>,
}

impl Terms {
    fn new(view: &View) -> Self {
        Self { segments: view.segments.len(), by_term: HashMap::new() }
    }

    fn add(&mut self, segment: usize, term: &[u8], info: &TermInfo) {
        let Ok(term) = std::str::from_utf8(term) else { return };
        let infos = self.by_term.entry(term.to_owned()).or_insert_with(|| vec![None; self.segments]);
        infos[segment] = Some(info.clone());
    }
}

/// How many letters differ: wrong, left out, added, or two that were swapped.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<_>, Vec<_>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_wrong_left_out_added_and_swapped_are_one_each() {
        for (a, b, expected) in [
            ("lamp", "lamp", 0),
            ("lamp", "lanp", 1),
            ("lamp", "lap", 1),
            ("lamp", "lammp", 1),
            ("lamp", "lapm", 1),
            ("headphones", "haedphnes", 2),
            ("лампа", "ламбы", 2),
            ("", "ab", 2),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn long_words_may_be_misspelt_more_than_short_ones() {
        assert_eq!(["tea", "lamp", "lantern", "lanterns", "лампа"].map(typos), [0, 1, 1, 2, 1]);
    }
}

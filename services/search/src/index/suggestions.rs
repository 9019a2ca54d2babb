//! What somebody may be about to type: words, pairs of words, names, brands and categories, with how many products have them.
//!
//! A sorted list of every place in a suggestion where a word begins, searched by halving. It is read from the index anew when
//! that has changed, is bounded, and takes microseconds to ask.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tantivy::postings::TermInfo;
use tantivy::schema::IndexRecordOption;
use tantivy::termdict::TermMerger;
use tantivy::{DocSet as _, TERMINATED};

use crate::text::forms;

use super::document::{SUGGESTION_SEPARATOR, suggestion_key};
use super::view::{Segment, View};

/// The most suggestions that are kept: those of most products.
const KEPT_MAX: usize = 100_000;
/// The most places of a prefix that are looked at. Above it the first of them, in order of the alphabet, have to do.
const LOOKED_AT_MAX: usize = 50_000;
/// Counts are compared up to here when the least of those kept is chosen.
const COUNTS: usize = 256;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Suggestions {
    texts: String,
    entries: Vec<Entry>,
    /// Where a word begins in a key: the entry, and the byte of its key. In the order of what follows.
    places: Vec<(u32, u8)>,
}

/// A suggestion: its key and what is shown for it stand in `texts`, in this order.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    key: u8,
    shown: u8,
    count: u32,
}

/// Something to type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suggestion {
    pub(crate) query: String,
    pub(crate) products: u64,
}

impl Suggestions {
    /// Reads them from the index.
    pub(super) fn read(view: &View) -> tantivy::Result<Self> {
        let least = Least::of(view)?;
        let mut suggestions = Self::default();
        each(view, |term, count| {
            if suggestions.entries.len() < KEPT_MAX && least.admits(term, count) {
                suggestions.add(term, count);
            }
        })?;
        suggestions.finish();
        Ok(suggestions)
    }

    /// The best suggestions some word of which begins with `prefix`.
    pub(crate) fn find(&self, prefix: &str, most: usize) -> Vec<Suggestion> {
        let prefix = suggestion_key(prefix);
        if prefix.is_empty() {
            return Vec::new();
        }
        let begin = self.places.partition_point(|place| self.rest(*place) < prefix.as_str());
        let places = self.places[begin..].iter().take(LOOKED_AT_MAX);
        // Some of the best may turn out to be parts of others.
        let kept = 2 * most;
        let mut best = BinaryHeap::with_capacity(kept + 1);
        for place in places.take_while(|place| self.rest(**place).starts_with(&prefix)) {
            let entry = self.entries[place.0 as usize];
            // At its beginning is better than further on, and short is better than long.
            let rank = Reverse((entry.count, Reverse(place.1 > 0), Reverse(entry.shown), Reverse(place.0)));
            if best.len() < kept || best.peek().is_some_and(|worst| rank < *worst) {
                if best.iter().any(|Reverse((.., Reverse(known)))| *known == place.0) {
                    continue;
                }
                best.push(rank);
                if best.len() > kept {
                    best.pop();
                }
            }
        }
        let best: Vec<_> = best.into_sorted_vec().into_iter().map(|Reverse((.., Reverse(entry)))| entry).collect();
        let mut telling: Vec<u32> = Vec::with_capacity(most);
        for entry in best.iter().filter(|entry| !best.iter().any(|other| self.is_part(**entry, *other))) {
            if telling.len() < most && !telling.iter().any(|known| self.is_twin(*known, *entry)) {
                telling.push(*entry);
            }
        }
        telling.into_iter().map(|entry| self.suggestion(entry)).collect()
    }

    /// Whether an entry is some of the words of another one that finds as many products, and so says more.
    fn is_part(&self, entry: u32, other: u32) -> bool {
        let (part, whole) = (self.rest((entry, 0)), self.rest((other, 0)));
        let count = |entry: u32| self.entries[entry as usize].count;
        part.len() < whole.len()
            && count(entry) <= count(other)
            && whole.match_indices(part).any(|(at, _)| {
                let (before, after) = (&whole[..at], &whole[at + part.len()..]);
                (before.is_empty() || before.ends_with(' ')) && (after.is_empty() || after.starts_with(' '))
            })
    }

    /// Whether two entries have the same words, of which some are in the plural in one of them: search finds the same by both.
    fn is_twin(&self, one: u32, other: u32) -> bool {
        let (mut one, mut other) = (self.rest((one, 0)).split(' '), self.rest((other, 0)).split(' '));
        loop {
            match (one.next(), other.next()) {
                (None, None) => return true,
                (Some(word), Some(form)) if word == form || forms(word).iter().any(|known| known == form) => {}
                _ => return false,
            }
        }
    }

    fn suggestion(&self, entry: u32) -> Suggestion {
        let Entry { start, key, shown, count } = self.entries[entry as usize];
        let begin = start as usize + usize::from(key);
        Suggestion { query: self.texts[begin..begin + usize::from(shown)].to_owned(), products: count.into() }
    }

    /// What follows a place, to the end of its key.
    fn rest(&self, (entry, at): (u32, u8)) -> &str {
        let Entry { start, key, .. } = self.entries[entry as usize];
        &self.texts[start as usize + usize::from(at)..start as usize + usize::from(key)]
    }

    fn add(&mut self, term: &str, count: u32) {
        let Some((key, shown)) = term.split_once(SUGGESTION_SEPARATOR) else { return };
        let (Ok(key_length), Ok(shown_length)) = (u8::try_from(key.len()), u8::try_from(shown.len())) else { return };
        // Terms come in order, so the same key written in several ways comes side by side: the most frequent way stays.
        if let Some(last) = self.entries.last_mut() {
            let before = &self.texts[last.start as usize..last.start as usize + usize::from(last.key)];
            if before == key {
                if last.count < count {
                    self.texts.truncate(last.start as usize + key.len());
                    self.texts.push_str(shown);
                    last.shown = shown_length;
                }
                last.count = last.count.max(count);
                return;
            }
        }
        let start = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.texts.push_str(key);
        self.texts.push_str(shown);
        self.entries.push(Entry { start, key: key_length, shown: shown_length, count });
    }

    fn finish(&mut self) {
        // What goes on with no other word than one finds the same products, so the longer one says more.
        let mut dropped = vec![false; self.entries.len()];
        for at in 1..self.entries.len() {
            let (before, entry) = (self.entries[at - 1], self.entries[at]);
            let key = |entry: Entry| &self.texts[entry.start as usize..entry.start as usize + usize::from(entry.key)];
            let goes_on = key(entry).strip_prefix(key(before)).is_some_and(|rest| rest.starts_with(' '));
            dropped[at - 1] = goes_on && before.count <= entry.count;
        }
        let mut places = Vec::with_capacity(self.entries.len() * 2);
        for (index, entry) in (0_u32..).zip(&self.entries).filter(|(index, _)| !dropped[*index as usize]) {
            let key = &self.texts[entry.start as usize..entry.start as usize + usize::from(entry.key)];
            places.push((index, 0));
            let spaces = key.bytes().zip(1_u8..).filter(|(byte, _)| *byte == b' ');
            places.extend(spaces.map(|(_, after)| (index, after)));
        }
        self.places = places;
        let mut sorted = std::mem::take(&mut self.places);
        sorted.sort_by(|a, b| self.rest(*a).cmp(self.rest(*b)));
        self.places = sorted;
        self.texts.shrink_to_fit();
        self.entries.shrink_to_fit();
    }
}

/// The least count that is kept, and which part of those that have just it.
struct Least {
    count: u32,
    part: u64,
}

impl Least {
    fn of(view: &View) -> tantivy::Result<Self> {
        let mut counts = [0_usize; COUNTS];
        each(view, |_term, count| counts[(count as usize).min(COUNTS - 1)] += 1)?;
        let mut room = KEPT_MAX;
        for (count, number) in counts.into_iter().enumerate().rev() {
            if number > room {
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                return Ok(Self { count, part: u64::MAX / number as u64 * room as u64 });
            }
            room -= number;
        }
        Ok(Self { count: 0, part: u64::MAX })
    }

    /// Of those that have just the least count, some: always the same, and from the whole alphabet.
    fn admits(&self, term: &str, count: u32) -> bool {
        count > self.count || (count == self.count && hash(term) <= self.part)
    }
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Calls `found` with every suggestion of the index, in order, and how many products have it.
fn each(view: &View, mut found: impl FnMut(&str, u32)) -> tantivy::Result<()> {
    let streams: Result<Vec<_>, _> = view.segments.iter().map(|segment| segment.suggestions.terms().stream()).collect();
    let mut merged = TermMerger::new(streams?);
    while merged.advance() {
        let mut count = 0;
        for (segment, info) in merged.current_segment_ords_and_term_infos() {
            count += alive(&view.segments[segment], &info)?;
        }
        if let (Ok(term), 1..) = (std::str::from_utf8(merged.key()), count) {
            found(term, count);
        }
    }
    Ok(())
}

/// How many products of a segment have a term: those that were replaced since do not count.
fn alive(segment: &Segment, info: &TermInfo) -> tantivy::Result<u32> {
    if !segment.reader.has_deletes() {
        return Ok(info.doc_freq);
    }
    let mut postings = segment.suggestions.read_postings_from_terminfo(info, IndexRecordOption::Basic)?;
    let mut count = 0;
    while postings.doc() != TERMINATED {
        count += u32::from(!segment.reader.is_deleted(postings.doc()));
        postings.advance();
    }
    Ok(count)
}

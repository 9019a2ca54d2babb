//! Turns a query into clauses that some products match.
//!
//! Words mean themselves and their other forms. A word that no product has may be misspelt, or only begun where it is the last.
//! Where no product has all words, every longer word may be misspelt; then words that no product has are left out; then half
//! of them are enough. Filters play no part in this, so that they never change what a query means.

use std::collections::HashSet;

use tantivy::postings::TermInfo;
use tantivy::query::Bm25Weight;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet as _, TERMINATED};

use super::matching::{self, Candidates};
use super::spelling;
use crate::index::View;
use crate::text::{Phrase, Query, Word, forms};

/// What another form of a word counts.
const FORM_WEIGHT: f32 = 0.9;
/// The most words of a query that are looked for in other spellings.
const SPELLED_MAX: usize = 8;
/// Of words that no product has all of, the rarest so many have to do.
const SOME_MAX: usize = 16;
/// The most characters of a corrected query.
const CORRECTED_CHARS_MAX: usize = 500;

/// A term of the index that stands for a word of the query.
#[derive(Clone)]
pub(super) struct Alternative {
    pub(super) term: String,
    /// Where it is in each segment.
    pub(super) infos: Vec<Option<TermInfo>>,
    /// How many documents have it, deleted ones included, as BM25 counts.
    pub(super) documents: u64,
    pub(super) score: Bm25Weight,
}

/// What a document has to match, one way or another.
#[derive(Clone, Default)]
pub(super) struct Clause {
    pub(super) alternatives: Vec<Alternative>,
}

/// What a query came to mean.
#[derive(Default)]
pub(super) struct Plan {
    /// All of these.
    pub(super) required: Vec<Clause>,
    /// At least so many of these.
    pub(super) optional: Vec<Clause>,
    pub(super) optional_min: usize,
    pub(super) phrases: Vec<Places>,
    pub(super) without: Vec<Places>,
    /// Better spellings of words that nothing has, by their bytes in the query.
    corrections: Vec<(usize, usize, String)>,
}

/// Terms at places beside each other, found in each segment.
pub(super) struct Places {
    pub(super) phrase: Phrase,
    /// By segment, then by term. `None`: the segment does not have all of them.
    pub(super) infos: Vec<Option<Vec<TermInfo>>>,
}

/// A word with the clauses it may mean.
struct Meaning<'a> {
    word: &'a Word,
    clauses: Vec<Clause>,
    close: Option<Vec<Alternative>>,
}

impl Plan {
    /// Finds out what the query means here, and which documents match that.
    pub(super) fn execute(view: &View, query: &Query) -> tantivy::Result<(Self, Vec<Candidates>)> {
        let mut plan = Self::default();
        for phrase in &query.phrases {
            for (term, _) in &phrase.terms {
                plan.required.push(Clause { alternatives: exact(view, term, 1.0)?.into_iter().collect() });
            }
            plan.phrases.push(Places::find(view, phrase)?);
        }
        for phrase in &query.without {
            plan.without.push(Places::find(view, phrase)?);
        }
        let mut spelled = 0;
        let mut meanings = Vec::with_capacity(query.words.len());
        for word in &query.words {
            meanings.push(plan.meaning(view, word, &mut spelled)?);
        }
        plan.optional = meanings.iter().flat_map(|meaning| meaning.clauses.iter().cloned()).collect();
        plan.optional_min = plan.optional.len();
        let mut candidates = plan.candidates(view)?;
        if !is_empty(&candidates) || meanings.is_empty() {
            return Ok((plan, candidates));
        }
        for meaning in &mut meanings {
            meaning.may_be_misspelt(view, &mut spelled)?;
        }
        plan.optional = meanings.into_iter().flat_map(|meaning| meaning.clauses).collect();
        candidates = plan.candidates(view)?;
        if is_empty(&candidates) {
            plan.optional.retain(|clause| !clause.alternatives.is_empty());
            plan.optional_min = plan.optional.len();
            candidates = plan.candidates(view)?;
        }
        if is_empty(&candidates) {
            plan.optional.sort_by_key(Clause::documents);
            plan.optional.truncate(SOME_MAX);
            plan.optional_min = plan.optional.len().div_ceil(2);
            candidates = plan.candidates(view)?;
        }
        Ok((plan, candidates))
    }

    /// The query with the words that nothing has as they were probably meant; `None`: there is nothing to correct.
    pub(super) fn corrected(&self, text: &str) -> Option<String> {
        let mut corrected = String::with_capacity(text.len());
        let mut at = 0;
        for (start, end, term) in &self.corrections {
            corrected.push_str(&text[at..*start]);
            corrected.push_str(term);
            at = *end;
        }
        corrected.push_str(&text[at..]);
        (at > 0 && corrected.chars().count() <= CORRECTED_CHARS_MAX).then_some(corrected)
    }

    /// Every term that a match may be of.
    pub(super) fn terms(&self) -> HashSet<&str> {
        let alternatives = self.optional.iter().flat_map(|clause| &clause.alternatives);
        alternatives.map(|alternative| alternative.term.as_str()).collect()
    }

    fn candidates(&self, view: &View) -> tantivy::Result<Vec<Candidates>> {
        let segments = view.segments.iter().enumerate();
        segments.map(|(index, segment)| matching::of_segment(segment, index, self)).collect()
    }

    fn meaning<'a>(&mut self, view: &View, word: &'a Word, spelled: &mut usize) -> tantivy::Result<Meaning<'a>> {
        let mut meaning = Meaning { word, clauses: Vec::with_capacity(1), close: None };
        for term in &word.terms {
            let mut alternatives: Vec<_> = exact(view, term, 1.0)?.into_iter().collect();
            for form in forms(term) {
                alternatives.extend(exact(view, &form, FORM_WEIGHT)?);
            }
            meaning.clauses.push(Clause { alternatives });
        }
        let [Clause { alternatives }] = meaning.clauses.as_mut_slice() else { return Ok(meaning) };
        let [term] = word.terms.as_slice() else { return Ok(meaning) };
        if !alternatives.is_empty() || *spelled >= SPELLED_MAX {
            return Ok(meaning);
        }
        let mut parts = Vec::with_capacity(word.parts.len());
        for part in &word.parts {
            parts.extend(exact(view, part, 1.0)?.map(|part| Clause { alternatives: vec![part] }));
        }
        if !parts.is_empty() && parts.len() == word.parts.len() {
            meaning.clauses = parts;
            return Ok(meaning);
        }
        *spelled += 1;
        if word.open {
            *alternatives = spelling::begun(view, term)?;
        }
        let begun = !alternatives.is_empty();
        if word.spelt {
            let close = spelling::close(view, term)?;
            if let Some(best) = close.first().filter(|_| !begun) {
                self.corrections.push((word.start, word.end, best.term.clone()));
            }
            add_new(alternatives, &close);
            meaning.close = Some(close);
        }
        Ok(meaning)
    }
}

impl Clause {
    fn documents(&self) -> u64 {
        self.alternatives.iter().map(|alternative| alternative.documents).sum()
    }
}

impl Meaning<'_> {
    fn may_be_misspelt(&mut self, view: &View, spelled: &mut usize) -> tantivy::Result<()> {
        let ([Clause { alternatives }], [term]) = (self.clauses.as_mut_slice(), self.word.terms.as_slice()) else {
            return Ok(());
        };
        if self.close.is_none() && self.word.spelt && *spelled < SPELLED_MAX {
            *spelled += 1;
            add_new(alternatives, &spelling::close(view, term)?);
        }
        Ok(())
    }
}

impl Alternative {
    /// `None`: no document that is still there has the term.
    pub(super) fn of(
        view: &View,
        term: String,
        infos: Vec<Option<TermInfo>>,
        weight: f32,
    ) -> tantivy::Result<Option<Self>> {
        let documents: u64 = infos.iter().flatten().map(|info| u64::from(info.doc_freq)).sum();
        if documents == 0 || !is_alive(view, &infos)? {
            return Ok(None);
        }
        let score = Bm25Weight::for_one_term_without_explain(documents, view.documents, view.length_average);
        Ok(Some(Self { term, infos, documents, score: score.boost_by(weight) }))
    }
}

impl Places {
    fn find(view: &View, phrase: &Phrase) -> tantivy::Result<Self> {
        let terms: Vec<_> = phrase.terms.iter().map(|(term, _)| view.place(term)).collect();
        let mut infos = Vec::with_capacity(view.segments.len());
        for segment in &view.segments {
            let found: Result<Option<Vec<_>>, _> =
                terms.iter().map(|term| segment.places.get_term_info(term)).collect();
            infos.push(found?);
        }
        Ok(Self { phrase: phrase.clone(), infos })
    }
}

/// A term as it is, if some document has it.
fn exact(view: &View, term: &str, weight: f32) -> tantivy::Result<Option<Alternative>> {
    let wanted = view.word(term);
    let infos: Result<Vec<_>, _> = view.segments.iter().map(|segment| segment.words.get_term_info(&wanted)).collect();
    Alternative::of(view, term.to_owned(), infos?, weight)
}

/// Whether any document with the term was not replaced since.
fn is_alive(view: &View, infos: &[Option<TermInfo>]) -> tantivy::Result<bool> {
    for (segment, info) in view.segments.iter().zip(infos) {
        let Some(info) = info else { continue };
        if info.doc_freq > segment.reader.num_deleted_docs() {
            return Ok(true);
        }
        let mut postings = segment.words.read_postings_from_terminfo(info, IndexRecordOption::Basic)?;
        while postings.doc() != TERMINATED {
            if !segment.reader.is_deleted(postings.doc()) {
                return Ok(true);
            }
            postings.advance();
        }
    }
    Ok(false)
}

fn add_new(alternatives: &mut Vec<Alternative>, more: &[Alternative]) {
    for one in more {
        if !alternatives.iter().any(|known| known.term == one.term) {
            alternatives.push(one.clone());
        }
    }
}

fn is_empty(candidates: &[Candidates]) -> bool {
    candidates.iter().all(Vec::is_empty)
}

//! The documents of one segment that match a plan, and how well.
//!
//! The rarest clause gives the first candidates; every other one only looks those up, in posting lists that skip. So a query
//! costs about what its rarest word does.

use tantivy::postings::{Postings as _, SegmentPostings, TermInfo};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet as _, TERMINATED};

use super::plan::{Alternative, Clause, Places, Plan};
use crate::index::Segment;

/// Documents, ascending, each with its score.
pub(super) type Candidates = Vec<(u32, f32)>;

/// Longer lists of alternatives are sorted together, shorter ones are merged one by one.
const MERGED_MAX: usize = 4;

/// The documents of a segment that match.
pub(super) fn of_segment(segment: &Segment, index: usize, plan: &Plan) -> tantivy::Result<Candidates> {
    let mut clauses: Vec<&Clause> = plan.required.iter().collect();
    let all = plan.optional_min == plan.optional.len();
    if all {
        clauses.extend(&plan.optional);
    }
    clauses.sort_by_key(|clause| documents(clause, index));
    let mut candidates = match clauses.split_first() {
        Some((rarest, others)) => {
            let mut candidates = gather(segment, index, rarest)?;
            for clause in others {
                narrow(segment, index, clause, &mut candidates)?;
            }
            candidates
        }
        None if all => Vec::new(),
        None => some_of(segment, index, plan)?,
    };
    if !all && !clauses.is_empty() {
        let some = some_of(segment, index, plan)?;
        candidates = both(&candidates, &some);
    }
    candidates.retain(|(doc, _)| !segment.reader.is_deleted(*doc));
    for phrase in &plan.phrases {
        keep_phrase(segment, index, phrase, &mut candidates, true)?;
    }
    for phrase in &plan.without {
        keep_phrase(segment, index, phrase, &mut candidates, false)?;
    }
    Ok(candidates)
}

/// How many documents of a segment a clause has at most.
fn documents(clause: &Clause, index: usize) -> u64 {
    let infos = clause.alternatives.iter().filter_map(|alternative| alternative.infos[index].as_ref());
    infos.map(|info| u64::from(info.doc_freq)).sum()
}

/// All documents of a clause, with the score of the best alternative of each.
fn gather(segment: &Segment, index: usize, clause: &Clause) -> tantivy::Result<Candidates> {
    let mut all = Vec::new();
    let present: Vec<_> = present(clause, index).collect();
    for (alternative, info) in &present {
        let mut postings = segment.words.read_postings_from_terminfo(info, IndexRecordOption::WithFreqs)?;
        let mut list = Vec::with_capacity(info.doc_freq as usize);
        let mut doc = postings.doc();
        while doc != TERMINATED {
            list.push((doc, score(segment, alternative, &postings, doc)));
            doc = postings.advance();
        }
        if all.is_empty() {
            all = list;
        } else if present.len() <= MERGED_MAX {
            all = merge(&all, &list, f32::max);
        } else {
            all.extend(list);
        }
    }
    if present.len() > MERGED_MAX {
        all.sort_unstable_by(|(a, a_score), (b, b_score)| a.cmp(b).then(b_score.total_cmp(a_score)));
        all.dedup_by_key(|(doc, _)| *doc);
    }
    Ok(all)
}

/// Keeps the candidates that match a clause too, and adds its score.
fn narrow(segment: &Segment, index: usize, clause: &Clause, candidates: &mut Candidates) -> tantivy::Result<()> {
    if candidates.is_empty() {
        return Ok(());
    }
    let mut lists = Vec::new();
    for (alternative, info) in present(clause, index) {
        lists.push((alternative, segment.words.read_postings_from_terminfo(info, IndexRecordOption::WithFreqs)?));
    }
    candidates.retain_mut(|(doc, sum)| {
        let mut best: Option<f32> = None;
        for (alternative, postings) in &mut lists {
            if postings.doc() < *doc {
                postings.seek(*doc);
            }
            if postings.doc() == *doc {
                let score = score(segment, alternative, postings, *doc);
                best = Some(best.map_or(score, |best| best.max(score)));
            }
        }
        *sum += best.unwrap_or_default();
        best.is_some()
    });
    Ok(())
}

/// The documents that match enough of the optional clauses.
fn some_of(segment: &Segment, index: usize, plan: &Plan) -> tantivy::Result<Candidates> {
    let mut counted: Vec<(u32, (usize, f32))> = Vec::new();
    for clause in &plan.optional {
        let list: Vec<_> = gather(segment, index, clause)?.into_iter().map(|(doc, score)| (doc, (1, score))).collect();
        counted = merge(&counted, &list, |(a, a_score), (b, b_score)| (a + b, a_score + b_score));
    }
    let enough = counted.into_iter().filter(|(_, (count, _))| *count >= plan.optional_min.max(1));
    Ok(enough.map(|(doc, (_, score))| (doc, score)).collect())
}

/// Both lists as one; what is in both is joined.
fn merge<T: Copy>(a: &[(u32, T)], b: &[(u32, T)], join: impl Fn(T, T) -> T) -> Vec<(u32, T)> {
    let mut merged = Vec::with_capacity(a.len() + b.len());
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    while let (Some((a_doc, a_value)), Some((b_doc, b_value))) = (a.peek(), b.peek()) {
        match a_doc.cmp(b_doc) {
            std::cmp::Ordering::Less => merged.extend(a.next()),
            std::cmp::Ordering::Greater => merged.extend(b.next()),
            std::cmp::Ordering::Equal => {
                merged.push((*a_doc, join(*a_value, *b_value)));
                a.next();
                b.next();
            }
        }
    }
    merged.extend(a);
    merged.extend(b);
    merged
}

/// What is in both lists, with the sum of the scores.
fn both(a: &Candidates, b: &Candidates) -> Candidates {
    let in_b = |doc: &u32| b.binary_search_by_key(doc, |(doc, _)| *doc).ok().map(|at| b[at].1);
    a.iter().filter_map(|(doc, score)| Some((*doc, score + in_b(doc)?))).collect()
}

/// Keeps the candidates that have the phrase, or those that do not.
fn keep_phrase(
    segment: &Segment,
    index: usize,
    places: &Places,
    candidates: &mut Candidates,
    wanted: bool,
) -> tantivy::Result<()> {
    let Some(infos) = &places.infos[index] else {
        if wanted {
            candidates.clear();
        }
        return Ok(());
    };
    let single = infos.len() == 1;
    let option = if single { IndexRecordOption::Basic } else { IndexRecordOption::WithFreqsAndPositions };
    let mut lists = Vec::with_capacity(infos.len());
    for (info, (_, distance)) in infos.iter().zip(&places.phrase.terms) {
        lists.push((segment.places.read_postings_from_terminfo(info, option)?, *distance));
    }
    let mut starts = Vec::new();
    let mut at = Vec::new();
    candidates.retain(|(doc, _)| {
        for (postings, _) in &mut lists {
            if postings.doc() < *doc {
                postings.seek(*doc);
            }
            if postings.doc() != *doc {
                return !wanted;
            }
        }
        (single || is_side_by_side(&mut lists, &mut starts, &mut at)) == wanted
    });
    Ok(())
}

/// Whether all lists, which are at one document, have places at their distances.
fn is_side_by_side(lists: &mut [(SegmentPostings, u32)], starts: &mut Vec<u32>, at: &mut Vec<u32>) -> bool {
    let Some(((first, distance), others)) = lists.split_first_mut() else { return true };
    first.positions(starts);
    let first_distance = *distance;
    starts.retain(|start| *start >= first_distance);
    starts.iter_mut().for_each(|start| *start -= first_distance);
    for (postings, distance) in others {
        postings.positions(at);
        starts.retain(|start| at.binary_search(&(start + *distance)).is_ok());
    }
    !starts.is_empty()
}

fn present(clause: &Clause, index: usize) -> impl Iterator<Item = (&Alternative, &TermInfo)> {
    clause.alternatives.iter().filter_map(move |alternative| Some((alternative, alternative.infos[index].as_ref()?)))
}

fn score(segment: &Segment, alternative: &Alternative, postings: &SegmentPostings, doc: u32) -> f32 {
    alternative.score.score(segment.lengths.fieldnorm_id(doc), postings.term_freq())
}

//! The index as it was at one commit: what queries run on.
//!
//! Views are immutable and shared. A query keeps the one it began with, so that no commit, merge or rebuild changes what it
//! sees or makes it wait.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tantivy::fieldnorm::FieldNormReader;
use tantivy::index::{InvertedIndexReader, SegmentId, SegmentReader};
use tantivy::schema::Value as _;
use tantivy::{DocAddress, DocSet as _, Searcher, TERMINATED, TantivyDocument, Term};

use super::document::Record;
use super::facts::Facts;
use super::merged::Merged;
use super::schema::Fields;

/// The memory for what was shown lately, in bytes.
const SHOWN_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// What the cache itself takes for an entry, about.
const ENTRY_BYTES: u64 = 64;

/// See the module.
pub(crate) struct View {
    pub(super) fields: Fields,
    searcher: Searcher,
    pub(crate) segments: Vec<Segment>,
    shown: Arc<ShownCache>,
    /// All documents, deleted ones included, as BM25 counts them.
    pub(crate) documents: u64,
    /// Terms of a document, on average.
    pub(crate) length_average: f32,
    /// Products that can be found.
    pub(crate) live: u64,
    /// Made when somebody first counts by them: most views of a busy import are gone before that.
    brands: OnceLock<Merged>,
    categories: OnceLock<Merged>,
}

/// One segment, opened.
pub(crate) struct Segment {
    pub(crate) reader: SegmentReader,
    pub(crate) facts: Arc<Facts>,
    pub(crate) words: Arc<InvertedIndexReader>,
    pub(crate) places: Arc<InvertedIndexReader>,
    pub(crate) lengths: FieldNormReader,
    ids: Arc<InvertedIndexReader>,
    pub(super) suggestions: Arc<InvertedIndexReader>,
}

/// A document of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) segment: usize,
    pub(crate) doc: u32,
}

/// What products look like on lists, kept for the next ones who ask. Cloning shares it.
pub(super) type ShownCache = Cache<(SegmentId, u32), Bytes, ShownWeight>;

#[derive(Clone, Debug)]
pub(super) struct ShownWeight;

impl Weighter<(SegmentId, u32), Bytes> for ShownWeight {
    fn weight(&self, _key: &(SegmentId, u32), shown: &Bytes) -> u64 {
        shown.len() as u64 + ENTRY_BYTES
    }
}

/// An empty cache of its one size.
pub(super) fn shown_cache() -> Arc<ShownCache> {
    Arc::new(Cache::with_weighter(4_096, SHOWN_BYTES_MAX, ShownWeight))
}

impl View {
    /// Opens what the searcher sees. Segments that `before` has are taken over from it.
    pub(super) fn open(
        fields: &Fields,
        searcher: Searcher,
        shown: &Arc<ShownCache>,
        before: Option<&Self>,
    ) -> tantivy::Result<Self> {
        let known: HashMap<_, _> = before
            .iter()
            .flat_map(|view| &view.segments)
            .map(|segment| (segment.reader.segment_id(), &segment.facts))
            .collect();
        let mut segments = Vec::with_capacity(searcher.segment_readers().len());
        let (mut documents, mut terms, mut live) = (0, 0, 0);
        for reader in searcher.segment_readers() {
            let facts = match known.get(&reader.segment_id()) {
                Some(facts) => Arc::clone(facts),
                None => Arc::new(Facts::read(reader)?),
            };
            let segment = Segment {
                words: reader.inverted_index(fields.words)?,
                places: reader.inverted_index(fields.places)?,
                ids: reader.inverted_index(fields.id)?,
                suggestions: reader.inverted_index(fields.suggestions)?,
                lengths: reader.get_fieldnorms_reader(fields.words)?,
                reader: reader.clone(),
                facts,
            };
            documents += u64::from(reader.max_doc());
            terms += segment.words.total_num_tokens();
            live += segment.live().count() as u64;
            segments.push(segment);
        }
        // Lossy above 2^24, where it does not matter.
        let length_average = if documents == 0 { 1.0 } else { terms as f32 / documents as f32 };
        let (fields, shown) = (fields.clone(), Arc::clone(shown));
        let (brands, categories) = Default::default();
        Ok(Self { fields, searcher, segments, shown, documents, length_average, live, brands, categories })
    }

    /// The brands of all segments.
    pub(crate) fn brands(&self) -> &Merged {
        let lists = || self.segments.iter().map(|segment| &segment.facts.brands).collect::<Vec<_>>();
        self.brands.get_or_init(|| Merged::of(&lists()))
    }

    /// The category keys of all segments.
    pub(crate) fn categories(&self) -> &Merged {
        let lists = || self.segments.iter().map(|segment| &segment.facts.categories).collect::<Vec<_>>();
        self.categories.get_or_init(|| Merged::of(&lists()))
    }

    /// Where a product id is.
    pub(crate) fn find(&self, id: &str) -> tantivy::Result<Option<Address>> {
        let term = Term::from_field_text(self.fields.id, id);
        for (index, segment) in self.segments.iter().enumerate() {
            let option = tantivy::schema::IndexRecordOption::Basic;
            let Some(mut postings) = segment.ids.read_postings(&term, option)? else { continue };
            while postings.doc() != TERMINATED {
                if !segment.reader.is_deleted(postings.doc()) {
                    return Ok(Some(Address { segment: index, doc: postings.doc() }));
                }
                postings.advance();
            }
        }
        Ok(None)
    }

    /// What is shown of a product.
    pub(crate) fn shown(&self, at: Address) -> tantivy::Result<Bytes> {
        let key = (self.segments[at.segment].reader.segment_id(), at.doc);
        if let Some(shown) = self.shown.get(&key) {
            return Ok(shown);
        }
        let document = self.document(at)?;
        let shown = document.get_first(self.fields.shown).and_then(|value| value.as_bytes()).unwrap_or_default();
        let shown = Bytes::copy_from_slice(shown);
        self.shown.insert(key, shown.clone());
        Ok(shown)
    }

    /// All that was stored.
    pub(super) fn record(&self, at: Address) -> tantivy::Result<Record> {
        let damaged = || tantivy::TantivyError::InternalError("a record that cannot be read".to_owned());
        Record::read(&self.fields, &self.document(at)?).ok_or_else(damaged)
    }

    /// The texts of a product.
    pub(crate) fn product(&self, at: Address) -> tantivy::Result<Option<crate::product::Product>> {
        Ok(self.record(at)?.product)
    }

    /// The term of a word.
    pub(crate) fn word(&self, text: &str) -> Term {
        Term::from_field_text(self.fields.words, text)
    }

    /// The term of a word at its places.
    pub(crate) fn place(&self, text: &str) -> Term {
        Term::from_field_text(self.fields.places, text)
    }

    fn document(&self, at: Address) -> tantivy::Result<TantivyDocument> {
        let segment_ord = u32::try_from(at.segment).unwrap_or(u32::MAX);
        self.searcher.doc(DocAddress { segment_ord, doc_id: at.doc })
    }
}

impl Segment {
    /// The documents that were not replaced since.
    pub(crate) fn alive(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.reader.max_doc()).filter(|doc| !self.reader.is_deleted(*doc))
    }

    /// Those that can be found.
    pub(crate) fn live(&self) -> impl Iterator<Item = u32> + '_ {
        self.alive().filter(|doc| self.facts.of(*doc).is_live())
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("segments", &self.segments.len()).field("live", &self.live).finish_non_exhaustive()
    }
}

//! One index on disk: opened, written, committed.
//!
//! Everything here blocks, and runs on threads for that. A volume that fails is thrown away and built anew: it holds nothing
//! that its feeds do not have.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tantivy::directory::MmapDirectory;
use tantivy::directory::error::LockError;
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::store::Compressor;
use tantivy::tokenizer::TokenizerManager;
use tantivy::{IndexReader, IndexSettings, IndexWriter, ReloadPolicy, TantivyError, Term};

use super::Cursor;
use super::change::{Delta, Feed, Pending, ProductDelta, StockDelta};
use super::document::Record;
use super::schema::{self, Fields, PREPARED, PreparedTokenizer};
use super::view::{ShownCache, View, shown_cache};

/// Memory for documents that are being indexed: the least that tantivy takes.
const WRITER_BYTES: usize = 15_000_000;
/// A block of the document store, in bytes: about one product, so that reading one unpacks no others.
const STORE_BLOCK_BYTES: usize = 1_024;
/// Unpacked blocks that each segment keeps.
const STORE_BLOCKS_KEPT: usize = 32;
/// Segments of about one size are merged when there are this many.
const SEGMENTS_TO_MERGE: usize = 8;
/// The same while an import lasts, which is over sooner when merging waits for its end.
const SEGMENTS_TO_MERGE_LATER: usize = 32;
/// A commit of so many changes is one of an import.
const CHANGES_OF_AN_IMPORT: usize = 1_000;
/// Segments below this many documents count as one size: a commit of an import has fewer.
const SEGMENT_DOCUMENTS_MIN: u32 = 10_000;
/// A segment is rewritten when this share of it is deleted.
const DELETED_SHARE_MAX: f32 = 0.3;
/// How long a deleted product is remembered: longer than any feed keeps its changes.
const GONE_KEPT_S: u64 = 9 * 24 * 60 * 60;

/// What is committed along with the documents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Payload {
    pub(super) version: u32,
    /// Whether every feed was followed to its end once, so that the index may answer.
    pub(super) complete: bool,
    /// From where each feed goes on.
    pub(super) cursors: [Option<Cursor>; 2],
    /// The last time that all feeds were heard from, in microseconds since 1970.
    pub(super) heard_us: Option<i64>,
}

/// See the module.
pub(super) struct Volume {
    fields: Fields,
    folder: PathBuf,
    index: tantivy::Index,
    /// `None`: another process has it.
    writer: Option<IndexWriter>,
    reader: IndexReader,
    shown: Arc<ShownCache>,
    view: Arc<View>,
    payload: Payload,
    /// Whether the last commit was one of an import.
    importing: bool,
}

/// What a volume cannot do.
#[derive(Debug, thiserror::Error)]
pub(super) enum VolumeError {
    #[error("use the index folder {0}")]
    Folder(PathBuf, #[source] std::io::Error),
    #[error("{attempted} the index")]
    Index { attempted: &'static str, source: TantivyError },
    #[error("the index is written by somebody else")]
    Locked,
    #[error("the index is damaged: {0}")]
    Damaged(String),
}

impl Volume {
    /// Opens the volume in `folder`, or makes an empty one where there is none that can be used.
    pub(super) fn open(folder: &Path) -> Result<Self, VolumeError> {
        if folder.join("meta.json").exists() {
            match Self::existing(folder) {
                Ok(volume) => return Ok(volume),
                Err(error) => {
                    tracing::warn!(error = %store::chain(&error), "the index cannot be used; it is built anew");
                }
            }
        }
        Self::create(folder)
    }

    /// Opens the volume in `folder`, if it can be used.
    pub(super) fn existing(folder: &Path) -> Result<Self, VolumeError> {
        let index = tantivy::Index::open_in_dir(folder).map_err(|source| failed("open", source))?;
        let volume = Self::with(index, folder)?;
        if volume.payload.version != schema::VERSION {
            return Err(VolumeError::Damaged(format!("it is of version {}", volume.payload.version)));
        }
        volume.check()?;
        Ok(volume)
    }

    /// Makes an empty volume, in place of whatever is there.
    pub(super) fn create(folder: &Path) -> Result<Self, VolumeError> {
        let unusable = |error| VolumeError::Folder(folder.to_owned(), error);
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(unusable)?;
        }
        fs::create_dir_all(folder).map_err(unusable)?;
        let settings = IndexSettings {
            docstore_compression: Compressor::Lz4,
            docstore_blocksize: STORE_BLOCK_BYTES,
            ..IndexSettings::default()
        };
        let directory = MmapDirectory::open(folder).map_err(|error| failed("open the folder of", error.into()))?;
        let index = tantivy::Index::create(directory, Fields::new().schema, settings);
        Self::with(index.map_err(|source| failed("create", source))?, folder)
    }

    fn with(index: tantivy::Index, folder: &Path) -> Result<Self, VolumeError> {
        let fields = Fields::new();
        if index.schema() != fields.schema {
            return Err(VolumeError::Damaged("it has other fields".to_owned()));
        }
        let mut index = index;
        let tokenizers = TokenizerManager::default();
        tokenizers.register(PREPARED, PreparedTokenizer::default());
        index.set_tokenizers(tokenizers);
        let payload = payload(&index)?;
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .doc_store_cache_num_blocks(STORE_BLOCKS_KEPT)
            .try_into()
            .map_err(|source| failed("read", source))?;
        let shown = shown_cache();
        let view = View::open(&fields, reader.searcher(), &shown, None).map_err(|source| failed("read", source))?;
        let (folder, view) = (folder.to_owned(), Arc::new(view));
        Ok(Self { fields, folder, index, writer: None, reader, shown, view, payload, importing: false })
    }

    pub(super) fn payload(&self) -> &Payload {
        &self.payload
    }

    pub(super) fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// Whether the folder still has this index, and not nothing.
    pub(super) fn is_there(&self) -> bool {
        self.folder.join("meta.json").exists()
    }

    /// Compares every file with its checksum.
    pub(super) fn check(&self) -> Result<(), VolumeError> {
        let damaged = self.index.validate_checksum().map_err(|source| failed("check", source))?;
        match damaged.iter().next() {
            None => Ok(()),
            Some(file) => Err(VolumeError::Damaged(file.display().to_string())),
        }
    }

    /// Becomes the one who writes. `false`: another process is.
    pub(super) fn lock(&mut self) -> Result<bool, VolumeError> {
        if self.writer.is_some() {
            return Ok(true);
        }
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(WRITER_BYTES)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let writer = match self.index.writer_with_options(options) {
            Ok(writer) => writer,
            Err(TantivyError::LockFailure(LockError::LockBusy, _)) => return Ok(false),
            Err(source) => return Err(failed("write", source)),
        };
        writer.set_merge_policy(Box::new(merging_from(SEGMENTS_TO_MERGE)));
        self.writer = Some(writer);
        // Whoever wrote before may have committed since.
        self.reload()?;
        Ok(true)
    }

    /// Looks at what another process has committed. Whether there is anything new.
    pub(super) fn reload(&mut self) -> Result<bool, VolumeError> {
        self.payload = payload(&self.index)?;
        let before = self.reader.searcher().generation().clone();
        self.reader.reload().map_err(|source| failed("reload", source))?;
        let searcher = self.reader.searcher();
        let new = searcher.generation().segments() != before.segments();
        if new {
            let view = View::open(&self.fields, searcher, &self.shown, Some(&self.view));
            self.view = Arc::new(view.map_err(|source| failed("read", source))?);
        }
        Ok(new)
    }

    /// Puts all that waits into the index, with where the feeds are, durably and visibly.
    pub(super) fn commit(&mut self, pending: Pending, payload: &Payload, now_s: u64) -> Result<(), VolumeError> {
        self.import(pending.deltas.len() >= CHANGES_OF_AN_IMPORT);
        let writer = self.writer.as_mut().ok_or(VolumeError::Locked)?;
        let batch = Batch { fields: &self.fields, view: &self.view, writer, now_s };
        batch.write(pending).map_err(|source| failed("write", source))?;
        self.seal(payload)
    }

    /// Whether merging waits for [`settle`](Self::settle).
    pub(super) fn is_unsettled(&self) -> bool {
        self.importing
    }

    /// Merges what an import has left.
    pub(super) fn settle(&mut self) -> Result<(), VolumeError> {
        self.import(false);
        let payload = self.payload.clone();
        self.seal(&payload)
    }

    fn import(&mut self, importing: bool) {
        let before = std::mem::replace(&mut self.importing, importing);
        if let Some(writer) = self.writer.as_ref().filter(|_| before != importing) {
            let segments = if importing { SEGMENTS_TO_MERGE_LATER } else { SEGMENTS_TO_MERGE };
            writer.set_merge_policy(Box::new(merging_from(segments)));
        }
    }

    /// Makes everything that was written durable and visible, and merges what is to be merged.
    fn seal(&mut self, payload: &Payload) -> Result<(), VolumeError> {
        let writer = self.writer.as_mut().ok_or(VolumeError::Locked)?;
        let text = serde_json::to_string(payload).expect("a payload is always JSON");
        let mut commit = writer.prepare_commit().map_err(|source| failed("commit", source))?;
        commit.set_payload(&text);
        commit.commit().map_err(|source| failed("commit", source))?;
        self.reload()?;
        Ok(())
    }

    /// Forgets products that were deleted so long ago that no feed tells of them any more. Takes effect with the next
    /// commit.
    pub(super) fn forget(&mut self, now_s: u64) {
        let Some(writer) = &self.writer else { return };
        for segment in &self.view.segments {
            for doc in segment.alive() {
                let fact = segment.facts.of(doc);
                if fact.gone_s > 0 && fact.stock_revision == 0 && fact.gone_s + GONE_KEPT_S < now_s {
                    writer.delete_term(Term::from_field_text(self.fields.id, segment.facts.id(doc)));
                }
            }
        }
    }
}

fn merging_from(segments: usize) -> LogMergePolicy {
    let mut policy = LogMergePolicy::default();
    policy.set_min_num_segments(segments);
    policy.set_min_layer_size(SEGMENT_DOCUMENTS_MIN);
    policy.set_del_docs_ratio_before_merge(DELETED_SHARE_MAX);
    policy
}

/// The changes of one commit, on their way into the writer.
struct Batch<'a> {
    fields: &'a Fields,
    view: &'a View,
    writer: &'a IndexWriter,
    now_s: u64,
}

impl Batch<'_> {
    fn write(&self, mut pending: Pending) -> tantivy::Result<()> {
        for (feed, named) in Feed::ALL.into_iter().zip(&pending.named) {
            if let Some(named) = named {
                self.prune(feed, named, &mut pending.deltas);
            }
        }
        for (id, delta) in pending.deltas {
            self.apply(&id, delta)?;
        }
        Ok(())
    }

    /// Adds the removal of what a snapshot of all keys did not name.
    fn prune(&self, feed: Feed, named: &HashSet<String>, deltas: &mut HashMap<String, Delta>) {
        for segment in &self.view.segments {
            for doc in segment.alive() {
                let (id, fact) = (segment.facts.id(doc), segment.facts.of(doc));
                if named.contains(id) {
                    continue;
                }
                match feed {
                    Feed::Products if fact.revision > 0 && fact.gone_s == 0 => {
                        let revision = fact.revision;
                        let gone = ProductDelta { revision, content: None, deleted: true, absolute: true };
                        deltas.entry(id.to_owned()).or_default().product = Some(gone);
                    }
                    Feed::Stock if fact.stock_revision > 0 => {
                        let gone = StockDelta { revision: 0, stock: None, absolute: true };
                        deltas.entry(id.to_owned()).or_default().stock = Some(gone);
                    }
                    Feed::Products | Feed::Stock => {}
                }
            }
        }
    }

    /// Applies what is newer than what is indexed.
    fn apply(&self, id: &str, delta: Delta) -> tantivy::Result<()> {
        let old = self.view.find(id)?;
        let fact = old.map(|at| self.view.segments[at.segment].facts.of(at.doc));
        let (revision, stock_revision) = fact.map_or((0, 0), |fact| (fact.revision, fact.stock_revision));
        let product = delta.product.filter(|product| product.absolute || product.revision > revision);
        let stock = delta.stock.filter(|stock| stock.absolute || stock.revision > stock_revision);
        if product.is_none() && stock.is_none() {
            return Ok(());
        }
        let mut record = match old {
            Some(at) => self.view.record(at)?,
            None => Record::default(),
        };
        if let Some(product) = product {
            record.revision = product.revision;
            record.product = product.content.map(|content| *content);
            record.gone_s = if product.deleted { self.now_s } else { 0 };
        }
        if let Some(stock) = stock {
            record.stock = stock.stock;
        }
        self.replace(id, &record)
    }

    fn replace(&self, id: &str, record: &Record) -> tantivy::Result<()> {
        self.writer.delete_term(Term::from_field_text(self.fields.id, id));
        self.writer.add_document(record.document(self.fields, id)).map(|_stamp| ())
    }
}

fn payload(index: &tantivy::Index) -> Result<Payload, VolumeError> {
    let metas = index.load_metas().map_err(|source| failed("read", source))?;
    let Some(text) = metas.payload else { return Ok(Payload { version: schema::VERSION, ..Payload::default() }) };
    serde_json::from_str(&text).map_err(|error| VolumeError::Damaged(format!("its payload: {error}")))
}

fn failed(attempted: &'static str, source: TantivyError) -> VolumeError {
    VolumeError::Index { attempted, source }
}

impl std::fmt::Debug for Volume {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Volume").field("folder", &self.folder).field("view", &self.view).finish_non_exhaustive()
    }
}

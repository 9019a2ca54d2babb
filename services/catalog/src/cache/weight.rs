//! What an entry takes of the cache's memory.

use quick_cache::Weighter;

use super::Entry;
use crate::page::Query;

/// What an entry weighs beside its key and its answer.
const OVERHEAD: u64 = 128;
/// What a name in a page's category weighs beside its text: each is an allocation of its own.
const NAME_OVERHEAD: u64 = 48;
/// What an entry is expected to weigh; only the number of slots depends on it.
pub(super) const TYPICAL: u64 = 2 * 1024;
/// Weighs entries in bytes.
#[derive(Clone)]
pub(super) struct Weight;

impl Weighter<String, Entry> for Weight {
    fn weight(&self, key: &String, entry: &Entry) -> u64 {
        OVERHEAD + key.len() as u64 + entry.bytes()
    }
}

impl Weighter<Query, Entry> for Weight {
    fn weight(&self, query: &Query, entry: &Entry) -> u64 {
        let names = query.filter.category.iter().flat_map(|path| path.names());
        let category: u64 = names.map(|name| NAME_OVERHEAD + name.len() as u64).sum();
        OVERHEAD + category + query.filter.brand.len() as u64 + entry.bytes()
    }
}

impl Entry {
    fn bytes(&self) -> u64 {
        self.answer.as_ref().map_or(0, |answer| answer.len() as u64)
    }
}

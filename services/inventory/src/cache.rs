//! Levels in memory, each until its product changes.
//!
//! A level is kept with its product's generation from before it was read, and given only while that is still the newest. A
//! change raises the generation once it is committed, so a level that was read while it committed is never given afterwards,
//! in whatever order the two arrive here. Generations are shared by products of one slot, which costs a read and no more.
//! Whatever changes an entry or a generation does so one after the other; whoever reads waits for nobody.

use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::counter::Counter;
use quick_cache::sync::{Cache as Entries, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use crate::stock::{Level, ProductId};

/// What an entry weighs beside its product's id.
const OVERHEAD: u64 = 192;
/// Products whose generation is one number: two changes a millisecond outdate one entry in eight thousand by mistake.
const SLOTS: usize = 16 * 1024;

/// The levels that one replica keeps.
pub(crate) struct Cache {
    entries: Entries<ProductId, Entry, Weight>,
    generations: Box<[AtomicU64]>,
    hasher: DefaultHashBuilder,
    /// Held by whoever changes an entry or a generation.
    changing: Mutex<()>,
    reads: Reads,
}

/// How reads were answered, product by product. Cloning shares the counters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads {
    /// From memory.
    pub(crate) hits: Counter,
    /// From the database.
    pub(crate) misses: Counter,
}

/// What a level that is read now is kept with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Generation(u64);

#[derive(Clone, Copy)]
struct Entry {
    generation: u64,
    level: Level,
}

/// Weighs entries in bytes.
#[derive(Clone)]
struct Weight;

impl Weighter<ProductId, Entry> for Weight {
    fn weight(&self, product: &ProductId, _entry: &Entry) -> u64 {
        OVERHEAD + product.as_str().len() as u64
    }
}

impl Cache {
    /// A cache that holds about this many bytes.
    pub(crate) fn new(bytes: u64, reads: Reads) -> Self {
        let expected = usize::try_from(bytes / OVERHEAD).unwrap_or(usize::MAX).clamp(1, 1 << 16);
        let options = OptionsBuilder::new().estimated_items_capacity(expected).weight_capacity(bytes).build();
        let options = options.expect("both capacities are given");
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self {
            entries: Entries::with_options(options, Weight, hasher.clone(), lifecycle),
            generations: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            hasher,
            changing: Mutex::new(()),
            reads,
        }
    }

    /// The product's level if it is here, that of one that does not exist included.
    pub(crate) fn get(&self, product: &ProductId) -> Option<Level> {
        let entry = self.entries.get(product)?;
        let newest = entry.generation == self.generation_of(product).load(Ordering::Acquire);
        newest.then(|| {
            self.reads.hits.inc();
            entry.level
        })
    }

    /// Asked for before a level is read.
    pub(crate) fn generation(&self, product: &ProductId) -> Generation {
        Generation(self.generation_of(product).load(Ordering::Acquire))
    }

    /// Keeps a level that was read after this was the product's generation.
    pub(crate) fn keep(&self, product: &ProductId, Generation(generation): Generation, level: Level) {
        self.reads.misses.inc();
        let _alone = self.alone();
        if generation == self.generation_of(product).load(Ordering::Acquire) {
            self.entries.insert(product.clone(), Entry { generation, level });
        }
    }

    /// A change of these products is committed.
    pub(crate) fn forget<'a>(&self, products: impl IntoIterator<Item = &'a ProductId>) {
        let _alone = self.alone();
        for product in products {
            self.generation_of(product).fetch_add(1, Ordering::AcqRel);
            self.entries.remove(product);
        }
    }

    /// The product's change to this revision is committed. A level that is as new as that stays.
    pub(crate) fn forget_before(&self, product: &ProductId, revision: u64) {
        let _alone = self.alone();
        let generation = self.generation_of(product);
        let kept = self.entries.peek(product).filter(|entry| entry.generation == generation.load(Ordering::Acquire));
        // Raised all the same: an older level may be on its way here.
        let raised = generation.fetch_add(1, Ordering::AcqRel) + 1;
        match kept {
            Some(entry) if entry.level.revision >= revision => {
                self.entries.insert(product.clone(), Entry { generation: raised, ..entry });
            }
            Some(_) | None => drop(self.entries.remove(product)),
        }
    }

    /// Anything may have changed.
    pub(crate) fn forget_all(&self) {
        let _alone = self.alone();
        for generation in &self.generations {
            generation.fetch_add(1, Ordering::AcqRel);
        }
        self.entries.clear();
    }

    fn alone(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn generation_of(&self, product: &ProductId) -> &AtomicU64 {
        let hash = self.hasher.hash_one(product);
        let slot = usize::try_from(hash % SLOTS as u64).unwrap_or_default();
        &self.generations[slot]
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("levels", &self.entries.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(id: &str) -> ProductId {
        ProductId::parse(id).unwrap()
    }

    fn level(on_hand: i64) -> Level {
        Level { on_hand, received: on_hand, revision: 1, ..Level::default() }
    }

    fn cache() -> Cache {
        Cache::new(1 << 20, Reads::default())
    }

    #[test]
    fn a_level_is_kept_until_its_product_changes_and_no_other() {
        let (cache, mug, jug) = (cache(), product("mug"), product("jug"));
        cache.keep(&mug, cache.generation(&mug), level(1));
        cache.keep(&jug, cache.generation(&jug), level(2));
        cache.forget([&mug]);
        assert_eq!((cache.get(&mug), cache.get(&jug)), (None, Some(level(2))));
        cache.forget_all();
        assert_eq!(cache.get(&jug), None);
    }

    #[test]
    fn a_level_that_was_read_while_a_change_committed_is_never_given() {
        let (cache, mug) = (cache(), product("mug"));
        let before = cache.generation(&mug);
        cache.forget([&mug]);
        cache.keep(&mug, before, level(1));
        assert_eq!(cache.get(&mug), None);
        // As one that looked at the generation just before it was raised leaves it.
        cache.entries.insert(mug.clone(), Entry { generation: before.0, level: level(1) });
        assert_eq!(cache.get(&mug), None);
        cache.keep(&mug, cache.generation(&mug), level(2));
        assert_eq!(cache.get(&mug), Some(level(2)));
    }

    #[test]
    fn a_level_that_is_as_new_as_a_change_stays_and_an_older_one_that_comes_late_does_not() {
        let (cache, mug) = (cache(), product("mug"));
        let before = cache.generation(&mug);
        let newer = Level { revision: 7, ..level(7) };
        cache.keep(&mug, cache.generation(&mug), newer);
        cache.forget_before(&mug, 7);
        assert_eq!(cache.get(&mug), Some(newer));
        cache.keep(&mug, before, Level { revision: 6, ..level(6) });
        assert_eq!(cache.get(&mug), Some(newer));
        cache.forget_before(&mug, 8);
        assert_eq!(cache.get(&mug), None);
    }

    #[test]
    fn the_cache_stays_within_its_bytes() {
        let cache = Cache::new(256 * 1024, Reads::default());
        for id in 0..10_000 {
            let product = product(&format!("p{id}"));
            cache.keep(&product, cache.generation(&product), Level::default());
        }
        assert!(cache.entries.weight() <= 256 * 1024, "{}", cache.entries.weight());
        assert!(cache.entries.len() > 500, "{}", cache.entries.len());
    }
}

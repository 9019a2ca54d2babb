//! Answers in memory, encoded, until anything changes.
//!
//! Each answer is kept with the feed's position from before it was read. It is given only while that is still the newest
//! position, so an answer that was read while a change committed, and put here after it, is never given. When the position
//! moves, everything goes: the catalog is read a thousand times for each change.

use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use quick_cache::sync::{Cache as Entries, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, Equivalent, OptionsBuilder, Weighter};
use tokio::time::timeout;

use crate::page::Query;

/// What an entry weighs beside its key and its answer.
const OVERHEAD: u64 = 128;
/// What a name in a page's category weighs beside its text: each is an allocation of its own.
const NAME_OVERHEAD: u64 = 48;
/// What an entry is expected to weigh; only the number of slots depends on it.
const TYPICAL: u64 = 2 * 1024;
/// How often somebody who waited for another's read tries to share the next one before reading alone.
const SHARED_TRIES: usize = 2;
/// How long somebody waits for another's read. Reads that fail are repeated by one after the other, which takes as long as
/// all of them together.
const SHARED_WAIT_MAX: Duration = Duration::from_millis(250);

/// The cache of one service.
pub(crate) struct Cache {
    /// The newest position that is known here.
    newest: AtomicU64,
    /// By id; `None` remembers that there is no such product.
    products: Entries<String, Entry, Weight>,
    pages: Entries<Query, Entry, Weight>,
    reads: Reads,
}

/// How reads were answered. Cloning shares the counters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads {
    /// From memory.
    pub(crate) hits: Counter,
    /// From the database.
    pub(crate) misses: Counter,
}

#[derive(Clone)]
struct Entry {
    position: u64,
    answer: Option<Bytes>,
}

/// Weighs entries in bytes.
#[derive(Clone)]
struct Weight;

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

impl Cache {
    /// A cache that holds about this many bytes, a quarter of them pages.
    ///
    /// A shard keeps nothing that is larger than its share, and pages are up to 1 MiB, hence few shards for them.
    pub(crate) fn new(bytes: u64, reads: Reads) -> Self {
        let pages = bytes / 4;
        Self { newest: AtomicU64::new(0), products: entries(bytes - pages, 16), pages: entries(pages, 2), reads }
    }

    /// Drops everything if the position has moved. Positions never go back.
    pub(crate) fn advance(&self, position: u64) {
        if self.newest.fetch_max(position, Ordering::AcqRel) < position {
            self.products.clear();
            self.pages.clear();
        }
    }

    /// The position to read by: an answer is put back with the one from before it was read.
    pub(crate) fn newest(&self) -> u64 {
        self.newest.load(Ordering::Acquire)
    }

    /// The product's answer if it is here; `Some(None)` if it is known not to exist.
    pub(crate) fn product(&self, id: &str) -> Option<Option<Bytes>> {
        let entry = self.products.get(id).filter(|entry| entry.position == self.newest())?;
        self.reads.hits.inc();
        Some(entry.answer)
    }

    /// Keeps what was read after `position` was the newest.
    pub(crate) fn keep_product(&self, id: &str, position: u64, answer: Option<Bytes>) {
        self.reads.misses.inc();
        if position == self.newest() {
            self.products.insert(id.to_owned(), Entry { position, answer });
        }
    }

    /// The product's answer, read by `load` where it is not here. Who asks for the same at the same time shares one read.
    pub(crate) async fn product_or<E, F>(&self, id: &str, load: impl FnOnce() -> F) -> Result<Option<Bytes>, E>
    where
        F: Future<Output = Result<Option<Bytes>, E>>,
    {
        self.entry_or(&self.products, id, load).await
    }

    /// The page's answer, as [`product_or`](Self::product_or).
    pub(crate) async fn page_or<E, F>(&self, query: &Query, load: impl FnOnce() -> F) -> Result<Option<Bytes>, E>
    where
        F: Future<Output = Result<Option<Bytes>, E>>,
    {
        self.entry_or(&self.pages, query, load).await
    }

    async fn entry_or<K, Q, E, F>(
        &self,
        entries: &Entries<K, Entry, Weight>,
        key: &Q,
        load: impl FnOnce() -> F,
    ) -> Result<Option<Bytes>, E>
    where
        K: Eq + Hash,
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
        Weight: Weighter<K, Entry>,
        F: Future<Output = Result<Option<Bytes>, E>>,
    {
        for _ in 0..SHARED_TRIES {
            let shared = timeout(SHARED_WAIT_MAX, entries.get_value_or_guard_async(key)).await;
            let Ok(shared) = shared else { break };
            match shared {
                Ok(entry) if entry.position == self.newest() => {
                    self.reads.hits.inc();
                    return Ok(entry.answer);
                }
                Ok(stale) => drop(entries.remove_if(key, |entry| entry.position == stale.position)),
                Err(guard) => {
                    self.reads.misses.inc();
                    let position = self.newest();
                    let answer = load().await?;
                    // Refused where everything was dropped meanwhile, which is as well.
                    drop(guard.insert(Entry { position, answer: answer.clone() }));
                    return Ok(answer);
                }
            }
        }
        self.reads.misses.inc();
        load().await
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (products, pages) = (self.products.len(), self.pages.len());
        f.debug_struct("Cache")
            .field("newest", &self.newest)
            .field("products", &products)
            .field("pages", &pages)
            .finish()
    }
}

fn entries<K: Eq + Hash>(bytes: u64, shards: usize) -> Entries<K, Entry, Weight>
where
    Weight: Weighter<K, Entry>,
{
    let expected = usize::try_from(bytes / TYPICAL).unwrap_or(usize::MAX).max(1);
    let options =
        OptionsBuilder::new().shards(shards).estimated_items_capacity(expected).weight_capacity(bytes).build();
    let options = options.expect("both capacities are given");
    Entries::with_options(options, Weight, DefaultHashBuilder::default(), DefaultLifecycle::default())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::oneshot;

    use super::*;
    use crate::page::Filter;
    use crate::product::CategoryPath;

    fn answer(text: &'static str) -> Option<Bytes> {
        Some(Bytes::from_static(text.as_bytes()))
    }

    async fn load(text: &'static str) -> Result<Option<Bytes>, Infallible> {
        Ok(answer(text))
    }

    #[tokio::test]
    async fn an_answer_is_kept_until_the_position_moves() {
        let cache = Cache::new(1 << 20, Reads::default());
        assert_eq!(cache.product_or("a", || load("old")).await, Ok(answer("old")));
        assert_eq!(cache.product_or("a", || load("new")).await, Ok(answer("old")));
        cache.advance(1);
        assert_eq!(cache.product("a"), None);
        assert_eq!(cache.product_or("a", || load("new")).await, Ok(answer("new")));
        assert_eq!(cache.product("a"), Some(answer("new")));
    }

    #[tokio::test]
    async fn an_answer_that_was_read_while_a_change_committed_is_never_given_again() {
        let cache = Cache::new(1 << 20, Reads::default());
        let read = cache.product_or("a", || async {
            cache.advance(7);
            load("from before the change").await
        });
        assert_eq!(read.await, Ok(answer("from before the change")));
        assert_eq!(cache.product("a"), None);
        assert_eq!(cache.product_or("a", || load("from after it")).await, Ok(answer("from after it")));
        cache.keep_product("b", 6, answer("late"));
        assert_eq!(cache.product("b"), None);
        // As one that looked at the position just before it moved leaves it.
        cache.products.insert("c".to_owned(), Entry { position: 6, answer: answer("late") });
        assert_eq!(cache.product("c"), None);
    }

    #[tokio::test]
    async fn calls_for_one_product_share_one_read() {
        let (cache, reads) = (Arc::new(Cache::new(1 << 20, Reads::default())), Arc::new(AtomicUsize::new(0)));
        let (release, released) = oneshot::channel::<()>();
        let first = cache.product_or("a", || async {
            reads.fetch_add(1, Ordering::Relaxed);
            released.await.unwrap();
            load("a").await
        });
        let second = async {
            let shared = cache.product_or("a", || async {
                reads.fetch_add(1, Ordering::Relaxed);
                load("b").await
            });
            tokio::join!(shared, async { release.send(()).unwrap() }).0
        };
        assert_eq!(tokio::join!(first, second), (Ok(answer("a")), Ok(answer("a"))));
        assert_eq!(reads.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_do_not_queue_up_behind_reads_that_take_long_and_fail() {
        const CALLS: usize = 100;
        let cache = Arc::new(Cache::new(1 << 20, Reads::default()));
        let started = tokio::time::Instant::now();
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..CALLS {
            let cache = Arc::clone(&cache);
            calls.spawn(async move {
                let slow = async {
                    tokio::time::sleep(Duration::from_millis(250)).await;
                    Err("overloaded")
                };
                cache.product_or("a", || slow).await
            });
        }
        assert_eq!(calls.join_all().await, vec![Err("overloaded"); CALLS]);
        assert!(started.elapsed() <= Duration::from_millis(600), "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn a_read_that_fails_is_not_kept_and_the_next_one_tries_again() {
        let cache = Cache::new(1 << 20, Reads::default());
        assert_eq!(cache.product_or("a", || async { Err("away") }).await, Err("away"));
        assert_eq!(cache.product_or("a", || async { Ok::<_, &str>(None) }).await, Ok(None));
        assert_eq!(cache.product("a"), Some(None));
    }

    #[test]
    fn the_cache_stays_within_its_bytes() {
        let cache = Cache::new(256 * 1024, Reads::default());
        let kilobyte = Bytes::from(vec![0; 1024]);
        for id in 0..10_000 {
            cache.keep_product(&id.to_string(), 0, Some(kilobyte.clone()));
        }
        assert!(cache.products.weight() <= 192 * 1024, "{}", cache.products.weight());
        assert!(cache.products.len() > 100);
    }

    #[test]
    fn nobody_fills_the_memory_with_lists_of_categories_that_do_not_exist() {
        let cache = Cache::new(256 * 1024, Reads::default());
        for n in 0..10_000 {
            let names = (0..8).map(|depth| format!("{n}-{depth}")).collect();
            let filter = Filter { category: Some(CategoryPath::new(names)), ..Filter::default() };
            let query = Query { filter, size: 1, after: None, count_subcategories: false };
            cache.pages.insert(query, Entry { position: 0, answer: Some(Bytes::new()) });
        }
        // With eight names to it, a page was measured to take 600 bytes.
        assert!((10..64 * 1024 / 450).contains(&cache.pages.len()), "{}", cache.pages.len());
    }
}

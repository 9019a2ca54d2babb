//! Answers in memory, encoded, until what they are about changes.
//!
//! Each answer is kept with the position of the feed up to which all changes were known before it was read. It is given only
//! while nothing that it is about has changed after that position, so an answer that was read while a change committed, and
//! put here after it, is never given. A change outdates its product and every page; those of other replicas come from the
//! feed, own ones are told before their call is answered.
//!
//! What has changed is remembered in a table of fixed size, by a hash of the product's id: products that share a place in it
//! outdate each other, which costs a read and no more.

mod weight;

use std::hash::{BuildHasher as _, Hash};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use quick_cache::sync::{Cache as Entries, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, Equivalent, OptionsBuilder, Weighter};
use tokio::time::timeout;

use self::weight::{TYPICAL, Weight};
use crate::page::Query;

/// How often somebody who waited for another's read tries to share the next one before reading alone.
const SHARED_TRIES: usize = 2;
/// How long somebody waits for another's read. Reads that fail are repeated by one after the other, which takes as long as
/// all of them together.
const SHARED_WAIT_MAX: Duration = Duration::from_millis(250);

/// Places for what has changed: half a megabyte.
const PLACES: usize = 65_536;

/// The cache of one service.
pub(crate) struct Cache {
    /// All changes up to this position are known here.
    known: AtomicU64,
    /// What was read before this position is outdated, whatever it is about.
    floor: AtomicU64,
    /// For each place, and last for all pages, the position of the newest change.
    changed: Box<[AtomicU64]>,
    /// Finds places; its keys are this cache's own.
    places: DefaultHashBuilder,
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
    /// Up to where all changes were known before it was read.
    position: u64,
    /// What it is about.
    place: u32,
    answer: Option<Bytes>,
}

impl Cache {
    /// A cache that holds about this many bytes, a quarter of them pages.
    ///
    /// A shard keeps nothing that is larger than its share, and pages are up to 1 MiB, hence few shards for them.
    pub(crate) fn new(bytes: u64, reads: Reads) -> Self {
        let pages = bytes / 4;
        Self {
            known: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            changed: (0..=PLACES).map(|_| AtomicU64::new(0)).collect(),
            places: DefaultHashBuilder::default(),
            products: entries(bytes - pages, 16),
            pages: entries(pages, 2),
            reads,
        }
    }

    /// Drops what a change touches: the product and all pages. `position` is the change's, or any after it. False if it was
    /// known already.
    pub(crate) fn change(&self, id: &str, position: u64) -> bool {
        let news = self.mark(self.place_of(id), position);
        self.products.remove(id);
        if self.mark(PAGES, position) {
            self.pages.clear();
        }
        news
    }

    /// Notes that every change up to `position` was told by [`change`](Self::change).
    pub(crate) fn follow(&self, position: u64) {
        self.known.fetch_max(position, Ordering::AcqRel);
    }

    /// Drops everything: what changed up to `position` is not known.
    pub(crate) fn skip(&self, position: u64) {
        self.floor.fetch_max(position, Ordering::AcqRel);
        self.follow(position);
        self.products.clear();
        self.pages.clear();
    }

    /// The position to read by: an answer is put back with the one from before it was read.
    pub(crate) fn known(&self) -> u64 {
        self.known.load(Ordering::Acquire)
    }

    /// The product's answer if it is here; `Some(None)` if it is known not to exist.
    pub(crate) fn product(&self, id: &str) -> Option<Option<Bytes>> {
        let entry = self.products.get(id).filter(|entry| self.holds(entry))?;
        self.reads.hits.inc();
        Some(entry.answer)
    }

    /// Keeps what was read when all changes up to `position` were known.
    pub(crate) fn keep_product(&self, id: &str, position: u64, answer: Option<Bytes>) {
        self.reads.misses.inc();
        let entry = Entry { position, place: self.place_of(id), answer };
        if self.holds(&entry) {
            self.products.insert(id.to_owned(), entry);
        }
    }

    /// The product's answer, read by `load` where it is not here. Who asks for the same at the same time shares one read.
    pub(crate) async fn product_or<E, F>(&self, id: &str, load: impl FnOnce() -> F) -> Result<Option<Bytes>, E>
    where
        F: Future<Output = Result<Option<Bytes>, E>>,
    {
        self.entry_or(&self.products, id, self.place_of(id), load).await
    }

    /// The page's answer, as [`product_or`](Self::product_or).
    pub(crate) async fn page_or<E, F>(&self, query: &Query, load: impl FnOnce() -> F) -> Result<Option<Bytes>, E>
    where
        F: Future<Output = Result<Option<Bytes>, E>>,
    {
        self.entry_or(&self.pages, query, PAGES, load).await
    }

    async fn entry_or<K, Q, E, F>(
        &self,
        entries: &Entries<K, Entry, Weight>,
        key: &Q,
        place: u32,
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
                Ok(entry) if self.holds(&entry) => {
                    self.reads.hits.inc();
                    return Ok(entry.answer);
                }
                Ok(stale) => drop(entries.remove_if(key, |entry| entry.position == stale.position)),
                Err(guard) => {
                    self.reads.misses.inc();
                    let position = self.known();
                    let answer = load().await?;
                    // Refused where it was dropped meanwhile, which is as well.
                    drop(guard.insert(Entry { position, place, answer: answer.clone() }));
                    return Ok(answer);
                }
            }
        }
        self.reads.misses.inc();
        load().await
    }

    /// The place of a product.
    fn place_of(&self, id: &str) -> u32 {
        let place = self.places.hash_one(id) % u64::from(PAGES);
        u32::try_from(place).unwrap_or_default()
    }

    /// Whether an answer may still be given.
    fn holds(&self, entry: &Entry) -> bool {
        let changed = self.changed.get(entry.place as usize).map_or(u64::MAX, |at| at.load(Ordering::Acquire));
        entry.position >= changed.max(self.floor.load(Ordering::Acquire))
    }

    fn mark(&self, place: u32, position: u64) -> bool {
        self.changed.get(place as usize).is_some_and(|at| at.fetch_max(position, Ordering::AcqRel) < position)
    }
}

/// The place of all pages, behind those of products.
#[allow(clippy::cast_possible_truncation, reason = "it is 2^16")]
const PAGES: u32 = PLACES as u32;

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (products, pages) = (self.products.len(), self.pages.len());
        f.debug_struct("Cache").field("known", &self.known).field("products", &products).field("pages", &pages).finish()
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
    async fn an_answer_is_kept_until_its_product_changes() {
        let cache = Cache::new(1 << 20, Reads::default());
        assert_eq!(cache.product_or("a", || load("old")).await, Ok(answer("old")));
        assert_eq!(cache.product_or("other", || load("other")).await, Ok(answer("other")));
        assert!(cache.change("other", 1));
        cache.follow(1);
        assert_eq!(cache.product("other"), None);
        assert_eq!(cache.product_or("a", || load("new")).await, Ok(answer("old")));
        // Told twice, by the call that made it and by the feed.
        assert!(cache.change("a", 2));
        assert!(!cache.change("a", 2));
        cache.follow(2);
        assert_eq!(cache.product("a"), None);
        assert_eq!(cache.product_or("a", || load("new")).await, Ok(answer("new")));
        assert_eq!(cache.product("a"), Some(answer("new")));
    }

    #[tokio::test]
    async fn an_answer_that_was_read_while_a_change_committed_is_never_given_again() {
        let cache = Cache::new(1 << 20, Reads::default());
        let read = cache.product_or("a", || async {
            cache.change("a", 7);
            cache.follow(7);
            load("from before the change").await
        });
        assert_eq!(read.await, Ok(answer("from before the change")));
        assert_eq!(cache.product("a"), None);
        assert_eq!(cache.product_or("a", || load("from after it")).await, Ok(answer("from after it")));
        cache.change("b", 8);
        cache.keep_product("b", 7, answer("late"));
        assert_eq!(cache.product("b"), None);
        // As one that looked just before the change was told leaves it.
        cache
            .products
            .insert("b".to_owned(), Entry { position: 7, place: cache.place_of("b"), answer: answer("late") });
        assert_eq!(cache.product("b"), None);
    }

    #[tokio::test]
    async fn an_own_change_outdates_what_is_read_until_the_feed_has_come_as_far() {
        let cache = Cache::new(1 << 20, Reads::default());
        cache.skip(5);
        // Position 9 is known to be committed; what others did in 6 to 8 is not known yet.
        cache.change("a", 9);
        assert_eq!(cache.product_or("a", || load("read now")).await, Ok(answer("read now")));
        assert_eq!(cache.product("a"), None);
        cache.change("b", 7);
        cache.follow(9);
        assert_eq!(cache.product_or("a", || load("read then")).await, Ok(answer("read then")));
        assert_eq!(cache.product("a"), Some(answer("read then")));
    }

    #[tokio::test]
    async fn every_change_outdates_every_page_and_changes_that_are_not_known_outdate_everything() {
        let cache = Cache::new(1 << 20, Reads::default());
        let query = Query { filter: Filter::default(), size: 1, after: None, count_subcategories: false };
        assert_eq!(cache.page_or(&query, || load("page")).await, Ok(answer("page")));
        assert_eq!(cache.product_or("a", || load("a")).await, Ok(answer("a")));
        cache.change("b", 1);
        cache.follow(1);
        assert_eq!(cache.page_or(&query, || load("next")).await, Ok(answer("next")));
        assert_eq!(cache.product("a"), Some(answer("a")));
        cache.keep_product("c", 1, answer("c"));
        cache.skip(4);
        assert_eq!((cache.product("a"), cache.product("c")), (None, None));
        cache.keep_product("c", 3, answer("late"));
        assert_eq!(cache.product("c"), None);
        assert_eq!(cache.page_or(&query, || load("last")).await, Ok(answer("last")));
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
            cache.pages.insert(query, Entry { position: 0, place: PAGES, answer: Some(Bytes::new()) });
        }
        // With eight names to it, a page was measured to take 600 bytes.
        assert!((10..64 * 1024 / 450).contains(&cache.pages.len()), "{}", cache.pages.len());
    }
}

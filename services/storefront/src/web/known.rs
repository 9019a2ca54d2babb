//! The products that this process last saw, for when the catalog is away.
//!
//! Bounded by bytes, shared by all pages, and never asked while the catalog answers. What it gives says how old it is.

use std::{sync::Arc, time::Duration};

use contracts::catalog::v1::Product;
use prost::Message as _;
use quick_cache::{Weighter, sync::Cache};
use tokio::time::Instant;

/// Bytes of products that are kept at most, as they are encoded.
const BYTES_MAX: u64 = 16 * 1024 * 1024;
/// What the cache reckons with; a product has about this many bytes in memory.
const PRODUCT_BYTES: u64 = 2 * 1024;

/// A product as it was.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) product: Arc<Product>,
    seen: Instant,
}

/// The products that were seen last. Cloning shares them.
#[derive(Clone, Debug)]
pub(super) struct KnownProducts {
    cache: Arc<Cache<String, Known, Bytes>>,
}

#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<String, Known> for Bytes {
    fn weight(&self, id: &String, known: &Known) -> u64 {
        // Encoded it is smaller than in memory, by about half for short texts.
        let bytes = 2 * known.product.encoded_len() + id.len();
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

impl Default for KnownProducts {
    fn default() -> Self {
        Self::of(BYTES_MAX)
    }
}

impl KnownProducts {
    fn of(bytes_max: u64) -> Self {
        let expected = usize::try_from(bytes_max / PRODUCT_BYTES).unwrap_or(usize::MAX);
        Self { cache: Arc::new(Cache::with_weighter(expected, bytes_max, Bytes)) }
    }

    /// Remembers a product that the catalog has just given.
    pub(super) fn see(&self, product: Arc<Product>) {
        let known = Known { product, seen: Instant::now() };
        self.cache.insert(known.product.product_id.clone(), known);
    }

    /// Forgets a product that the catalog no longer has.
    pub(super) fn forget(&self, id: &str) {
        self.cache.remove(id);
    }

    pub(super) fn find(&self, id: &str) -> Option<Known> {
        self.cache.get(id)
    }
}

impl Known {
    /// How long ago the catalog gave it, in words: `5 minutes ago`.
    pub(super) fn age(&self) -> String {
        in_words(self.seen.elapsed())
    }
}

fn in_words(age: Duration) -> String {
    let seconds = age.as_secs();
    let (number, unit) = match seconds {
        0..60 => return "less than a minute ago".into(),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        86_400.. => (seconds / 86_400, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural} ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(id: &str, bytes: usize) -> Arc<Product> {
        Arc::new(Product { product_id: id.into(), description: "x".repeat(bytes), ..Product::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn a_product_is_known_with_its_age_until_the_catalog_says_that_it_is_gone() {
        let known = KnownProducts::default();
        known.see(product("mug", 10));
        tokio::time::advance(Duration::from_secs(125)).await;
        assert_eq!(known.find("mug").unwrap().age(), "2 minutes ago");
        known.see(product("mug", 20));
        assert_eq!(known.find("mug").unwrap().age(), "less than a minute ago");
        known.forget("mug");
        assert!(known.find("mug").is_none());
    }

    #[tokio::test]
    async fn no_number_of_products_takes_more_than_its_bytes() {
        let known = KnownProducts::of(100_000);
        for index in 0..1_000 {
            known.see(product(&format!("p{index}"), 2_000));
        }
        let kept = (0..1_000).filter(|index| known.find(&format!("p{index}")).is_some()).count();
        assert!((5..=25).contains(&kept), "{kept} products of 4 kB in 100 kB");
        assert!(known.cache.weight() <= 100_000);
    }

    #[test]
    fn an_age_is_said_in_the_largest_unit_that_is_whole() {
        for (seconds, words) in
            [(0, "less than a minute ago"), (60, "1 minute ago"), (7_199, "1 hour ago"), (172_800, "2 days ago")]
        {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }
}

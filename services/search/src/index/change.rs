//! Changes on their way into the index: what is waiting for the next commit, each key once.

use std::collections::{HashMap, HashSet};

use crate::product::{Product, Stock};

/// A change of one key, as a feed told it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    /// The product id.
    pub(crate) id: String,
    /// Counts the changes of this key in its feed.
    pub(crate) revision: u64,
    pub(crate) what: What,
    /// When it happened, in microseconds since 1970. `None` in a snapshot.
    pub(crate) time_us: Option<i64>,
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// The product is this.
    Product(Box<Product>),
    /// The product is no longer sold.
    Discontinued,
    /// The product was deleted.
    Deleted,
    /// So is its stock.
    Stock { in_stock: bool },
}

/// The feeds that the index follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Feed {
    Products,
    Stock,
}

impl Feed {
    pub(crate) const ALL: [Self; 2] = [Self::Products, Self::Stock];

    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Products => 0,
            Self::Stock => 1,
        }
    }
}

/// What waits under one product id.
#[derive(Debug, Default)]
pub(super) struct Delta {
    pub(super) product: Option<ProductDelta>,
    pub(super) stock: Option<StockDelta>,
}

/// The newest of a product.
#[derive(Debug)]
pub(super) struct ProductDelta {
    pub(super) revision: u64,
    pub(super) content: Option<Box<Product>>,
    pub(super) deleted: bool,
    /// Whatever is indexed: a snapshot says what is, also where a source was set back.
    pub(super) absolute: bool,
}

/// The newest of its stock.
#[derive(Debug)]
pub(super) struct StockDelta {
    pub(super) revision: u64,
    /// `None`: there is none any more.
    pub(super) stock: Option<Stock>,
    pub(super) absolute: bool,
}

/// All that waits.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) deltas: HashMap<String, Delta>,
    /// Ids that a finished snapshot did not name are to go; by feed.
    pub(super) named: [Option<HashSet<String>>; 2],
    /// When the oldest change in here happened.
    pub(super) oldest_us: Option<i64>,
    /// What it takes of memory, about.
    pub(super) bytes: usize,
}

/// What a change takes of memory beside its text, about.
const CHANGE_BYTES: usize = 256;

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.deltas.is_empty() && self.named.iter().all(Option::is_none)
    }

    /// Adds a change, unless a newer one of its key is there.
    pub(super) fn add(&mut self, change: Change, absolute: bool) {
        let Change { id, revision, what, time_us } = change;
        self.bytes += CHANGE_BYTES + id.len();
        let delta = self.deltas.entry(id).or_default();
        let mut product = |content, deleted| {
            let older = delta.product.as_ref();
            if older.is_none_or(|older| older.revision < revision || (absolute && !older.absolute)) {
                let absolute = absolute || older.is_some_and(|older| older.absolute);
                delta.product = Some(ProductDelta { revision, content, deleted, absolute });
            }
        };
        match what {
            What::Product(content) => {
                self.bytes += content.name.len() + content.description.len() + content.shown.len();
                product(Some(content), false);
            }
            What::Discontinued => product(None, false),
            What::Deleted => product(None, true),
            What::Stock { in_stock } => {
                let older = delta.stock.as_ref();
                if older.is_none_or(|older| older.revision < revision || (absolute && !older.absolute)) {
                    let absolute = absolute || older.is_some_and(|older| older.absolute);
                    delta.stock = Some(StockDelta { revision, stock: Some(Stock { revision, in_stock }), absolute });
                }
            }
        }
        self.oldest_us = match (self.oldest_us, time_us) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

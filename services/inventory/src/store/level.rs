//! Levels inside a unit: changed in memory, then written together, with an event each.

use std::collections::{BTreeSet, HashMap};

use ::store::{Dialect, NewEvent, Statement, Transaction};

use super::Outlet;
use super::row::LevelRow;
use crate::error::{Error, unexpected};
use crate::stock::{Level, Move, ProductId};

/// Touches a row only if it is the one that was read.
macro_rules! on_conflict {
    () => {
        "ON CONFLICT (product_id) DO UPDATE SET on_hand = excluded.on_hand, reserved = excluded.reserved, \
         sold = excluded.sold, received = excluded.received, update_us = excluded.update_us, \
         revision = excluded.revision WHERE stock.revision = excluded.revision - 1"
    };
}

const SAVE: Statement = Statement::dialect(
    "UPSERT stock",
    Dialect {
        sqlite: concat!(
            "INSERT INTO stock (product_id, on_hand, reserved, sold, received, update_us, revision) \
             SELECT value ->> 'product_id', value ->> 'on_hand', value ->> 'reserved', value ->> 'sold', \
             value ->> 'received', value ->> 'update_us', value ->> 'revision' FROM jsonb_each($1) WHERE true ",
            on_conflict!()
        ),
        postgres: concat!(
            "INSERT INTO stock (product_id, on_hand, reserved, sold, received, update_us, revision) SELECT listed.product_id, \
             listed.on_hand, listed.reserved, listed.sold, listed.received, listed.update_us, listed.revision FROM \
             json_to_recordset($1::json) AS listed(on_hand bigint, reserved bigint, sold bigint, received bigint, update_us \
             bigint, revision bigint, product_id text) ",
            on_conflict!()
        ),
    },
);

/// The levels that a unit has locked.
#[derive(Debug, Default)]
pub(super) struct Levels {
    known: HashMap<ProductId, Level>,
    changed: BTreeSet<ProductId>,
}

impl Levels {
    pub(super) fn insert(&mut self, product: ProductId, level: Level) {
        self.known.insert(product, level);
    }

    pub(super) fn get(&self, product: &ProductId) -> Level {
        self.known.get(product).copied().unwrap_or_default()
    }

    /// Whether all of these are locked.
    pub(super) fn cover<'a>(&self, mut products: impl Iterator<Item = &'a ProductId>) -> bool {
        products.all(|product| self.known.contains_key(product))
    }

    /// Sets what becomes of a product, once a unit.
    pub(super) fn set(&mut self, product: &ProductId, level: Level, now_us: i64) {
        self.known.insert(product.clone(), level.stamped(now_us));
        self.changed.insert(product.clone());
    }

    /// Moves units that must be there: other rows say so.
    pub(super) fn r#move(
        &mut self,
        product: &ProductId,
        r#move: Move,
        quantity: u32,
        now_us: i64,
    ) -> Result<(), Error> {
        let level = self.get(product).moved(r#move, quantity);
        let level = level.ok_or_else(|| unexpected("SELECT stock", "units of a reservation are missing"))?;
        self.set(product, level, now_us);
        Ok(())
    }

    /// Writes what changed, gives it out, and says what it was.
    pub(super) fn save(self, tx: &mut Transaction, outlet: &Outlet) -> Result<Vec<ProductId>, Error> {
        for product in &self.changed {
            let level = self.get(product);
            tx.put(&SAVE, &LevelRow::of(product, &level))?;
            let event = NewEvent {
                r#type: outlet.wire.changed_type,
                subject: subject(product),
                key: product.as_str().to_owned(),
                payload: (outlet.wire.changed)(product, &level),
                traceparent: outlet.traceparent.clone(),
            };
            tx.emit_at(event, level.revision)?;
        }
        Ok(self.changed.into_iter().collect())
    }
}

/// What an event is about.
pub(super) fn subject(product: &ProductId) -> String {
    format!("products/{product}")
}

/// What units of this product lock.
pub(super) fn key(product: &ProductId) -> String {
    format!("stock/{product}")
}

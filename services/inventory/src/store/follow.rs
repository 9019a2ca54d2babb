//! Lets go of what other replicas have changed. This one's own changes are let go before they are answered.

use ::store::feed::{Changes, News};

use super::{Inventory, row};

/// Follows the inventory's own feed until the store is closed.
pub(crate) async fn follow(inventory: Inventory, mut changes: Changes) {
    while let Some(news) = changes.next().await {
        match news {
            News::Skipped { .. } => inventory.cache.forget_all(),
            News::Events(events) => {
                for event in events {
                    match row::product(&event.key) {
                        Ok(product) => inventory.cache.forget_before(&product, event.revision),
                        // Of something else, which is in no memory.
                        Err(_no_product) => {}
                    }
                }
            }
        }
    }
}

//! Starts the real thing and talks to it, for the journeys in `tests/`.
//!
//! What runs is the `souk` binary, on free ports, with its data in a directory of its own; it is killed when the test ends,
//! and its log is shown when the test fails. Nothing waits by sleeping: [`eventually`] looks until it is so.

mod binary;
mod browser;
mod caller;
mod collector;
mod copy;
mod eventually;
mod fleet;
mod kept;
mod load;
mod pages;
mod raw;
mod running;
mod shop;
mod shopper;
pub mod wire;

pub use binary::{repository, souk};
pub use browser::{Browser, Page};
pub use caller::{
    Cart, Catalog, Health, Inventory, Search, cart, catalog, channel, health, inventory, operator, search, status_of,
};
pub use collector::{Collector, Link, Span};
pub use copy::{Copying, SCHEMA, SOURCE, copied, copying};
pub use eventually::{LIMIT, eventually};
pub use fleet::Fleet;
pub use kept::{Kept, sheet};
pub use load::{Load, Tally};
pub use pages::get;
pub use raw::{Upload, call, message, upload};
pub use running::{Running, Signal};
pub use shop::Shop;
pub use shopper::{CardOfShopper, Shopper, uuid};

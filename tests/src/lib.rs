//! Starts the real thing and talks to it, for the journeys in `tests/`.
//!
//! What runs is the `souk` binary, on free ports, with its data in a directory of its own; it is killed when the test ends,
//! and its log is shown when the test fails. Nothing waits by sleeping: [`eventually`] looks until it is so.

mod binary;
mod caller;
mod eventually;
mod fleet;
mod pages;
mod raw;
mod running;
mod shop;
pub mod wire;

pub use binary::{repository, souk};
pub use caller::{Catalog, Health, catalog, channel, health, status_of};
pub use eventually::{LIMIT, eventually};
pub use fleet::Fleet;
pub use pages::get;
pub use raw::{Upload, call, message, upload};
pub use running::{Running, Signal};
pub use shop::Shop;

//! What every service of the shop says the same, because its contract does: how a request id makes a retry safe, what an
//! etag, the id of a product and an id that is a right are, which status a database's absence becomes, how money, times and
//! feeds are written, how what has expired is ended, what keys are made of, and when a service is ready.
//!
//! It joins the mesh, the store and the contracts, which know nothing of each other; services stand on it. A product's id
//! is the one noun in here.

pub mod access;
mod capability;
mod encoded;
pub mod feed;
pub mod money;
mod product_id;
mod readiness;
mod refusal;
mod request;
mod secret;
mod server;
mod sweeper;
mod time;

pub use capability::{Capability, NotACapability};
pub use encoded::EncodedCodec;
pub use product_id::ProductId;
pub use readiness::follow;
pub use refusal::Domain;
pub use request::{ETAG_MAX, Stamp, etag, once, page_size, principal, request_id, uuid};
pub use secret::Secret;
pub use server::Served;
pub use sweeper::{Sweeper, interval};
pub use time::{date, now_us, timestamp, timestamp_us, year_and_month};

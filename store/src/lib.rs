//! A service's own database: one API over SQLite (embedded) and PostgreSQL (shared), with the same promises on both.
//!
//! - [`Store::open`] connects, migrates and keeps going: PostgreSQL may be away at start or go away later. Calls then answer
//!   [`Error::Unavailable`] at once, and work again by themselves once it is back. [`Store::health`] is what readiness asks.
//! - [`Store::read`] lends a connection that cannot write.
//! - [`Store::write`] runs a [`Unit`]: it succeeds or fails alone and is durable when `write` returns `Ok`, although units
//!   share commits. A unit gives out its events ([`Transaction::emit`]) and remembers its answer
//!   ([`Transaction::remember`]) in the same commit. What many units look up ([`Unit::lookups`]) and write
//!   ([`Transaction::put`]) alike, a batch does for all of them by one statement.
//! - [`Store::position`] follows the newest event, whoever wrote it. [`Store::watch`] gives the feed to others: a snapshot,
//!   then every change, from a cursor on.
//! - [`Follow`] follows another service's feed, and [`Inbox`] applies it in this database. See [`follow`] for an example.
//!
//! - [`Reader`] looks into the database of a service that may be running, to check what is in it; [`audit`] has what the store
//!   itself knows.
//!
//! The store's own tables are its own, but for two. A service's statement may read `store_revision (key TEXT, revision
//! BIGINT)`, which has the newest revision of every key that ever had an event, whether what it named still exists or not.
//! Joined to the rows that a unit loads, it saves a statement where the revision goes into the payload. And a [`Reader`]'s may
//! read `store_request (rpc TEXT, request_id TEXT, answer)`, the answers that are remembered.
//!
//! Every database future runs on the runtime given to [`Store::open`], because a connection's I/O is driven by the runtime
//! that opened it; callers may live on any other.
//!
//! ```no_run
//! use store::{Config, Error, Statement, Store, Transaction, Unit};
//!
//! const INSERT: Statement = Statement::new("INSERT thing", "INSERT INTO thing (id, name) VALUES ($1, $2)");
//! const NAME: Statement = Statement::new("SELECT thing", "SELECT name FROM thing WHERE id = $1");
//!
//! struct AddThing {
//!     id: String,
//!     name: String,
//! }
//!
//! impl Unit for AddThing {
//!     const NAME: &'static str = "AddThing";
//!     type Output = ();
//!     type Error = Error;
//!
//!     fn keys(&self) -> Vec<String> {
//!         vec![format!("thing/{}", self.id)]
//!     }
//!
//!     async fn run(&self, tx: &mut Transaction) -> Result<(), Error> {
//!         tx.execute(&INSERT, [self.id.as_str().into(), self.name.as_str().into()]).await?;
//!         Ok(())
//!     }
//! }
//!
//! # async fn run(background: tokio::runtime::Handle) -> Result<(), Error> {
//! let store = Store::open(Config::parse("sqlite:things.db")?, &[], background).await?;
//! store.write(AddThing { id: "1".into(), name: "cup".into() }).await?;
//! let name: String = store
//!     .read("GetThing", |mut c| async move { c.fetch_one(&NAME, ["1".into()]).await?.get("name") })
//!     .await?;
//! # Ok(()) }
//! ```

pub mod audit;
mod config;
mod connection;
mod cursor;
mod database;
mod error;
mod event;
pub mod feed;
mod file;
pub mod follow;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod health;
mod housekeeping;
pub mod inbox;
mod keeper;
pub mod metrics;
mod migration;
mod open;
mod raw;
mod reader;
mod request;
mod row;
mod span;
mod statement;
mod together;
mod transaction;
mod unit;
mod value;
mod writer;

pub use crate::config::{Config, Limits};
pub use crate::connection::Connection;
pub use crate::cursor::{CURSOR_MAX, Cursor, NotACursor};
pub use crate::error::{Error, Source, chain};
pub use crate::event::{Event, Malformed, NewEvent, event_id};
pub use crate::feed::{FeedStats, WatchError};
pub use crate::follow::{Follow, Interrupted};
pub use crate::health::Health;
pub use crate::inbox::{Effect, Failure, Inbox};
pub use crate::migration::Migration;
pub use crate::open::{Stats, Store};
pub use crate::reader::{Range, Reader};
pub use crate::request::{Fingerprint, Keep, Request};
pub use crate::row::{Column, FromRow, Row};
pub use crate::statement::{Dialect, Statement};
pub use crate::together::Lookup;
pub use crate::transaction::Transaction;
pub use crate::unit::Unit;
pub use crate::value::Value;

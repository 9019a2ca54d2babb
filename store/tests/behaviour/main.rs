//! What the store promises, as sentences; each runs on SQLite and on PostgreSQL unless its module says why not.

#![allow(clippy::unwrap_used, reason = "a test's helper fails the test")]

mod commits;
mod damage;
mod events;
mod feeds;
mod follow;
mod harness;
mod inbox;
mod leases;
mod outages;
mod requests;
mod schema;
mod spans;
mod together;
mod watch;

//! Search through the contract, in process and through the whole stack, on feeds that a script writes.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod answers;
mod feeds;
mod following;
mod input;
mod shop;

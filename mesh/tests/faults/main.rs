//! What goes wrong between two peers, on real sockets: each family of faults with the server in it, and with the client.
//!
//! Every test says what the caller sees, that nothing is left behind, and that the next call succeeds once the peer is well.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

#[path = "../stack/fixture.rs"]
#[allow(dead_code, reason = "the tests in here need a part of it")]
mod fixture;

mod ends;
mod floods;
mod frames;
mod goaway;
mod headers;
mod link;
mod links;
mod peer;
mod proofs;
mod resets;
mod served;
mod silence;
mod streams;
mod windows;

use std::time::Duration;

/// More than any of these takes, even on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(20);

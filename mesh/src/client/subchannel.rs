//! Keeps one connection to a target: CONNECTING, READY, TRANSIENT_FAILURE and back (gRPC's connectivity semantics).
//!
//! It connects before anybody asks, again as soon as the connection ends, and after failures ever later.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use hyper::client::conn::http2::SendRequest;
use tokio::sync::watch;

use super::{config::ClientConfig, connect::connect};
use crate::{Body, address::Address};

/// The state of one connection.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// A connection is being made.
    Connecting,
    /// Requests can be sent.
    Ready(SendRequest<Body>),
    /// The last connect failed, with this error; the next one waits for its backoff.
    TransientFailure(Arc<str>),
}

/// Whether a target's absence has been logged: one line when it goes and one when it is back, however many connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Absence(Arc<AtomicBool>);

/// One connection of a group.
#[derive(Debug)]
pub(super) struct Kept {
    /// Which one of the group.
    pub(super) index: usize,
    /// With which endpoint it begins.
    pub(super) preferred: usize,
    pub(super) address: Address,
    pub(super) config: ClientConfig,
    pub(super) absence: Absence,
}

/// Keeps a connection until its group is dropped.
pub(super) async fn keep(states: watch::Sender<Vec<State>>, kept: Kept) {
    let Kept { index, preferred, address, config, absence } = kept;
    let mut failures = 0_u32;
    let set = |state| states.send_modify(|states| states[index] = state);
    loop {
        // Another endpoint first after each failure, so that one that swallows packets is not tried for ever.
        let endpoint = preferred.wrapping_add(usize::try_from(failures).unwrap_or(0));
        match connect(&address, endpoint, &config).await {
            Ok(connected) => {
                failures = 0;
                if absence.0.swap(false, Ordering::Relaxed) {
                    tracing::info!(%address, "connected again");
                }
                set(State::Ready(connected.sender));
                let ended = connected.driver.await;
                set(State::Connecting);
                tracing::debug!(%address, error = ended.err().map(tracing::field::display), "connection ended");
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                if !absence.0.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%address, %error, "cannot connect");
                }
                set(State::TransientFailure(error.to_string().into()));
                tokio::time::sleep(config.backoff(failures, fastrand::f64())).await;
                // The failure stays visible while the next try runs: a call must not wait for a target that is away.
            }
        }
    }
}

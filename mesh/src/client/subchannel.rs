//! The connections of one event loop to one endpoint, each in one of gRPC's states.
//!
//! They are made before anybody asks, again as soon as they end, and after failures ever later. More are made while calls
//! wait because the peer's MAX_CONCURRENT_STREAMS is reached.

use std::{
    cmp::Ordering as Order,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use hyper::client::conn::http2::SendRequest;
use tokio::time::{Instant, sleep};

use super::{
    connect::{Streams, connect},
    group::Shared,
    upstream::Endpoint,
};
use crate::Body;

/// A connection that takes requests.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) sender: SendRequest<Body>,
    pub(super) streams: Arc<Streams>,
}

impl Connection {
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Whether the peer lets one more stream be opened.
    pub(super) fn is_free(&self) -> bool {
        self.is_open() && self.streams.open() < self.streams.max()
    }
}

/// The state of a connection, or of an endpoint: the best one of its connections.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// No event loop has called yet.
    Idle,
    /// A connection is being made.
    Connecting,
    /// Requests can be sent.
    Ready(Connection),
    /// The last connect failed. It stays so while the next one runs: a call must not wait for an endpoint that is away.
    TransientFailure,
}

impl State {
    /// As gRPC writes it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Idle => "IDLE",
            Self::Connecting => "CONNECTING",
            Self::Ready(_) => "READY",
            Self::TransientFailure => "TRANSIENT_FAILURE",
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Ready(_) => 0,
            Self::Connecting => 1,
            Self::TransientFailure => 2,
            Self::Idle => 3,
        }
    }

    /// Which one says more about an endpoint.
    pub(super) fn better(&self, other: &Self) -> Order {
        self.rank().cmp(&other.rank())
    }
}

/// The connections of one event loop to one endpoint.
#[derive(Debug)]
pub(super) struct Subchannel {
    pub(super) endpoint: Arc<Endpoint>,
    /// How many calls this event loop gave it of late.
    pub(super) recent: AtomicU64,
    /// By the number of whoever keeps it.
    states: Mutex<Vec<(usize, State)>>,
    /// Connections beyond those that are always kept, being made included.
    extra: AtomicUsize,
    /// Of these, the ones that are being made.
    making: AtomicUsize,
    /// Of these, the ones that nobody makes yet.
    wanted: AtomicUsize,
}

impl Subchannel {
    pub(super) fn new(endpoint: Arc<Endpoint>, kept: usize) -> Self {
        Self {
            endpoint,
            recent: AtomicU64::new(0),
            states: Mutex::new((0..kept).map(|index| (index, State::Connecting)).collect()),
            extra: AtomicUsize::new(0),
            making: AtomicUsize::new(0),
            wanted: AtomicUsize::new(0),
        }
    }

    pub(super) fn states(&self) -> Vec<State> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.iter().map(|(_, state)| state.clone()).collect()
    }

    /// Asks for another connection if `waiting` calls need one. Whether somebody has to be told.
    pub(super) fn want_another(&self, waiting: usize, streams: usize, extra_max: usize) -> bool {
        let (making, extra) = (self.making.load(Ordering::Relaxed), self.extra.load(Ordering::Relaxed));
        if extra >= extra_max || making.saturating_mul(streams.max(1)) >= waiting {
            return false;
        }
        self.extra.fetch_add(1, Ordering::Relaxed);
        self.making.fetch_add(1, Ordering::Relaxed);
        self.wanted.fetch_add(1, Ordering::Relaxed);
        true
    }

    pub(super) fn take_wanted(&self) -> usize {
        self.wanted.swap(0, Ordering::Relaxed)
    }

    fn set(&self, index: usize, state: Option<State>) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let at = states.iter().position(|(known, _)| *known == index);
        match (at, state) {
            (Some(at), Some(state)) => states[at].1 = state,
            (Some(at), None) => drop(states.remove(at)),
            (None, Some(state)) => states.push((index, state)),
            (None, None) => {}
        }
    }
}

/// Keeps connection number `index` until it is aborted.
pub(super) async fn keep(group: Arc<Shared>, subchannel: Arc<Subchannel>, index: usize) {
    let (upstream, endpoint) = (Arc::clone(&group.upstream), &subchannel.endpoint);
    let config = &upstream.config;
    let mut failures = 0_u32;
    let set = |state| {
        subchannel.set(index, Some(state));
        group.refresh();
    };
    loop {
        // Before the connect: another one may be made meanwhile.
        let up = endpoint.up.notified();
        match connect(&endpoint.at, config).await {
            Ok(connected) => {
                failures = 0;
                let (up, begun) = (upstream.connected(endpoint), Instant::now());
                set(State::Ready(Connection { sender: connected.sender, streams: connected.streams }));
                let ended = connected.driver.await;
                drop(up);
                set(State::Connecting);
                let error = ended.err().map(tracing::field::display);
                tracing::debug!(target = %upstream.target, endpoint = &*endpoint.name, error, "connection ended");
                upstream.again.ask();
                if begun.elapsed() < config.backoff_min {
                    // A peer that takes connections only to end them is not worth a busy loop.
                    sleep(config.backoff(1, fastrand::f64())).await;
                }
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                let error = upstream.failed(&error);
                set(State::TransientFailure);
                tracing::debug!(target = %upstream.target, error = &*error, failures, "connect failed");
                tokio::select! {
                    () = sleep(config.backoff(failures, fastrand::f64())) => {}
                    () = up => {}
                }
            }
        }
    }
}

/// Makes one more connection, for calls that wait for a stream, and has it until the peer ends it.
pub(super) async fn keep_extra(group: Arc<Shared>, subchannel: Arc<Subchannel>, index: usize) {
    let (upstream, endpoint) = (Arc::clone(&group.upstream), &subchannel.endpoint);
    match connect(&endpoint.at, &upstream.config).await {
        Ok(connected) => {
            subchannel.making.fetch_sub(1, Ordering::Relaxed);
            let up = upstream.connected(endpoint);
            let connection = Connection { sender: connected.sender, streams: connected.streams };
            subchannel.set(index, Some(State::Ready(connection)));
            group.refresh();
            let _ended = connected.driver.await.is_ok();
            drop(up);
            subchannel.set(index, None);
        }
        Err(error) => {
            // What is kept says whether the endpoint is there; a peer that wants no more connections is.
            let error = upstream.failed(&error);
            tracing::debug!(target = %upstream.target, error = &*error, "another connection was not made");
            sleep(upstream.config.backoff(1, fastrand::f64())).await;
            subchannel.making.fetch_sub(1, Ordering::Relaxed);
        }
    }
    subchannel.extra.fetch_sub(1, Ordering::Relaxed);
    group.refresh();
}

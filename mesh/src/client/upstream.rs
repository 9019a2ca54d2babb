//! What all event loops of a process know of one target: its endpoints, how they do, and whether any is there.
//!
//! Nothing here runs: the tasks that keep it up to date belong to the pool and its groups, and end with them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt as _;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{
    config::ClientConfig,
    connect::ConnectError,
    load::{FLOOR, Load},
    report::Counters,
    resolve::{self, Again, Resolve, ResolveError},
};
use crate::directory::Target;

/// One endpoint of a target.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) at: resolve::Endpoint,
    pub(super) name: Arc<str>,
    pub(super) load: Load,
    /// Calls that were given to it.
    pub(super) picks: AtomicU64,
    /// Connections that take requests, on all event loops.
    ready: AtomicUsize,
    /// Told when one of its connections is made, so that the others need not wait for their backoff.
    pub(super) up: Notify,
}

impl Endpoint {
    pub(super) fn new(at: resolve::Endpoint) -> Self {
        let name = at.to_string().into();
        let (picks, ready, up) = (AtomicU64::new(0), AtomicUsize::new(0), Notify::new());
        Self { at, name, load: Load::new(), picks, ready, up }
    }
}

/// The endpoints of a target as they are now.
#[derive(Clone, Debug, Default)]
pub(super) struct Roster {
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    /// Why there are none, or why they may be out of date.
    pub(super) error: Option<ResolveError>,
}

impl Roster {
    /// Whether it is not yet known where the target is.
    pub(super) fn is_resolving(&self) -> bool {
        self.endpoints.is_empty() && self.error.is_none()
    }

    /// This roster after another set was found. What is known of the endpoints that stay is kept.
    fn replaced(&self, set: Vec<resolve::Endpoint>) -> Self {
        let mut known: HashMap<_, _> = self.endpoints.iter().map(|endpoint| (&endpoint.at, Some(endpoint))).collect();
        let mut endpoints = Vec::with_capacity(set.len());
        for at in set {
            match known.get_mut(&at).map(Option::take) {
                Some(Some(endpoint)) => endpoints.push(Arc::clone(endpoint)),
                // It is in the set twice.
                Some(None) => {}
                None if endpoints.iter().any(|endpoint: &Arc<Endpoint>| endpoint.at == at) => {}
                None => endpoints.push(Arc::new(Endpoint::new(at))),
            }
        }
        Self { endpoints, error: None }
    }

    /// Where an endpoint starts that has become ready: at the median of those that are, else where nothing is known.
    fn start_of(&self, newcomer: &Endpoint, now_ms: u32) -> Duration {
        let ready = |sibling: &&Arc<Endpoint>| sibling.at != newcomer.at && sibling.ready.load(Ordering::Relaxed) > 0;
        let mut estimates: Vec<_> =
            self.endpoints.iter().filter(ready).map(|sibling| sibling.load.estimate_s(now_ms)).collect();
        estimates.sort_by(f32::total_cmp);
        estimates.get(estimates.len() / 2).map_or(FLOOR, |median| Duration::from_secs_f32(*median))
    }
}

/// One target.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) target: Target,
    /// Where it is, as it was configured.
    pub(super) place: String,
    pub(super) config: ClientConfig,
    pub(super) counters: Counters,
    pub(super) again: Again,
    pub(super) roster: watch::Sender<Roster>,
    /// Calls that wait, on all event loops.
    pub(super) waiting: AtomicUsize,
    epoch: Instant,
    /// Its absence has been logged: one line when it goes and one when it is back.
    away: AtomicBool,
    last_error: Mutex<Option<Arc<str>>>,
}

impl Upstream {
    pub(super) fn new(target: Target, place: String, config: ClientConfig, counters: Counters) -> Self {
        Self {
            target,
            place,
            config,
            counters,
            again: Again::default(),
            roster: watch::Sender::default(),
            waiting: AtomicUsize::new(0),
            epoch: Instant::now(),
            away: AtomicBool::new(false),
            last_error: Mutex::default(),
        }
    }

    /// The time as the endpoints' loads count it.
    pub(super) fn ms_at(&self, now: Instant) -> u32 {
        #[allow(clippy::cast_possible_truncation, reason = "it wraps around, as a load expects")]
        let ms = now.saturating_duration_since(self.epoch).as_millis() as u32;
        ms
    }

    /// The last failed connect or lookup, with where it was made.
    pub(super) fn last_error(&self) -> Option<Arc<str>> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A connection to `endpoint` takes requests until the answer is dropped.
    pub(super) fn connected(self: &Arc<Self>, endpoint: &Arc<Endpoint>) -> Up {
        if endpoint.ready.fetch_add(1, Ordering::Relaxed) == 0 {
            let now_ms = self.ms_at(Instant::now());
            let start = self.roster.borrow().start_of(endpoint, now_ms);
            endpoint.load.start_at(start, now_ms);
        }
        endpoint.up.notify_waiters();
        self.counters.connected.inc();
        self.counters.open.inc();
        if self.away.swap(false, Ordering::Relaxed) {
            tracing::info!(target = %self.target, place = self.place, endpoint = &*endpoint.name, "connected again");
        }
        Up { upstream: Arc::clone(self), endpoint: Arc::clone(endpoint) }
    }

    /// A connect failed; the text of it.
    pub(super) fn failed(&self, error: &ConnectError) -> Arc<str> {
        self.counters.failed.inc();
        let text: Arc<str> = error.to_string().into();
        self.lost(&text);
        self.again.ask();
        text
    }

    fn lost(&self, error: &Arc<str>) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(error));
        let endpoints = self.roster.borrow().endpoints.clone();
        let is_there = endpoints.iter().any(|endpoint| endpoint.ready.load(Ordering::Relaxed) > 0);
        if !is_there && !self.away.swap(true, Ordering::Relaxed) {
            let (target, count) = (self.target, endpoints.len());
            tracing::warn!(%target, place = self.place, endpoints = count, error = &**error, "cannot connect");
        }
    }
}

/// A connection that takes requests.
#[derive(Debug)]
pub(super) struct Up {
    upstream: Arc<Upstream>,
    endpoint: Arc<Endpoint>,
}

impl Drop for Up {
    fn drop(&mut self) {
        self.endpoint.ready.fetch_sub(1, Ordering::Relaxed);
        self.upstream.counters.open.dec();
        self.upstream.counters.disconnected.inc();
    }
}

/// Applies a source's sets for as long as it has any.
pub(super) async fn follow(upstream: Arc<Upstream>, source: Arc<dyn Resolve>) {
    let mut sets = source.watch(upstream.again.clone());
    while let Some(found) = sets.next().await {
        match found {
            Ok(set) if !set.is_empty() => {
                upstream.roster.send_if_modified(|roster| {
                    let next = roster.replaced(set);
                    let same = |(a, b)| Arc::ptr_eq(a, b);
                    let unchanged = next.endpoints.len() == roster.endpoints.len()
                        && next.endpoints.iter().zip(&roster.endpoints).all(same)
                        && roster.error.is_none();
                    if !unchanged {
                        *roster = next;
                    }
                    !unchanged
                });
            }
            Ok(_) => kept(&upstream, &ResolveError::new(&upstream.place, std::io::ErrorKind::NotFound.into())),
            Err(error) => kept(&upstream, &error),
        }
    }
}

/// The last good set stays, with the reason why it may be out of date.
fn kept(upstream: &Upstream, error: &ResolveError) {
    tracing::debug!(target = %upstream.target, %error, "the endpoints are kept as they were");
    upstream.roster.send_modify(|roster| roster.error = Some(error.clone()));
    if upstream.roster.borrow().endpoints.is_empty() {
        upstream.lost(&error.to_string().into());
    }
}

//! What an operator sees of the targets: how many endpoints are in which state, who takes the calls, what is retried.
//!
//! States and picks are read from the pools when somebody asks, so that no call pays for them, and an endpoint that is gone
//! leaves no series behind.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _},
    metrics::{
        MetricType,
        counter::{ConstCounter, Counter},
        gauge::{ConstGauge, Gauge},
    },
};

use super::pool::Inner;
use crate::metrics::{ByTarget, Metrics};

/// Endpoints of a target that have a series of their own; the picks of further ones are summed as `other`.
const SERIES_MAX: usize = 100;

/// The counts of one target that calls and connections keep.
#[derive(Clone, Debug)]
pub(super) struct Counters {
    pub(super) connected: Counter,
    pub(super) failed: Counter,
    pub(super) disconnected: Counter,
    pub(super) open: Gauge,
    pub(super) waiting: Gauge,
    pub(super) transparent_retries: Counter,
}

impl Counters {
    pub(super) fn new(metrics: &Metrics, labels: &ByTarget) -> Self {
        let all = &metrics.all.targets;
        Self {
            connected: all.connected.get_or_create(labels).clone(),
            failed: all.failed.get_or_create(labels).clone(),
            disconnected: all.disconnected.get_or_create(labels).clone(),
            open: all.open.get_or_create(labels).clone(),
            waiting: all.waiting.get_or_create(labels).clone(),
            transparent_retries: all.transparent_retries.get_or_create(labels).clone(),
        }
    }
}

/// The pools of a process, for as long as each lives.
#[derive(Clone, Default)]
pub(crate) struct Pools {
    known: Arc<Mutex<Vec<Known>>>,
}

#[derive(Clone)]
struct Known {
    labels: ByTarget,
    pool: Weak<Inner>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct ByState {
    service: Arc<str>,
    grpc_target: Arc<str>,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct ByEndpoint {
    service: Arc<str>,
    grpc_target: Arc<str>,
    endpoint: Arc<str>,
}

impl Pools {
    pub(super) fn add(&self, labels: ByTarget, pool: &Arc<Inner>) {
        let mut pools = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|known| known.pool.strong_count() > 0);
        pools.push(Known { labels, pool: Arc::downgrade(pool) });
    }

    fn read(&self) -> (BTreeMap<ByState, i64>, BTreeMap<ByEndpoint, u64>) {
        let (mut states, mut picks) = (BTreeMap::new(), BTreeMap::new());
        let pools = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for Known { labels: ByTarget { service, grpc_target }, pool } in pools.iter() {
            let Some(pool) = pool.upgrade() else { continue };
            for (index, (endpoint, state)) in pool.states().into_iter().enumerate() {
                let (service, grpc_target) = (Arc::clone(service), Arc::clone(grpc_target));
                let by_state = ByState {
                    service: Arc::clone(&service),
                    grpc_target: Arc::clone(&grpc_target),
                    state: state.name(),
                };
                *states.entry(by_state).or_default() += 1;
                let name = if index < SERIES_MAX { Arc::clone(&endpoint.name) } else { "other".into() };
                *picks.entry(ByEndpoint { service, grpc_target, endpoint: name }).or_default() +=
                    endpoint.picks.load(std::sync::atomic::Ordering::Relaxed);
            }
        }
        (states, picks)
    }
}

impl Collector for Pools {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (states, picks) = self.read();
        let help = "Endpoints of a target, by the best state of their connections";
        let mut gauge = encoder.encode_descriptor("mesh_client_endpoints", help, None, MetricType::Gauge)?;
        for (labels, count) in &states {
            ConstGauge::new(*count).encode(gauge.encode_family(labels)?)?;
        }
        let help = "Calls that an endpoint was chosen for";
        let mut counter = encoder.encode_descriptor("mesh_client_picks", help, None, MetricType::Counter)?;
        for (labels, count) in &picks {
            ConstCounter::new(*count).encode(counter.encode_family(labels)?)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pools").finish_non_exhaustive()
    }
}

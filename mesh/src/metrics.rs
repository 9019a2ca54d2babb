//! What the mesh counts, in Prometheus' text format.
//!
//! Names are gRFC A66's with `.` written `_`. Methods come from the contracts and targets from the configuration, so the
//! number of series is bounded whatever callers send.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
    },
    registry::{Metric, Registry},
};

use crate::client::Pools;

/// Upper bounds of the latency buckets, in seconds (a selection of gRFC A66's).
const LATENCY_BOUNDS_S: [f64; 20] = [
    0.000_1, 0.000_3, 0.000_6, 0.001, 0.002, 0.004, 0.006, 0.01, 0.016, 0.025, 0.04, 0.065, 0.1, 0.2, 0.4, 0.8, 2.0,
    5.0, 20.0, 100.0,
];

/// The labels of a call that came in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ServerCall {
    /// The service whose stack took the call.
    pub service: Arc<str>,
    /// `package.Service/Method`, or `other`.
    pub grpc_method: &'static str,
    /// The status' name.
    pub grpc_status: &'static str,
}

/// The labels of a call that went out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ClientCall {
    /// The service that called.
    pub service: Arc<str>,
    /// The target's name.
    pub grpc_target: Arc<str>,
    /// `package.Service/Method`, or `other`.
    pub grpc_method: &'static str,
    /// The status' name.
    pub grpc_status: &'static str,
}

/// The labels of whatever is counted a target.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByTarget {
    /// The service that calls.
    pub service: Arc<str>,
    /// The target's name.
    pub grpc_target: Arc<str>,
}

/// The label of whatever is counted a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByService {
    /// The service.
    pub service: Arc<str>,
}

/// Why spans were dropped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DroppedSpans {
    /// `queue_full` or `export_failed`.
    pub reason: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency;

impl MetricConstructor<Histogram> for Latency {
    fn new_metric(&self) -> Histogram {
        Histogram::new(LATENCY_BOUNDS_S)
    }
}

/// All metrics of a process. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) all: Arc<All>,
}

/// The mesh's own metrics, and the registry that has the application's too.
#[derive(Debug)]
pub(crate) struct All {
    registry: Mutex<Registry>,
    pub(crate) server_calls: Family<ServerCall, Histogram, Latency>,
    pub(crate) server_started: Family<ByService, Counter>,
    pub(crate) server_panics: Family<ByService, Counter>,
    pub(crate) client_calls: Family<ClientCall, Histogram, Latency>,
    pub(crate) connections: Family<ByService, Gauge>,
    pub(crate) connections_accepted: Family<ByService, Counter>,
    pub(crate) accept_errors: Family<ByService, Counter>,
    pub(crate) spans_dropped: Family<DroppedSpans, Counter>,
    pub(crate) targets: Targets,
}

/// What is counted of the targets. Connections have gRFC A94's names, transparent retries gRFC A96's.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    pub(crate) connected: Family<ByTarget, Counter>,
    pub(crate) failed: Family<ByTarget, Counter>,
    pub(crate) disconnected: Family<ByTarget, Counter>,
    pub(crate) open: Family<ByTarget, Gauge>,
    pub(crate) waiting: Family<ByTarget, Gauge>,
    pub(crate) transparent_retries: Family<ByTarget, Counter>,
    pub(crate) pools: Pools,
}

impl Targets {
    fn register(&self, registry: &mut Registry) {
        let mut add = |name: &str, help: &str, metric: &Family<ByTarget, Counter>| {
            registry.register(name, help, metric.clone());
        };
        add(
            "grpc_subchannel_connection_attempts_succeeded",
            "Connections to endpoints that were made",
            &self.connected,
        );
        add("grpc_subchannel_connection_attempts_failed", "Connects to endpoints that failed", &self.failed);
        add("grpc_subchannel_disconnections", "Connections to endpoints that ended", &self.disconnected);
        add(
            "grpc_client_call_transparent_retries",
            "Calls sent again that had not left, or that a peer refused",
            &self.transparent_retries,
        );
        registry.register("grpc_subchannel_open_connections", "Connections to endpoints open now", self.open.clone());
        registry.register(
            "mesh_client_waiting_calls",
            "Calls that wait for a connection or a stream of one",
            self.waiting.clone(),
        );
        registry.register_collector(Box::new(self.pools.clone()));
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let all = All {
            registry: Mutex::default(),
            server_calls: Family::new_with_constructor(Latency),
            server_started: Family::default(),
            server_panics: Family::default(),
            client_calls: Family::new_with_constructor(Latency),
            connections: Family::default(),
            connections_accepted: Family::default(),
            accept_errors: Family::default(),
            spans_dropped: Family::default(),
            targets: Targets::default(),
        };
        let metrics = Self { all: Arc::new(all) };
        let all = &metrics.all;
        metrics.register(
            "grpc_server_call_duration_seconds",
            "Calls taken, from their headers to the last byte of the answer, by status",
            all.server_calls.clone(),
        );
        metrics.register("grpc_server_call_started", "Calls whose headers came in", all.server_started.clone());
        metrics.register(
            "grpc_server_panics",
            "Handlers that panicked; each was one INTERNAL",
            all.server_panics.clone(),
        );
        metrics.register(
            "grpc_client_call_duration_seconds",
            "Calls made, with all their attempts, to the last byte of the answer, by status",
            all.client_calls.clone(),
        );
        metrics.register("mesh_connections", "Inbound connections open now", all.connections.clone());
        metrics.register("mesh_connections_accepted", "Inbound connections accepted", all.connections_accepted.clone());
        metrics.register(
            "mesh_accept_errors",
            "Failed accepts, such as too many open files",
            all.accept_errors.clone(),
        );
        metrics.register("mesh_trace_spans_dropped", "Spans that were not exported", all.spans_dropped.clone());
        all.targets.register(&mut all.registry.lock().unwrap_or_else(PoisonError::into_inner));
        metrics
    }
}

impl Metrics {
    /// Adds a metric of the application's own. `name` has the unit last and no `_total`.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.all.registry.lock().unwrap_or_else(PoisonError::into_inner).register(name, help, metric);
    }

    /// Adds several, each with its name, which `service` and an underscore go before, and its help.
    pub fn register_all<M: Metric>(
        &self,
        service: &str,
        all: impl IntoIterator<Item = (&'static str, &'static str, M)>,
    ) {
        for (name, help, metric) in all {
            self.register(&format!("{service}_{name}"), help, metric);
        }
    }

    /// Everything, as `/metrics` answers it (OpenMetrics text).
    #[must_use]
    pub fn encode(&self) -> String {
        let mut out = String::new();
        let registry = self.all.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a String does not fail.
        let _infallible = text::encode(&mut out, &registry);
        out
    }
}

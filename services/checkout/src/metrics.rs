//! What an operator sees of orders.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::order::{State, StepKind};
use crate::store::Unfinished;

/// From a call inside the process to one that waited for its deadline.
const STEP_BOUNDS_S: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByState {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByStep {
    step: &'static str,
}

/// The series of checkout. Cloning shares them.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    entered: Family<ByState, Counter>,
    unfinished: Family<ByState, Gauge>,
    oldest: Gauge,
    steps: Family<ByStep, Histogram>,
    retries: Family<ByStep, Counter>,
    taken_up: Counter,
}

impl Metrics {
    /// Registers them.
    pub(crate) fn new(metrics: &mesh::metrics::Metrics) -> Self {
        let own = Self {
            entered: Family::default(),
            unfinished: Family::default(),
            oldest: Gauge::default(),
            steps: Family::new_with_constructor(|| Histogram::new(STEP_BOUNDS_S)),
            retries: Family::default(),
            taken_up: Counter::default(),
        };
        metrics.register("checkout_orders_entered", "Orders that came into a state, here", own.entered.clone());
        metrics.register(
            "checkout_unfinished_orders",
            "Orders for which something is to be done, by state, NEEDS_ATTENTION among them, in the whole database",
            own.unfinished.clone(),
        );
        metrics.register(
            "checkout_oldest_unfinished_seconds",
            "How long ago the oldest order was placed for which something is to be done, those that need attention aside",
            own.oldest.clone(),
        );
        metrics.register("checkout_step_duration_seconds", "Tries of a step, until its answer", own.steps.clone());
        metrics.register("checkout_step_retries", "Tries of a step that have to be repeated", own.retries.clone());
        metrics.register(
            "checkout_orders_taken_up",
            "Orders that were found due: after a backoff, or after a replica that died",
            own.taken_up.clone(),
        );
        own
    }

    /// Counts what the driver finds.
    pub(crate) fn taken_up(&self) -> Counter {
        self.taken_up.clone()
    }

    pub(crate) fn entered(&self, state: State) {
        self.entered.get_or_create(&ByState { state: state.name() }).inc();
    }

    pub(crate) fn step(&self, kind: StepKind, took: Duration, again: bool) {
        let step = ByStep { step: kind.name() };
        self.steps.get_or_create(&step).observe(took.as_secs_f64());
        if again {
            self.retries.get_or_create(&step).inc();
        }
    }

    /// Takes in a count of all orders that are not at rest.
    pub(crate) fn unfinished(&self, counted: &[(State, Unfinished)]) {
        for state in State::ALL {
            let found = counted.iter().find(|(counted, _)| *counted == state);
            let orders = found.map_or(0, |(_, unfinished)| unfinished.orders);
            self.unfinished.get_or_create(&ByState { state: state.name() }).set(orders);
        }
        let moving = counted.iter().filter(|(state, _)| *state != State::NeedsAttention);
        let oldest_us = moving.map(|(_, unfinished)| unfinished.age_us).max().unwrap_or_default();
        self.oldest.set(oldest_us.max(0) / 1_000_000);
    }
}

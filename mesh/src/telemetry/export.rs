//! The SDK's batch processor, with what it drops counted.
//!
//! The processor has no counter of its own. It never holds more than its queue's size here, because this wrapper keeps
//! the same count and turns the rest away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use opentelemetry::Context;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor},
};
use prometheus_client::metrics::counter::Counter;

use crate::metrics::{DroppedSpans, Metrics};

/// Batches `exporter`'s spans, at most `queue_max` of them, counting what is lost into `metrics`.
pub(super) fn counted_batches<E: SpanExporter + 'static>(
    exporter: E,
    metrics: &Metrics,
    queue_max: usize,
) -> impl SpanProcessor + use<E> {
    let queued = Arc::new(AtomicUsize::new(0));
    let exporter = CountedExporter { inner: exporter, queued: Arc::clone(&queued), failed: failed(metrics) };
    let config = BatchConfigBuilder::default().with_max_queue_size(queue_max).build();
    let inner = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
    CountedProcessor { inner, queued, queue_max, overflowed: dropped(metrics, "queue_full") }
}

/// Counts the spans that no collector took.
pub(super) fn failed(metrics: &Metrics) -> Counter {
    dropped(metrics, "export_failed")
}

fn dropped(metrics: &Metrics, reason: &'static str) -> Counter {
    metrics.all.spans_dropped.get_or_create(&DroppedSpans { reason }).clone()
}

#[derive(Debug)]
struct CountedProcessor<P> {
    inner: P,
    queued: Arc<AtomicUsize>,
    queue_max: usize,
    overflowed: Counter,
}

impl<P: SpanProcessor> SpanProcessor for CountedProcessor<P> {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.inner.on_start(span, cx);
    }

    fn on_end(&self, span: SpanData) {
        if self.queued.fetch_add(1, Ordering::Relaxed) >= self.queue_max {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            self.overflowed.inc();
        } else {
            self.inner.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[derive(Debug)]
struct CountedExporter<E> {
    inner: E,
    queued: Arc<AtomicUsize>,
    failed: Counter,
}

impl<E: SpanExporter> SpanExporter for CountedExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.queued.fetch_sub(spans, Ordering::Relaxed);
        let outcome = self.inner.export(batch).await;
        if outcome.is_err() {
            self.failed.inc_by(u64::try_from(spans).unwrap_or(u64::MAX));
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::{error::OTelSdkError, trace::SdkTracerProvider};

    use super::*;

    /// A collector that is away.
    #[derive(Debug)]
    struct Away;

    impl SpanExporter for Away {
        async fn export(&self, _batch: Vec<SpanData>) -> OTelSdkResult {
            Err(OTelSdkError::InternalFailure("connection refused".into()))
        }
    }

    #[test]
    fn every_span_that_the_collector_does_not_take_is_counted() {
        let metrics = Metrics::default();
        let provider = SdkTracerProvider::builder().with_span_processor(counted_batches(Away, &metrics, 4_096)).build();
        let tracer = provider.tracer("test");
        for _ in 0..10_000 {
            drop(tracer.start("span"));
        }
        // The outcome of a flush to a collector that is away is an error, which is what is counted.
        let _outcome = provider.force_flush().is_ok();
        let lost: u64 = ["queue_full", "export_failed"]
            .iter()
            .map(|reason| metrics.all.spans_dropped.get_or_create(&DroppedSpans { reason }).get())
            .sum();
        assert_eq!(lost, 10_000);
    }
}

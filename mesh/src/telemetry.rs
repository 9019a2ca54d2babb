//! Traces and logs of a process.
//!
//! OpenTelemetry follows its standard environment variables and is off without an endpoint. Nothing here is awaited by a
//! call: spans go into a bounded queue (`OTEL_BSP_MAX_QUEUE_SIZE`, 4,096 where it says nothing), and what does not fit, or
//! is not taken by the collector, is dropped and counted.

mod export;
mod log;
mod propagation;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, time::Duration};

use opentelemetry::{
    Context as TraceContext, KeyValue,
    trace::{Span as _, SpanBuilder, SpanKind, TraceContextExt as _, Tracer as _, TracerProvider as _},
};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracer, SdkTracerProvider},
};

pub use log::{Format, colours};
pub use propagation::{adopt, extract, link};
pub(crate) use propagation::{inject, traceparent};

use prometheus_client::metrics::counter::Counter;

use crate::{directory::Target, metrics::Metrics};

/// How long the last spans may take to leave when the process ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Spans that wait for export; the SDK's 65,536 would be 24 MB.
const QUEUE_MAX: usize = 4_096;

/// What a process tells about itself.
#[derive(Clone, Debug)]
pub struct Config {
    /// `service.name` where `OTEL_SERVICE_NAME` does not say.
    pub service_name: String,
    /// The attribute that names the service on spans of a process that holds several.
    pub service_attribute: Option<&'static str>,
    /// Which log lines are written (`tracing-subscriber`'s filter syntax).
    pub filter: String,
    /// How log lines look.
    pub format: Format,
}

/// Telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The log filter has a mistake.
    #[error("LOG: read the log filter {filter:?}")]
    Filter {
        /// What was given.
        filter: String,
        /// Where the mistake is.
        source: tracing_subscriber::filter::ParseError,
    },
    /// An `OTEL_*` variable is wrong.
    #[error("OTEL_EXPORTER_OTLP_*: set up the exporter of traces")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// Makes spans; does nothing where tracing is off. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Tracer {
    sdk: Option<SdkTracer>,
    service: Option<KeyValue>,
}

impl Tracer {
    /// A tracer whose spans also say which service of this process they belong to.
    #[must_use]
    pub(crate) fn of_service(&self, attribute: Option<&'static str>, service: &str) -> Self {
        Self { sdk: self.sdk.clone(), service: attribute.map(|name| KeyValue::new(name, service.to_owned())) }
    }

    /// Starts the span of a call, or passes the parent on where tracing is off.
    pub(crate) fn start(
        &self,
        kind: SpanKind,
        method: &'static str,
        target: Option<Target>,
        parent: &TraceContext,
    ) -> TraceContext {
        let about = || [KeyValue::new("rpc.system.name", "grpc"), KeyValue::new("rpc.method", method)];
        self.start_about(kind, method, target, parent, about)
    }

    /// Starts the span of a request for a page of a target, all of which have one name.
    pub(crate) fn start_page(
        &self,
        name: &'static str,
        method: &http::Method,
        target: Target,
        parent: &TraceContext,
    ) -> TraceContext {
        let about = || [KeyValue::new("http.request.method", known(method)), KeyValue::new("url.template", name)];
        self.start_about(SpanKind::Client, name, Some(target), parent, about)
    }

    fn start_about<const N: usize>(
        &self,
        kind: SpanKind,
        name: &'static str,
        target: Option<Target>,
        parent: &TraceContext,
        about: impl FnOnce() -> [KeyValue; N],
    ) -> TraceContext {
        let Some(tracer) = &self.sdk else { return parent.clone() };
        let span = SpanBuilder::from_name(Cow::Borrowed(name)).with_kind(kind);
        let mut span = tracer.build_with_context(span, parent);
        // The samplers of the standard variables look at no attribute, so a span that is not recorded needs none.
        if span.is_recording() {
            span.set_attributes(about());
            span.set_attributes(target.map(|target| KeyValue::new("server.address", target.name())));
            span.set_attributes(self.service.clone());
        }
        parent.with_span(span)
    }

    /// Whether spans are made at all.
    pub(crate) fn is_on(&self) -> bool {
        self.sdk.is_some()
    }
}

/// A method that spans tell; any other is OpenTelemetry's word for one that is not known.
fn known(method: &http::Method) -> &'static str {
    match *method {
        http::Method::GET => "GET",
        http::Method::HEAD => "HEAD",
        http::Method::POST => "POST",
        _ => "_OTHER",
    }
}

/// The telemetry of a process; dropping it sends what is left, for at most two seconds.
#[derive(Debug, Default)]
pub struct Telemetry {
    tracer: Tracer,
    provider: Option<SdkTracerProvider>,
    /// Spans that no collector took.
    failed: Counter,
}

impl Telemetry {
    /// Sets up logs and traces for the whole process. The first call wins: a test binary has one subscriber.
    ///
    /// # Errors
    /// If the log filter or an `OTEL_*` variable cannot be understood.
    pub fn install(
        config: &Config,
        metrics: &Metrics,
        background: &tokio::runtime::Handle,
    ) -> Result<Self, SetupError> {
        let environment = Environment::read();
        let provider = if environment.traces_are_wanted() {
            // The exporter's connection lives on the runtime it was made in.
            let _inside = background.enter();
            let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic().build()?;
            let mut resource = Resource::builder();
            if !environment.service_is_named {
                resource = resource.with_service_name(config.service_name.clone());
            }
            let processor = export::counted_batches(exporter, metrics, environment.queue_max);
            Some(SdkTracerProvider::builder().with_resource(resource.build()).with_span_processor(processor).build())
        } else {
            None
        };
        let telemetry = Self::over(provider, metrics);
        log::install(config, telemetry.tracer.sdk.clone())?;
        Ok(telemetry)
    }

    /// Makes spans with `provider`, and ends it.
    fn over(provider: Option<SdkTracerProvider>, metrics: &Metrics) -> Self {
        let tracer = Tracer { sdk: provider.as_ref().map(|provider| provider.tracer("mesh")), service: None };
        Self { tracer, provider, failed: export::failed(metrics) }
    }

    /// Makes the spans of this process.
    #[must_use]
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        let Some(provider) = self.provider.take() else { return };
        let before = self.failed.get();
        // From a plain thread: a shutdown inside a current-thread runtime would wait for itself.
        let flush = std::thread::spawn(move || provider.shutdown_with_timeout(FLUSH_TIMEOUT));
        let ended = matches!(flush.join(), Ok(Ok(())));
        // The SDK calls a shutdown whose last export failed a success.
        let lost = self.failed.get() - before;
        if !ended || lost > 0 {
            tracing::warn!(lost, "the last spans could not be sent");
        }
    }
}

/// The standard variables that decide whether there is anything to set up; the SDK reads the rest by itself.
struct Environment {
    disabled: bool,
    exporter: Option<String>,
    has_endpoint: bool,
    service_is_named: bool,
    queue_max: usize,
}

impl Environment {
    #[allow(
        clippy::disallowed_methods,
        reason = "these are OpenTelemetry's variables, and this is where they are read"
    )]
    fn read() -> Self {
        let value = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let endpoints = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
        Self {
            disabled: value("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")),
            exporter: value("OTEL_TRACES_EXPORTER"),
            queue_max: value("OTEL_BSP_MAX_QUEUE_SIZE").and_then(|size| size.trim().parse().ok()).unwrap_or(QUEUE_MAX),
            has_endpoint: endpoints.iter().any(|name| value(name).is_some()),
            service_is_named: value("OTEL_SERVICE_NAME").is_some()
                || value("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|list| list.contains("service.name=")),
        }
    }

    fn traces_are_wanted(&self) -> bool {
        !self.disabled && self.has_endpoint && self.exporter.as_deref().is_none_or(|name| name == "otlp")
    }
}

//! Traces and logs of a process.
//!
//! OpenTelemetry follows its standard environment variables and is off without an endpoint. Nothing here is awaited by a
//! call: spans go into a bounded queue, and what does not fit, or is not taken by the collector, is dropped and counted.

mod export;
mod log;
mod propagation;

use std::{borrow::Cow, sync::Arc, time::Duration};

use opentelemetry::{
    Context as TraceContext, KeyValue,
    trace::{SpanBuilder, SpanKind, TraceContextExt as _, Tracer as _, TracerProvider as _},
};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracer, SdkTracerProvider},
};

pub use log::Format;
pub use propagation::extract;
pub(crate) use propagation::inject;

use crate::metrics::Metrics;

/// How long the last spans may take to leave when the process ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

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
        method: &Arc<str>,
        target: Option<&Arc<str>>,
        parent: &TraceContext,
    ) -> TraceContext {
        let Some(tracer) = &self.sdk else { return parent.clone() };
        let mut attributes = Vec::with_capacity(4);
        attributes.push(KeyValue::new("rpc.system.name", "grpc"));
        attributes.push(KeyValue::new("rpc.method", Arc::clone(method)));
        attributes.extend(target.map(|target| KeyValue::new("server.address", Arc::clone(target))));
        attributes.extend(self.service.clone());
        let name: Cow<'static, str> = Cow::Owned(method.to_string());
        let span = SpanBuilder::from_name(name).with_kind(kind).with_attributes(attributes);
        parent.with_span(tracer.build_with_context(span, parent))
    }

    /// Whether spans are made at all.
    pub(crate) fn is_on(&self) -> bool {
        self.sdk.is_some()
    }
}

/// The telemetry of a process; dropping it sends what is left, for at most two seconds.
#[derive(Debug, Default)]
pub struct Telemetry {
    tracer: Tracer,
    provider: Option<SdkTracerProvider>,
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
            let processor = export::counted_batches(exporter, metrics);
            Some(SdkTracerProvider::builder().with_resource(resource.build()).with_span_processor(processor).build())
        } else {
            None
        };
        let tracer = Tracer { sdk: provider.as_ref().map(|provider| provider.tracer("mesh")), service: None };
        log::install(config, tracer.sdk.clone())?;
        Ok(Self { tracer, provider })
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
        // From a plain thread: a shutdown inside a current-thread runtime would wait for itself.
        let flush = std::thread::spawn(move || provider.shutdown_with_timeout(FLUSH_TIMEOUT));
        if !matches!(flush.join(), Ok(Ok(()))) {
            tracing::warn!("the last spans could not be sent");
        }
    }
}

/// The standard variables that decide whether there is anything to set up; the SDK reads the rest by itself.
struct Environment {
    disabled: bool,
    exporter: Option<String>,
    has_endpoint: bool,
    service_is_named: bool,
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
            has_endpoint: endpoints.iter().any(|name| value(name).is_some()),
            service_is_named: value("OTEL_SERVICE_NAME").is_some()
                || value("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|list| list.contains("service.name=")),
        }
    }

    fn traces_are_wanted(&self) -> bool {
        !self.disabled && self.has_endpoint && self.exporter.as_deref().is_none_or(|name| name == "otlp")
    }
}

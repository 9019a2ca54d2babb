//! Log lines, as text or as JSON, each with the id of the trace it was written in.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    str::FromStr,
    sync::Once,
};

use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::trace::SdkTracer;
use tracing::{Event, Level, Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer,
    filter::{FilterExt as _, Targets, filter_fn},
    fmt::{
        FmtContext, FormatEvent, FormatFields, MakeWriter,
        format::{self, Writer},
    },
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use super::{Config, SetupError};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: `time LEVEL target: message field=value trace_id=…`.
    #[default]
    Text,
    /// One JSON object a line, with `trace_id` and `span_id`.
    Json,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("{other:?} is no log format: write text or json")),
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// Whether what is written to standard error may be coloured: it is a terminal, and `NO_COLOR` (no-color.org) is not set.
#[must_use]
pub fn colours() -> bool {
    #[allow(clippy::disallowed_methods, reason = "an agreement among programs that write to terminals")]
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && std::io::IsTerminal::is_terminal(&std::io::stderr())
}

pub(super) fn install(config: &Config, tracer: Option<SdkTracer>) -> Result<(), SetupError> {
    let subscriber = subscriber(config, tracer, std::io::stderr, colours())?;
    // A test binary has one subscriber, whoever came first.
    let first = subscriber.try_init().is_ok();
    if first && config.format == Format::Json {
        log_panics();
    }
    Ok(())
}

/// Writes log lines to `writer`, and hands spans to `tracer`. `LOG` chooses lines only: what is traced is the sampler's.
pub(super) fn subscriber<W>(
    config: &Config,
    tracer: Option<SdkTracer>,
    writer: W,
    colours: bool,
) -> Result<impl Subscriber + Send + Sync + use<W>, SetupError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = config
        .filter
        .parse::<Targets>()
        .map_err(|source| SetupError::Filter { filter: config.filter.clone(), source })?;
    // Log lines take no spans, so that without an exporter a span costs nothing at all.
    let events = filter_fn(|metadata| metadata.is_event()).with_max_level_hint(LevelFilter::TRACE);
    let lines = lines(config.format, writer, colours).with_filter(filter.and(events));
    let spans = tracer.map(|tracer| {
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(is_traced).with_max_level_hint(LevelFilter::INFO))
    });
    Ok(tracing_subscriber::registry().with(lines).with(spans))
}

/// Spans of the application. Those of the libraries that carry calls would be traced for the exporter's own calls too,
/// which would then never end.
fn is_traced(metadata: &Metadata<'_>) -> bool {
    let library = metadata.target().split("::").next().unwrap_or_default();
    let carries = matches!(library, "h2" | "hyper" | "hyper_util" | "tonic" | "tower");
    metadata.is_span() && *metadata.level() <= Level::INFO && !carries && !library.starts_with("opentelemetry")
}

fn lines<S, W>(kind: Format, writer: W, colours: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours);
    match kind {
        Format::Text => layer.event_format(WithTrace(format::format().with_ansi(colours), kind)).boxed(),
        Format::Json => {
            let object = format::format().json().flatten_event(true).with_current_span(false).with_span_list(false);
            layer.fmt_fields(format::JsonFields::new()).event_format(WithTrace(object, kind)).boxed()
        }
    }
}

/// Makes a log line of every panic: whoever reads JSON cannot read what the standard library writes. That is still
/// written where `LOG` leaves errors out. There is a backtrace where `RUST_BACKTRACE` asks for one.
fn log_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let standard = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !tracing::event_enabled!(Level::ERROR) {
                return standard(panic);
            }
            let (backtrace, thread) = (Backtrace::capture(), std::thread::current());
            let captured = backtrace.status() == BacktraceStatus::Captured;
            tracing::error!(
                panic = panic.payload_as_str().unwrap_or("no message"),
                location = panic.location().map(tracing::field::display),
                thread = thread.name().unwrap_or("unnamed"),
                backtrace = captured.then(|| tracing::field::display(&backtrace)),
                "thread panicked"
            );
        }));
    });
}

/// A library's format with the trace added at the end of each line.
struct WithTrace<F>(F, Format);

impl<S, N, F> FormatEvent<S, N> for WithTrace<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> std::fmt::Result {
        let current = crate::context::trace();
        let span = current.span().span_context().clone();
        if !span.is_valid() {
            return self.0.format_event(context, out, event);
        }
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end();
        match (self.1, line.strip_suffix('}')) {
            (Format::Json, Some(object)) => {
                writeln!(out, r#"{object},"trace_id":"{}","span_id":"{}"}}"#, span.trace_id(), span.span_id())
            }
            (Format::Text | Format::Json, _) => writeln!(out, "{line} trace_id={}", span.trace_id()),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry::{
        Context,
        trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState},
    };

    use super::*;

    /// Log lines that a test reads.
    #[derive(Clone, Default)]
    pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        /// The objects that were written, one a line.
        pub(crate) fn objects(&self) -> Vec<serde_json::Value> {
            let written = self.0.lock().unwrap().clone();
            written.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect()
        }
    }

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn config(filter: &str) -> Config {
        Config { service_name: "test".into(), service_attribute: None, filter: filter.into(), format: Format::Json }
    }

    #[test]
    fn a_json_line_written_inside_a_trace_is_one_object_with_its_ids() {
        let lines = Lines::default();
        let subscriber = subscriber(&config("info"), None, lines.clone(), false).unwrap();
        let (trace_id, span_id) = (TraceId::from(7), SpanId::from(9));
        let span = SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, true, TraceState::default());
        tracing::subscriber::with_default(subscriber, || {
            let _inside = Context::new().with_remote_span_context(span).attach();
            tracing::info!(order = 5, "kept");
            tracing::debug!("left out");
        });
        let written = lines.objects();
        assert_eq!(written.len(), 1);
        assert_eq!(written[0]["trace_id"], trace_id.to_string());
        assert_eq!(written[0]["order"], 5);
        assert_eq!(written[0]["message"], "kept");
    }

    #[test]
    fn a_panic_is_one_json_line_among_the_others() {
        let lines = Lines::default();
        let subscriber = subscriber(&config("info"), None, lines.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            log_panics();
            std::panic::catch_unwind(|| panic!("a {} too far", "bridge")).unwrap_err();
        });
        let written = lines.objects();
        assert_eq!(written.len(), 1);
        assert_eq!((&written[0]["level"], &written[0]["panic"]), (&"ERROR".into(), &"a bridge too far".into()));
        assert!(written[0]["location"].as_str().unwrap().contains("log.rs"));
    }
}

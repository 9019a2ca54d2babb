//! Log lines, as text or as JSON, each with the id of the trace it was written in.

use std::str::FromStr;

use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::trace::SdkTracer;
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::filter_fn,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{self, DefaultFields, Writer},
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

pub(super) fn install(config: &Config, tracer: Option<SdkTracer>) -> Result<(), SetupError> {
    let filter = EnvFilter::try_new(&config.filter)
        .map_err(|source| SetupError::Filter { filter: config.filter.clone(), source })?;
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // Log lines take no spans, so that without an exporter a span costs nothing at all.
    let events = || filter_fn(|metadata| metadata.is_event());
    let text = (config.format == Format::Text)
        .then(|| lines(terminal).event_format(WithTrace(format::format().with_ansi(terminal), Format::Text)));
    let json = (config.format == Format::Json).then(|| {
        let object = format::format().json().flatten_event(true).with_current_span(false).with_span_list(false);
        lines(terminal).fmt_fields(format::JsonFields::new()).event_format(WithTrace(object, Format::Json))
    });
    let spans = tracer.map(|tracer| {
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|metadata| metadata.is_span()))
    });
    // A test binary has one subscriber, whoever came first.
    let _first = tracing_subscriber::registry()
        .with(filter)
        .with(text.with_filter(events()))
        .with(json.with_filter(events()))
        .with(spans)
        .try_init()
        .is_ok();
    Ok(())
}

fn lines<S>(
    terminal: bool,
) -> tracing_subscriber::fmt::Layer<S, DefaultFields, format::Format, fn() -> std::io::Stderr> {
    let writer: fn() -> std::io::Stderr = std::io::stderr;
    tracing_subscriber::fmt::Layer::default().with_writer(writer).with_ansi(terminal)
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
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry::{
        Context,
        trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState},
    };
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

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

    #[test]
    fn a_json_line_written_inside_a_trace_is_one_object_with_its_ids() {
        let lines = Lines::default();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(lines.clone())
            .fmt_fields(format::JsonFields::new())
            .event_format(WithTrace(format::format().json().flatten_event(true), Format::Json));
        let (trace_id, span_id) = (TraceId::from(7), SpanId::from(9));
        let span = SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, true, TraceState::default());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let _inside = Context::new().with_remote_span_context(span).attach();
            tracing::info!(order = 5, "kept");
        });
        let written = lines.0.lock().unwrap().clone();
        let line: serde_json::Value = serde_json::from_slice(&written).unwrap();
        assert_eq!(line["trace_id"], trace_id.to_string());
        assert_eq!(line["order"], 5);
        assert_eq!(line["message"], "kept");
    }
}

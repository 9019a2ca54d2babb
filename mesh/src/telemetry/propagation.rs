//! The trace context in headers (W3C Trace Context).

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context as TraceContext,
    propagation::{Extractor, TextMapPropagator as _},
    trace::{SpanContext, TraceContextExt as _},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The caller's trace, where its headers carry one (W3C Trace Context); empty otherwise. For servers that are not the
/// mesh's own, such as web pages: attached while a span is made, it is that span's parent.
#[must_use]
pub fn extract(headers: &HeaderMap) -> TraceContext {
    if !headers.get(&TRACEPARENT).is_some_and(|value| is_traceparent(value.as_bytes())) {
        return TraceContext::new();
    }
    TraceContextPropagator::new().extract_with_context(&TraceContext::new(), &Headers(headers))
}

/// Links a span to the call whose `traceparent` this is: for what is done on behalf of a call that does not wait for it. A
/// text that is none links to nothing.
pub fn link(span: &tracing::Span, traceparent: &str) {
    let linked = read(traceparent).span().span_context().clone();
    if linked.is_valid() {
        span.add_link(linked);
    }
}

/// Makes a span, which has not been entered yet, a child of the call whose `traceparent` this is: for what a call begins and
/// hands over, which may outlast it. A text that is none leaves the span as it is.
pub fn adopt(span: &tracing::Span, traceparent: &str) {
    let trace = read(traceparent);
    if trace.has_active_span() {
        // It is refused where nothing makes traces of spans.
        let _without_traces = span.set_parent(trace).is_err();
    }
}

fn read(traceparent: &str) -> TraceContext {
    let Ok(value) = HeaderValue::from_str(traceparent) else { return TraceContext::new() };
    extract(&HeaderMap::from_iter([(TRACEPARENT.clone(), value)]))
}

/// Whether this has the form of a `traceparent` of any version. The propagator reads signs as digits (`+f` for `0f`), and
/// trims, which would make another trace of it.
fn is_traceparent(value: &[u8]) -> bool {
    const FORM: &[u8; 55] = b"00-00000000000000000000000000000000-0000000000000000-00";
    let Some((known, later)) = value.split_at_checked(FORM.len()) else { return false };
    let fits = |(byte, form): (&u8, &u8)| if *form == b'-' { byte == form } else { DIGITS.contains(byte) };
    known.iter().zip(FORM).all(fits) && (later.is_empty() || (later[0] == b'-' && !known.starts_with(b"00")))
}

/// Writes the current span into the headers; whatever stood there was another hop's.
pub(crate) fn inject(trace: &TraceContext, headers: &mut HeaderMap) {
    let span = trace.span();
    let span = span.span_context();
    if !span.is_valid() {
        return;
    }
    if let Ok(value) = HeaderValue::from_bytes(&traceparent(span)) {
        headers.insert(&TRACEPARENT, value);
    }
    match span.trace_state().header() {
        state if state.is_empty() => drop(headers.remove(&TRACESTATE)),
        state => {
            if let Ok(value) = HeaderValue::try_from(state) {
                headers.insert(&TRACESTATE, value);
            }
        }
    }
}

/// A span as the header writes it: `00-<trace id>-<span id>-<flags>`.
pub(crate) fn traceparent(span: &SpanContext) -> [u8; 55] {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    let mut hex = |at: usize, bytes: &[u8]| {
        for (byte, digits) in bytes.iter().zip(text[at..].chunks_exact_mut(2)) {
            digits[0] = DIGITS[usize::from(byte >> 4)];
            digits[1] = DIGITS[usize::from(byte & 15)];
        }
    };
    hex(3, &span.trace_id().to_bytes());
    hex(36, &span.span_id().to_bytes());
    hex(53, &[span.trace_flags().to_u8()]);
    text
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_that_comes_in_goes_out_again_unchanged() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", HeaderValue::from_static(parent));
        headers.insert("tracestate", HeaderValue::from_static("a=b"));
        let trace = extract(&headers);
        let mut out = HeaderMap::new();
        inject(&trace, &mut out);
        assert_eq!(out["traceparent"], parent);
        assert_eq!(out["tracestate"], "a=b");
    }

    #[test]
    fn a_trace_without_a_state_sends_none_and_not_the_one_of_another_hop() {
        let mut headers = HeaderMap::new();
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        headers.insert("traceparent", HeaderValue::from_static(parent));
        let trace = extract(&headers);
        headers.insert("tracestate", HeaderValue::from_static("a=b"));
        inject(&trace, &mut headers);
        assert_eq!((&headers["traceparent"], headers.get("tracestate")), (&HeaderValue::from_static(parent), None));
    }

    #[test]
    fn a_malformed_trace_is_no_trace() {
        let signed = "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        for value in ["", "00-xyz", "00-00000000000000000000000000000000-0000000000000000-01", signed] {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", HeaderValue::from_str(value).unwrap());
            assert!(!extract(&headers).span().span_context().is_valid(), "{value}");
        }
    }
}

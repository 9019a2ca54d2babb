//! The trace context in headers (W3C Trace Context).

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context as TraceContext,
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::TraceContextExt as _,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// The caller's trace, where its headers carry one (W3C Trace Context); empty otherwise. For servers that are not the
/// mesh's own, such as web pages: attached while a span is made, it is that span's parent.
#[must_use]
pub fn extract(headers: &HeaderMap) -> TraceContext {
    if !headers.contains_key("traceparent") {
        return TraceContext::new();
    }
    TraceContextPropagator::new().extract_with_context(&TraceContext::new(), &Headers(headers))
}

/// Writes the current span into the headers; whatever stood there was another hop's.
pub(crate) fn inject(trace: &TraceContext, headers: &mut HeaderMap) {
    if trace.span().span_context().is_valid() {
        headers.remove("tracestate");
        TraceContextPropagator::new().inject_context(trace, &mut HeadersMut(headers));
    }
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

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
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
    fn a_malformed_trace_is_no_trace() {
        for value in ["", "00-xyz", "00-00000000000000000000000000000000-0000000000000000-01"] {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", HeaderValue::from_str(value).unwrap());
            assert!(!extract(&headers).span().span_context().is_valid(), "{value}");
        }
    }
}

//! The fields that every request has: what names it, which version it means, and what a write takes from its call.

use mesh::Violations;
use store::{Fingerprint, Keep, Request};

use crate::now_us;

/// The most bytes of an etag.
pub const ETAG_MAX: usize = 64;

/// What a write takes from its call, beside its content.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// Microseconds since 1970.
    pub now_us: i64,
    /// The call's trace, for the event.
    pub traceparent: Option<String>,
}

impl Stamp {
    /// Of the call that is served now.
    #[must_use]
    pub fn now() -> Self {
        Self { now_us: now_us(), traceparent: mesh::context::traceparent() }
    }
}

/// Takes the request id out of a request, so that what is left is its content.
pub fn request_id(id: &mut String, violations: &mut Violations) -> String {
    uuid(id, "request_id", violations)
}

/// Takes a UUID in its canonical text form out of `field`, in lower case.
pub fn uuid(id: &mut String, field: &str, violations: &mut Violations) -> String {
    let id = std::mem::take(id).to_ascii_lowercase();
    // The parser takes other forms too, all of another length.
    if id.len() != 36 || ::uuid::Uuid::try_parse(&id).is_err() {
        violations.add(field, "must be a UUID such as 3f2a8d4e-0b6c-4f6e-9c1d-2a7b5e8f9d10");
    }
    id
}

/// The version of a thing that the caller means; `None` means whatever it is now.
pub fn etag(etag: &str, field: &str, violations: &mut Violations) -> Option<String> {
    if etag.len() > ETAG_MAX {
        violations.add(field, format!("must be at most {ETAG_MAX} bytes"));
    }
    (!etag.is_empty()).then(|| etag.to_owned())
}

/// A request that is answered once and then given the same answer for a week. `scope` is what the request names, or its
/// [`principal`] where it names nothing; `content` is what is left of it without its id.
#[must_use]
pub fn once(scope: impl Into<String>, rpc: &'static str, request_id: String, content: &[u8]) -> Request {
    Request { scope: scope.into(), rpc, request_id, fingerprint: Fingerprint::of(content), keep: Keep::Week }
}

/// Who makes the call that is served now, as a scope of request ids.
#[must_use]
pub fn principal() -> String {
    let principal = mesh::context::current().map_or_else(mesh::Principal::anonymous, |call| call.principal);
    principal.as_str().to_owned()
}

/// How many things a page has: what was asked for, at most `most`, or `default` where nothing was (AIP-158).
pub fn page_size<N>(asked: i32, default: N, most: N, violations: &mut Violations) -> N
where
    N: TryFrom<i32> + Ord,
{
    match N::try_from(asked) {
        Ok(_) if asked == 0 => default,
        Ok(size) => size.min(most),
        Err(_) => {
            violations.add("page_size", "must not be negative");
            default
        }
    }
}

#[cfg(test)]
mod tests {
    use mesh::context::{CallContext, scope};
    use opentelemetry::Context;
    use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};

    use super::*;

    #[tokio::test]
    async fn a_write_takes_its_trace_and_the_scope_of_its_request_id_from_the_call() {
        assert_eq!(Stamp::now().traceparent, None);
        let (trace_id, span_id) = (TraceId::from(0xabc_u128), SpanId::from(0x12_u64));
        let span = SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, true, TraceState::NONE);
        let trace = Context::new().with_remote_span_context(span);
        let caller = mesh::Principal::service("souk", "souk", "cart");
        let call = CallContext { deadline: None, trace, principal: caller.clone() };
        let (stamp, scoped) = scope(call, async { (Stamp::now(), principal()) }).await;
        let expected = "00-00000000000000000000000000000abc-0000000000000012-01";
        assert_eq!(stamp.traceparent.as_deref(), Some(expected));
        assert_eq!(scoped, caller.as_str());
        assert_eq!(principal(), "anonymous");
    }

    #[test]
    fn a_page_has_what_is_asked_for_within_its_limit_and_a_negative_size_is_named() {
        let mut violations = Violations::default();
        let sizes = [0, 1, 100, 101, i32::MAX].map(|asked| page_size(asked, 50_u32, 100, &mut violations));
        assert_eq!((sizes, violations.clone().check().is_ok()), ([50, 1, 100, 100, 100], true));
        assert_eq!(page_size(-1, 50_usize, 100, &mut violations), 50);
        assert!(format!("{violations:?}").contains("page_size"));
    }

    #[test]
    fn a_request_id_is_a_uuid_in_its_canonical_form_whatever_its_case() {
        let parsed = |id: &str| {
            let mut violations = Violations::default();
            (request_id(&mut id.to_owned(), &mut violations), violations.check().is_ok())
        };
        let upper = "3F2A8D4E-0B6C-4F6E-9C1D-2A7B5E8F9D10";
        assert_eq!(parsed(upper), (upper.to_ascii_lowercase(), true));
        for id in ["", "1", "3f2a8d4e0b6c4f6e9c1d2a7b5e8f9d10", "{3f2a8d4e-0b6c-4f6e-9c1d-2a7b5e8f9d10}"] {
            assert!(!parsed(id).1, "{id}");
        }
    }
}

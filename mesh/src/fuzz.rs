//! Fuzz targets: what the mesh reads of its peers and of its operators, and what holds whatever they write.
//!
//! Each is a plain function that panics where it does not hold. `cargo test` runs them on `corpus/` and on mutations of it;
//! CONTRIBUTING.md says how a fuzzer does.

use std::{sync::LazyLock, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::TraceContextExt as _;
use tonic::{Code, Status};

pub use crate::server::fuzz::connection;
use crate::{
    address::{Address, ListenAddress},
    deadline, status, telemetry,
    token::{Grant, Refusal, SigningKey, Verifier},
};

/// A `grpc-timeout` header: parsed strictly, never longer once it is written again, and hardly shorter.
pub fn grpc_timeout(value: &[u8]) {
    match deadline::parse(value) {
        Ok(timeout) => {
            let (unit, digits) = value.split_last().expect("an empty timeout was read");
            assert!(b"HMSmun".contains(unit) && (1..=8).contains(&digits.len()), "a lax reading");
            assert!(digits.iter().all(u8::is_ascii_digit), "a lax reading");
            written(timeout);
        }
        Err(error) => assert!(error.to_string().starts_with("grpc-timeout"), "{error} names no header"),
    }
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(value) {
        headers.insert(deadline::GRPC_TIMEOUT, value);
    }
    let read = deadline::read(&headers).map(Option::unwrap_or_default);
    assert!(headers.is_empty() || read == deadline::parse(value), "a header is read otherwise than its value");
    // Any time that is left, not only those that a header can say.
    let number = value.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let nanos = u32::try_from(number % 1_000_000_000).unwrap_or_default();
    written(Duration::new(number >> 16, nanos));
    written(Duration::from_nanos(number));
}

/// A timeout as it goes to the next hop.
fn written(timeout: Duration) {
    // What is written of more is the most that a header can say, and nobody waits for that.
    const LONGEST: Duration = Duration::from_secs(99_999_999 * 3_600);
    let text = deadline::format(timeout);
    assert!(text.len() <= 9, "{text} is too long");
    let again = deadline::parse(text.as_bytes()).expect("what was written is no timeout");
    assert!(again <= timeout, "{text} is longer than {timeout:?}");
    // Nanoseconds in 64 bits are five centuries.
    let expected = timeout.min(LONGEST).min(Duration::from_nanos(u64::MAX));
    assert!(expected.saturating_sub(again) <= expected / 1_000, "{text} is much shorter than {timeout:?}");
    assert_eq!(deadline::parse(deadline::format(again).as_bytes()), Ok(again), "{text} shrinks at every hop");
}

/// A target's or a listener's address: what is read is written so that it is read the same, and a refusal says how.
pub fn address(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    match text.parse::<Address>() {
        Ok(address) => {
            match &address {
                Address::Dns { host, port } => assert!(!host.is_empty() && *port != 0, "{address:?}"),
                Address::Static(endpoints) => {
                    assert!(!endpoints.is_empty() && endpoints.iter().all(|one| one.port() != 0), "{address:?}");
                }
                Address::Unix(path) => assert!(!path.as_os_str().is_empty(), "{address:?}"),
            }
            assert_eq!(address.to_string().parse(), Ok(address.clone()), "{address} is read as another one");
        }
        Err(error) => assert!(error.to_string().contains("HOST:PORT"), "{error} does not say what to write"),
    }
    match text.parse::<ListenAddress>() {
        Ok(listen) => {
            assert_ne!(listen, ListenAddress::Unix("".into()), "a path that is none");
            assert_eq!(listen.to_string().parse(), Ok(listen.clone()), "{listen} is read as another one");
            let dial = listen.dial();
            let known = matches!(&listen, ListenAddress::Tcp(address) if address.port() == 0);
            assert!(known || dial.to_string().parse() == Ok(dial.clone()), "{dial} cannot be dialled");
        }
        Err(error) => assert!(error.to_string().contains("IP:PORT"), "{error} does not say what to write"),
    }
}

/// A status in headers, one field a line: code, message, details. It is read without a panic, keeps its code, and is
/// shortened to what peers take, in a way that they can read.
pub fn status(lines: &[u8]) {
    let mut headers = HeaderMap::new();
    for (name, value) in ["grpc-status", "grpc-message", "grpc-status-details-bin"].into_iter().zip(lines.split(is_end))
    {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    status::repair(&mut headers);
    let Some(read) = Status::from_header_map(&headers) else {
        assert_eq!(status::code_of(&headers), None);
        return;
    };
    assert_eq!(status::code_of(&headers), Some(read.code()));
    let length = |headers: &HeaderMap, name| headers.get(name).map_or(0, HeaderValue::len);
    let mut bounded = headers.clone();
    assert_eq!(status::bounded_code_of(&mut bounded), Some(read.code()));
    if read.code() != Code::Ok {
        let total = length(&bounded, "grpc-message") + length(&bounded, "grpc-status-details-bin");
        assert!(total <= 6 * 1024, "{total} bytes of status");
    }
    let short = Status::from_header_map(&bounded).expect("the code is gone");
    assert_eq!(short.code(), read.code());
    assert!(read.message().starts_with(short.message()), "{:?} is no beginning of it", short.message());
    let cut = length(&bounded, "grpc-message") < length(&headers, "grpc-message");
    assert!(cut || short.message() == read.message(), "a whole message is read otherwise");
    assert!(!cut || !short.message().is_empty() || read.message().is_empty(), "nothing is left of the message");
    assert!(short.details().is_empty() || short.details() == read.details(), "half of the details");
    let sanitised = status::sanitised(&read);
    assert_eq!((sanitised.code(), sanitised.message()), (read.code(), read.message()));
    assert!(sanitised.details() == read.details() && sanitised.metadata().is_empty());
}

/// The caller's trace, `traceparent` and `tracestate` in a line each: what is taken goes on as it came.
pub fn trace(lines: &[u8]) {
    let mut headers = HeaderMap::new();
    for (name, value) in ["traceparent", "tracestate"].into_iter().zip(lines.split(is_end)) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    let trace = telemetry::extract(&headers);
    let mut written = HeaderMap::new();
    telemetry::inject(&trace, &mut written);
    if !trace.span().span_context().is_valid() {
        assert!(written.is_empty(), "a trace that is none goes on");
        return;
    }
    // Trace and span; what else a later version has is not carried on, and of the flags only what this one knows.
    let (came, goes) = (headers["traceparent"].as_bytes(), written["traceparent"].as_bytes());
    assert_eq!(goes.len(), 55);
    assert!(came[3..52] == goes[3..52], "{} goes on", goes.escape_ascii());
    let again = telemetry::extract(&written);
    assert_eq!(again.span().span_context(), trace.span().span_context(), "it changes at every hop");
}

/// A bearer token, from a peer: nothing that no key has signed is taken, whatever it says and at whatever time.
///
/// It is also taken as the claims and the signature behind a header that fits, so that mutations get as far as the signature.
pub fn token(text: &[u8]) {
    static KEY: LazyLock<(SigningKey, Verifier)> = LazyLock::new(|| {
        let key = SigningKey::generate().expect("a key");
        let verifier = Verifier::new(&[key.public()], "souk");
        (key, verifier)
    });
    let (key, verifier) = &*KEY;
    let text = String::from_utf8_lossy(text);
    let now_s = text.bytes().fold(0_u64, |sum, byte| sum << 8 | u64::from(byte));
    let header = format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, key.public().id());
    let signed_by_nobody = format!("{}.{text}", encoded(&header));
    for token in [&*text, &signed_by_nobody] {
        let refused = verifier.verify(token, now_s).expect_err("a token that nobody signed was taken");
        assert!(matches!(refused, Refusal::Invalid(_)), "{refused:?} of what nobody signed");
    }
    // The subject is anybody's words; they come out as they went in, or nothing is signed.
    let (role, audience) = ("operator".to_owned(), "souk".to_owned());
    let grant = Grant { subject: text.into_owned(), role, audience, lifetime: Duration::from_secs(60) };
    if let Ok(token) = key.sign_at(&grant, 1_800_000_000) {
        let caller = verifier.verify(&token, 1_800_000_000).expect("what was signed is taken");
        assert_eq!((&*caller.subject, caller.principal.as_str()), (&*grant.subject, "role:operator"));
    }
}

fn encoded(text: &str) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text)
}

fn is_end(byte: &u8) -> bool {
    *byte == b'\n'
}

#[cfg(test)]
mod tests {
    use test_fuzz::Target;

    const fn target(name: &'static str, function: fn(&[u8])) -> Target {
        Target { crate_folder: env!("CARGO_MANIFEST_DIR"), name, function }
    }

    #[test]
    fn no_timeout_grows_on_its_way() {
        target("grpc_timeout", super::grpc_timeout).run();
    }

    #[test]
    fn no_address_is_read_as_another_one() {
        target("address", super::address).run();
    }

    #[test]
    fn no_status_loses_its_code_or_is_too_long_for_a_peer() {
        target("status", super::status).run();
    }

    #[test]
    fn no_trace_becomes_another_one() {
        target("trace", super::trace).run();
    }

    #[test]
    fn no_token_is_taken_that_nobody_signed() {
        target("token", super::token).run();
    }

    #[test]
    fn no_bytes_of_a_peer_keep_a_connection_or_reach_a_handler_that_they_should_not() {
        target("connection", super::connection).run();
    }
}

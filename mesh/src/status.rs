//! gRPC statuses as they stand in headers and trailers.

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body::Frame;
use tonic::{Code, Status};

use crate::Body;

static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
static MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
static DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// The code in a header or trailer block, where there is one.
pub(crate) fn code_of(headers: &HeaderMap) -> Option<Code> {
    headers.get(&GRPC_STATUS).map(|value| Code::from_bytes(value.as_bytes()))
}

/// A response that is nothing but a status (a "trailers-only" response).
pub(crate) fn response_of(status: &Status) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    write(status, response.headers_mut());
    response
}

/// The last frame of a body that has to end with `status`.
pub(crate) fn trailers_of(status: &Status) -> Frame<Bytes> {
    let mut trailers = HeaderMap::with_capacity(3);
    write(status, &mut trailers);
    Frame::trailers(trailers)
}

fn write(status: &Status, headers: &mut HeaderMap) {
    // Only a message that cannot be a header value fails, and tonic percent-encodes it; the code must arrive anyway.
    if status.add_header(headers).is_err() {
        headers.insert(&GRPC_STATUS, HeaderValue::from(status.code() as i32));
    }
}

/// The most bytes that the status of an answer has in headers. A peer that limits header blocks (16 KiB in this mesh, 8 KiB
/// in others) resets the stream at a longer one, and h2 ends the whole connection at one that is much longer.
const STATUS_BYTES_MAX: usize = 6 * 1024;

/// How tonic begins its message where a message of the caller's is too long, as it stands in a header.
const TOO_LONG: &[u8] = b"Error,%20decoded%20message%20length%20too%20large";

/// The code in a block of our own, whose status is shortened where no peer would read it.
///
/// A message that was too long is RESOURCE_EXHAUSTED (grpc/doc/statuscodes.md), for which tonic 0.14 has OUT_OF_RANGE.
pub(crate) fn bounded_code_of(headers: &mut HeaderMap) -> Option<Code> {
    let mut code = code_of(headers);
    if code == Some(Code::OutOfRange) && headers.get(&MESSAGE).is_some_and(|text| text.as_bytes().starts_with(TOO_LONG))
    {
        code = Some(Code::ResourceExhausted);
        headers.insert(&GRPC_STATUS, HeaderValue::from(Code::ResourceExhausted as i32));
    }
    // A success has nothing to say.
    if code.is_some_and(|code| code != Code::Ok) {
        bound(headers);
    }
    code
}

fn bound(headers: &mut HeaderMap) {
    let length = |name| headers.get(name).map_or(0, HeaderValue::len);
    let (message, details) = (length(&MESSAGE), length(&DETAILS));
    if message + details <= STATUS_BYTES_MAX {
        return;
    }
    if details > STATUS_BYTES_MAX / 2 {
        headers.remove(&DETAILS);
    }
    if message > STATUS_BYTES_MAX / 2
        && let Some(long) = headers.remove(&MESSAGE)
    {
        set_message(headers, beginning(&String::from_utf8_lossy(&unescaped(long.as_bytes())), STATUS_BYTES_MAX / 2));
    }
}

/// As much of a text as takes at most `bytes_max` once it is escaped.
fn beginning(text: &str, bytes_max: usize) -> &str {
    // At most three bytes for one, whatever the escaping leaves as it is.
    let mut left = bytes_max;
    let end = text.char_indices().find(|(_, char)| {
        let bytes = if char.is_ascii_alphanumeric() { 1 } else { 3 * char.len_utf8() };
        left.checked_sub(bytes).map(|rest| left = rest).is_none()
    });
    end.map_or(text, |(end, _)| &text[..end])
}

/// The bytes that a `grpc-message` stands for (gRPC over HTTP/2, *Percent-Encoded*): what is no escape stands for itself.
fn unescaped(message: &[u8]) -> Vec<u8> {
    let digit = |at: usize| message.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    let (mut bytes, mut at) = (Vec::with_capacity(message.len()), 0);
    while let Some(byte) = message.get(at) {
        let escape = (*byte == b'%').then(|| Some((digit(at + 1)? << 4) | digit(at + 2)?)).flatten();
        bytes.push(escape.and_then(|escape| u8::try_from(escape).ok()).unwrap_or(*byte));
        at += if escape.is_some() { 3 } else { 1 };
    }
    bytes
}

/// Puts a message into a block, escaped as tonic does it.
fn set_message(headers: &mut HeaderMap, text: &str) {
    let mut escaped = HeaderMap::with_capacity(2);
    // What cannot be a header value is left out: the code must arrive anyway.
    if Status::new(Code::Unknown, text).add_header(&mut escaped).is_ok()
        && let Some(message) = escaped.remove(&MESSAGE)
    {
        headers.insert(&MESSAGE, message);
    }
}

/// Makes a peer's status readable, whatever stands beside its code: tonic 0.14 panics at details that are not base64, and
/// for a message that is not UTF-8 it gives up the code, which the specification forbids.
pub(crate) fn repair(headers: &mut HeaderMap) {
    strip_invalid_details(headers);
    let Some(message) = headers.get(&MESSAGE).map(HeaderValue::as_bytes) else { return };
    if message.is_ascii() && !message.contains(&b'%') {
        return;
    }
    let bytes = unescaped(message);
    if std::str::from_utf8(&bytes).is_err() {
        headers.remove(&MESSAGE);
        set_message(headers, &String::from_utf8_lossy(&bytes));
    }
}

/// Removes `grpc-status-details-bin` where it is not base64.
fn strip_invalid_details(headers: &mut HeaderMap) {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let invalid = headers.get(&DETAILS).is_some_and(|value| LENIENT.decode(value.as_bytes()).is_err());
    if invalid {
        headers.remove(&DETAILS);
    }
}

/// The upstream's failure as this service may tell it to its own caller: the code, the message and the details, without
/// the upstream's metadata, which `?` on a tonic `Status` would forward.
#[must_use]
pub fn sanitised(status: &Status) -> Status {
    Status::with_details(status.code(), status.message(), Bytes::copy_from_slice(status.details()))
}

/// The name of a code as metrics and spans write it (gRFC A66): `OK`, `NOT_FOUND`, ….
#[must_use]
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_the_applications_own_is_none_of_a_message_that_was_too_long() {
        let too_long = "Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes";
        for (text, code) in [(too_long, Code::ResourceExhausted), ("page_token: beyond the end", Code::OutOfRange)] {
            let mut headers = HeaderMap::new();
            write(&Status::out_of_range(text), &mut headers);
            assert_eq!(bounded_code_of(&mut headers), Some(code), "{text}");
            let status = Status::from_header_map(&headers).unwrap();
            assert_eq!((status.code(), status.message()), (code, text));
        }
    }

    #[test]
    fn details_that_are_not_base64_are_dropped_and_the_status_survives() {
        let mut headers = HeaderMap::new();
        headers.insert(&GRPC_STATUS, HeaderValue::from_static("5"));
        headers.insert(&DETAILS, HeaderValue::from_static("%%%"));
        strip_invalid_details(&mut headers);
        assert_eq!(Status::from_header_map(&headers).unwrap().code(), Code::NotFound);
    }

    #[test]
    fn a_message_that_is_not_utf8_costs_its_strange_bytes_and_not_the_code() {
        for (sent, read) in [("caf%C3%A9 %e9", "café \u{fffd}"), ("100%25 of %zz", "100% of %zz"), ("plain", "plain")]
        {
            let mut headers = HeaderMap::new();
            headers.insert(&GRPC_STATUS, HeaderValue::from_static("5"));
            headers.insert(&MESSAGE, HeaderValue::from_static(sent));
            repair(&mut headers);
            let status = Status::from_header_map(&headers).unwrap();
            assert_eq!((status.code(), status.message()), (Code::NotFound, read));
        }
    }

    #[test]
    fn details_with_or_without_padding_are_kept() {
        for value in ["CAUSAA", "CAUSAA=="] {
            let mut headers = HeaderMap::new();
            headers.insert(&DETAILS, HeaderValue::from_static(value));
            strip_invalid_details(&mut headers);
            assert!(headers.contains_key(&DETAILS), "{value}");
        }
    }
}

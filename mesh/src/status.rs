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

/// The code in a block of our own, whose status is shortened where no peer would read it.
pub(crate) fn bounded_code_of(headers: &mut HeaderMap) -> Option<Code> {
    let code = code_of(headers);
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
        && let Some(long) = headers.get(&MESSAGE)
    {
        let mut end = STATUS_BYTES_MAX / 2;
        let bytes = long.as_bytes();
        // Neither in the middle of an escape nor of a character: without its last bytes tonic takes none of the message.
        if let Some(cut) = (end - 2..end).find(|at| bytes[*at] == b'%') {
            end = cut;
        }
        while let Some(byte) = escaped(&bytes[..end]).filter(|byte| *byte >= 0x80) {
            end -= 3;
            if byte >= 0xc0 {
                break;
            }
        }
        if let Ok(short) = HeaderValue::from_bytes(&long.as_bytes()[..end]) {
            headers.insert(&MESSAGE, short);
        }
    }
}

/// The byte that an escape (`%C2`) at the end stands for.
fn escaped(text: &[u8]) -> Option<u8> {
    let (_, escape) = text.split_at_checked(text.len().checked_sub(3)?)?;
    let hex = std::str::from_utf8(escape.strip_prefix(b"%")?).ok()?;
    u8::from_str_radix(hex, 16).ok()
}

/// Removes `grpc-status-details-bin` where it is not base64: tonic 0.14 panics on it in `Status::from_header_map`.
pub(crate) fn strip_invalid_details(headers: &mut HeaderMap) {
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
    fn details_that_are_not_base64_are_dropped_and_the_status_survives() {
        let mut headers = HeaderMap::new();
        headers.insert(&GRPC_STATUS, HeaderValue::from_static("5"));
        headers.insert(&DETAILS, HeaderValue::from_static("%%%"));
        strip_invalid_details(&mut headers);
        assert_eq!(Status::from_header_map(&headers).unwrap().code(), Code::NotFound);
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

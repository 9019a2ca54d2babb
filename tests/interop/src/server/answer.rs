//! What a request asks the answer to be.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue};
use mesh::{Peer, identity::Transport};
use prost::Message as _;
use tonic::{Code, Request, Response, Status, metadata::MetadataMap};

use super::wire::Came;
use crate::{
    ECHO_INITIAL, ECHO_TRAILING, LOAD_TRAILER,
    frames::Flags,
    pb::{
        BoolValue, EchoStatus, Payload, PayloadType, ResponseParameters, StreamingOutputCallRequest,
        StreamingOutputCallResponse, TestOrcaReport,
    },
    report_of,
};

/// The most bytes that a payload may be asked to have. 64 MiB.
const PAYLOAD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Zeros of the size that is asked for.
pub(super) fn payload(kind: i32, size: i32) -> Result<Payload, Status> {
    let kind =
        PayloadType::try_from(kind).map_err(|_| Status::invalid_argument("response_type: there is no such payload"))?;
    let size = usize::try_from(size).ok().filter(|size| *size <= PAYLOAD_BYTES_MAX);
    let size = size.ok_or_else(|| Status::invalid_argument(format!("a payload has 0 to {PAYLOAD_BYTES_MAX} bytes")))?;
    Ok(Payload { r#type: kind.into(), body: Bytes::from(vec![0; size]) })
}

/// The status that a request asks for, where it is none of success.
pub(super) fn refused(asked: Option<EchoStatus>) -> Result<(), Status> {
    match asked {
        Some(EchoStatus { code, message }) if code != 0 => Err(Status::new(Code::from_i32(code), message)),
        _ => Ok(()),
    }
}

/// Refuses a message that came otherwise than it says.
pub(super) fn compressed_as_expected(expected: Option<BoolValue>, came: &Flags) -> Result<(), Status> {
    let compressed = came.pop().unwrap_or(false);
    match expected {
        Some(BoolValue { value }) if value != compressed => {
            Err(Status::invalid_argument(format!("expect_compressed: {value}, but the message came otherwise")))
        }
        _ => Ok(()),
    }
}

/// The flags of a request's messages.
pub(super) fn came<T>(request: &Request<T>) -> Flags {
    request.extensions().get().map(|Came(flags)| flags.clone()).unwrap_or_default()
}

/// From where a call came.
pub(super) fn peer_of<T>(request: &Request<T>) -> String {
    match request.extensions().get::<Peer>().map(|peer| peer.transport) {
        Some(Transport::Tcp(address)) => address.to_string(),
        Some(Transport::Unix) => "unix".to_owned(),
        Some(Transport::InProcess) | None => String::new(),
    }
}

/// Sends the headers back that ask for it.
pub(super) fn echo<T>(asked: &MetadataMap, answer: &mut Response<T>) {
    if let Some(value) = asked.get(ECHO_INITIAL) {
        answer.metadata_mut().insert(ECHO_INITIAL, value.clone());
    }
}

/// The trailers that a request asks for by its headers and by a report.
pub(super) fn trailers(asked: &MetadataMap, report: Option<TestOrcaReport>) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if let Some(value) = asked.get_bin(ECHO_TRAILING).and_then(|value| value.to_bytes().ok()) {
        put(&mut trailers, ECHO_TRAILING, &value);
    }
    if let Some(report) = report {
        put(&mut trailers, LOAD_TRAILER, &report_of(report).encode_to_vec());
    }
    trailers
}

fn put(trailers: &mut HeaderMap, name: &'static str, value: &[u8]) {
    let encoded = tonic::metadata::BinaryMetadataValue::from_bytes(value);
    if let Ok(value) = HeaderValue::from_bytes(encoded.as_encoded_bytes()) {
        trailers.insert(HeaderName::from_static(name), value);
    }
}

/// The answers that a request asks for, each after its interval; their flags are in `compressed` before they are out.
pub(super) fn answers(
    request: StreamingOutputCallRequest,
    peer: String,
    compressed: Flags,
) -> impl Stream<Item = Result<StreamingOutputCallResponse, Status>> + Send {
    let kind = request.response_type;
    stream::iter(request.response_parameters).then(move |asked| {
        let (peer, compressed) = (peer.clone(), compressed.clone());
        async move {
            let ResponseParameters { size, interval_us, compressed: compress, fill_peer_socket_address } = asked;
            if let Ok(interval @ 1..) = u64::try_from(interval_us) {
                tokio::time::sleep(Duration::from_micros(interval)).await;
            }
            let payload = Some(payload(kind, size)?);
            compressed.push(compress.is_some_and(|compress| compress.value));
            let peer_socket_address =
                if fill_peer_socket_address.is_some_and(|fill| fill.value) { peer } else { String::new() };
            Ok(StreamingOutputCallResponse { payload, peer_socket_address })
        }
    })
}

//! One request, one answer.

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tonic::{
    Request,
    metadata::{MetadataMap, MetadataValue},
};

use super::{Client, Subject};
use crate::{
    ECHO_INITIAL, ECHO_TRAILING,
    pb::{Empty, Payload, PayloadType, ResponseParameters, SimpleRequest, StreamingOutputCallRequest},
};

/// The sizes of a large call.
pub(super) const LARGE_REQUEST: usize = 271_828;
pub(super) const LARGE_ANSWER: i32 = 314_159;

/// A payload of zeros.
pub(super) fn zeros(size: usize) -> Option<Payload> {
    Some(Payload { r#type: PayloadType::Compressable.into(), body: Bytes::from(vec![0; size]) })
}

/// A request of the large size for an answer of the large size.
pub(super) fn large_request() -> SimpleRequest {
    SimpleRequest { response_size: LARGE_ANSWER, payload: zeros(LARGE_REQUEST), ..SimpleRequest::default() }
}

/// An answer's payload has this many zeros.
pub(super) fn ensure_zeros(payload: Option<&Payload>, size: i32) -> Result<()> {
    let payload = payload.context("the answer has no payload")?;
    ensure!(payload.r#type() == PayloadType::Compressable, "the payload is of type {}", payload.r#type);
    ensure!(i32::try_from(payload.body.len()) == Ok(size), "the payload has {} bytes, not {size}", payload.body.len());
    ensure!(payload.body.iter().all(|byte| *byte == 0), "the payload is not all zeros");
    Ok(())
}

pub(super) async fn empty(subject: &Subject) -> Result<()> {
    subject.client()?.empty_call(Empty {}).await.context("EmptyCall")?;
    Ok(())
}

pub(super) async fn large(subject: &Subject) -> Result<()> {
    large_call(&mut subject.client()?).await
}

pub(super) async fn large_call(client: &mut Client) -> Result<()> {
    let answer = client.unary_call(large_request()).await.context("UnaryCall")?;
    ensure_zeros(answer.get_ref().payload.as_ref(), LARGE_ANSWER)
}

/// A thousand large calls at once on one channel. They share two connections, so the last one waits for the others; its
/// deadline is the case's, not the usual one.
pub(super) async fn concurrent_large(subject: &Subject) -> Result<()> {
    let client = subject.client()?;
    let payload = zeros(LARGE_REQUEST);
    let calls = (0..subject.amount.concurrent_calls).map(|_| {
        let mut client = client.clone();
        let mut request = Request::new(SimpleRequest { payload: payload.clone(), ..large_request_without_payload() });
        request.set_timeout(super::CASE_LIMIT);
        async move {
            let answer = client.unary_call(request).await.context("UnaryCall")?;
            ensure_zeros(answer.get_ref().payload.as_ref(), LARGE_ANSWER)
        }
    });
    stream::iter(calls).buffer_unordered(subject.amount.concurrent_calls).try_collect().await
}

fn large_request_without_payload() -> SimpleRequest {
    SimpleRequest { response_size: LARGE_ANSWER, ..SimpleRequest::default() }
}

const INITIAL: &str = "test_initial_metadata_value";
const TRAILING: &[u8] = &[0xab, 0xab, 0xab];

pub(super) async fn custom_metadata(subject: &Subject) -> Result<()> {
    let mut client = subject.client()?;
    let answer = client.unary_call(with_metadata(large_request())?).await.context("UnaryCall")?;
    ensure_zeros(answer.get_ref().payload.as_ref(), LARGE_ANSWER)?;
    // Of a single answer tonic puts the trailers among the headers.
    ensure_initial(answer.metadata()).context("UnaryCall")?;
    ensure_trailing(answer.metadata()).context("UnaryCall")?;

    let asked = StreamingOutputCallRequest {
        response_parameters: vec![ResponseParameters { size: LARGE_ANSWER, ..ResponseParameters::default() }],
        payload: zeros(LARGE_REQUEST),
        ..StreamingOutputCallRequest::default()
    };
    let answers = client.full_duplex_call(with_metadata(stream::iter([asked]))?).await.context("FullDuplexCall")?;
    ensure_initial(answers.metadata()).context("FullDuplexCall")?;
    ensure!(answers.metadata().get_bin(ECHO_TRAILING).is_none(), "the trailing metadata came in the headers");
    let mut answers = answers.into_inner();
    let answer = answers.message().await?.context("FullDuplexCall has no answer")?;
    ensure_zeros(answer.payload.as_ref(), LARGE_ANSWER)?;
    ensure!(answers.message().await?.is_none(), "FullDuplexCall has a second answer");
    let trailers = answers.trailers().await?.context("FullDuplexCall has no trailers")?;
    ensure_trailing(&trailers).context("FullDuplexCall")
}

fn with_metadata<T>(message: T) -> Result<Request<T>> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(ECHO_INITIAL, INITIAL.parse()?);
    request.metadata_mut().insert_bin(ECHO_TRAILING, MetadataValue::from_bytes(TRAILING));
    Ok(request)
}

fn ensure_initial(metadata: &MetadataMap) -> Result<()> {
    let values: Vec<_> = metadata.get_all(ECHO_INITIAL).iter().collect();
    ensure!(values == [INITIAL], "{ECHO_INITIAL} came back as {values:?}");
    Ok(())
}

fn ensure_trailing(metadata: &MetadataMap) -> Result<()> {
    let values: Vec<_> = metadata.get_all_bin(ECHO_TRAILING).iter().map(|value| value.to_bytes()).collect();
    ensure!(matches!(&values[..], [Ok(value)] if *value == TRAILING), "{ECHO_TRAILING} came back as {values:?}");
    Ok(())
}

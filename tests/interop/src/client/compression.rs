//! Which messages are compressed, as their flags on the wire say.

use anyhow::{Context as _, Result, ensure};
use futures_util::stream;
use tonic::{Code, Request, codec::CompressionEncoding};

use super::{
    Client, Subject,
    unary::{LARGE_ANSWER, ensure_zeros, large_request, zeros},
    wire::{Came, Going},
};
use crate::{
    frames::Flags,
    pb::{
        BoolValue, ResponseParameters, SimpleRequest, StreamingInputCallRequest, StreamingOutputCallRequest,
        StreamingOutputCallResponse,
    },
};

fn client(subject: &Subject) -> Result<Client> {
    Ok(subject.client()?.accept_compressed(CompressionEncoding::Gzip))
}

/// Whether a message has to come compressed, or an answer has to go so.
fn told(value: bool) -> Option<BoolValue> {
    Some(BoolValue { value })
}

/// A server that does not look at its messages' flags would let everything below pass.
fn ensure_probed<T>(probe: Result<T, tonic::Status>) -> Result<()> {
    let code = probe.err().map_or(Code::Ok, |status| status.code());
    ensure!(code == Code::InvalidArgument, "the probe (expect_compressed of a message that is not) got {code:?}");
    Ok(())
}

pub(super) async fn client_unary(subject: &Subject) -> Result<()> {
    let request = |expected| SimpleRequest { expect_compressed: told(expected), ..large_request() };
    let mut plain = client(subject)?;
    ensure_probed(plain.unary_call(request(true)).await)?;
    let mut compressing = plain.clone().send_compressed(CompressionEncoding::Gzip);
    let answer = compressing.unary_call(request(true)).await.context("UnaryCall, compressed")?;
    ensure_zeros(answer.get_ref().payload.as_ref(), LARGE_ANSWER)?;
    let answer = plain.unary_call(request(false)).await.context("UnaryCall, not compressed")?;
    ensure_zeros(answer.get_ref().payload.as_ref(), LARGE_ANSWER)
}

pub(super) async fn server_unary(subject: &Subject) -> Result<()> {
    let mut client = client(subject)?;
    for compressed in [true, false] {
        let (came, mut request) = (Came::default(), Request::new(large_request()));
        request.get_mut().response_compressed = told(compressed);
        request.extensions_mut().insert(came.clone());
        let answer = client.unary_call(request).await.context("UnaryCall")?;
        ensure_zeros(answer.get_ref().payload.as_ref(), LARGE_ANSWER)?;
        ensure_flags(&came, &[compressed])?;
    }
    Ok(())
}

pub(super) async fn client_streaming(subject: &Subject) -> Result<()> {
    let piece = |size, expected| StreamingInputCallRequest { payload: zeros(size), expect_compressed: told(expected) };
    let mut client = client(subject)?;
    ensure_probed(client.streaming_input_call(stream::iter([piece(27_182, true)])).await)?;
    let mut request = Request::new(stream::iter([piece(27_182, true), piece(45_904, false)]));
    request.extensions_mut().insert(Going(Flags::of([true, false])));
    let answer = client.streaming_input_call(request).await.context("StreamingInputCall")?;
    let sum = answer.get_ref().aggregated_payload_size;
    ensure!(sum == 73_086, "the payloads were {sum} bytes, not 73086");
    Ok(())
}

pub(super) async fn server_streaming(subject: &Subject) -> Result<()> {
    let asked = [(31_415, true), (92_653, false)];
    let parameters = asked.map(|(size, compressed)| ResponseParameters {
        size,
        compressed: told(compressed),
        ..ResponseParameters::default()
    });
    let (came, mut request) = (Came::default(), Request::new(StreamingOutputCallRequest::default()));
    request.get_mut().response_parameters = parameters.to_vec();
    request.extensions_mut().insert(came.clone());
    let mut answers =
        client(subject)?.streaming_output_call(request).await.context("StreamingOutputCall")?.into_inner();
    for (size, _) in asked {
        let answer: StreamingOutputCallResponse = answers.message().await?.context("an answer is missing")?;
        ensure_zeros(answer.payload.as_ref(), size)?;
    }
    ensure!(answers.message().await?.is_none(), "there is a third answer");
    ensure_flags(&came, &[true, false])
}

fn ensure_flags(Came(came): &Came, expected: &[bool]) -> Result<()> {
    let came = came.all();
    ensure!(came == expected, "the compressed flags of the answers were {came:?}, not {expected:?}");
    Ok(())
}

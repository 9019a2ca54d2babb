//! Calls with more than one message in either direction.

use anyhow::{Context as _, Result, ensure};
use futures_util::stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    Subject,
    unary::{ensure_zeros, zeros},
};
use crate::pb::{ResponseParameters, StreamingInputCallRequest, StreamingOutputCallRequest};

const REQUESTS: [usize; 4] = [27_182, 8, 1_828, 45_904];
const ANSWERS: [i32; 4] = [31_415, 9, 2_653, 58_979];

/// Answers of these sizes.
fn asked(sizes: &[i32]) -> Vec<ResponseParameters> {
    sizes.iter().map(|size| ResponseParameters { size: *size, ..ResponseParameters::default() }).collect()
}

pub(super) async fn client(subject: &Subject) -> Result<()> {
    let pieces = REQUESTS.map(|size| StreamingInputCallRequest { payload: zeros(size), expect_compressed: None });
    let answer = subject.client()?.streaming_input_call(stream::iter(pieces)).await.context("StreamingInputCall")?;
    let sum = answer.get_ref().aggregated_payload_size;
    ensure!(sum == 74_922, "the payloads were {sum} bytes, not 74922");
    Ok(())
}

pub(super) async fn server(subject: &Subject) -> Result<()> {
    let request =
        StreamingOutputCallRequest { response_parameters: asked(&ANSWERS), ..StreamingOutputCallRequest::default() };
    let mut answers =
        subject.client()?.streaming_output_call(request).await.context("StreamingOutputCall")?.into_inner();
    for size in ANSWERS {
        let answer = answers.message().await?.with_context(|| format!("no answer of {size} bytes"))?;
        ensure_zeros(answer.payload.as_ref(), size)?;
    }
    ensure!(answers.message().await?.is_none(), "there is a fifth answer");
    Ok(())
}

pub(super) async fn ping_pong(subject: &Subject) -> Result<()> {
    let (sender, requests) = mpsc::channel(1);
    let mut rounds = REQUESTS.into_iter().zip(ANSWERS);
    let ping = |(size, answer)| StreamingOutputCallRequest {
        response_parameters: asked(&[answer]),
        payload: zeros(size),
        ..StreamingOutputCallRequest::default()
    };
    // The first one before the call: a server may send headers no earlier than its first answer.
    let mut round = rounds.next();
    if let Some(first) = round {
        sender.send(ping(first)).await?;
    }
    let answers = subject.client()?.full_duplex_call(ReceiverStream::new(requests)).await.context("FullDuplexCall")?;
    let mut answers = answers.into_inner();
    while let Some((_, size)) = round {
        let answer = answers.message().await?.with_context(|| format!("no answer of {size} bytes"))?;
        ensure_zeros(answer.payload.as_ref(), size)?;
        round = rounds.next();
        if let Some(next) = round {
            sender.send(ping(next)).await?;
        }
    }
    drop(sender);
    ensure!(answers.message().await?.is_none(), "there is a fifth answer");
    Ok(())
}

pub(super) async fn empty(subject: &Subject) -> Result<()> {
    let answers = subject.client()?.full_duplex_call(stream::empty()).await.context("FullDuplexCall")?;
    ensure!(answers.into_inner().message().await?.is_none(), "there is an answer to nothing");
    Ok(())
}

/// HalfDuplexCall, which no case of gRPC's calls any more: the server answers all requests once the last one is there.
pub(super) async fn half_duplex(subject: &Subject) -> Result<()> {
    let requests = REQUESTS.into_iter().zip(ANSWERS).map(|(size, answer)| StreamingOutputCallRequest {
        response_parameters: asked(&[answer]),
        payload: zeros(size),
        ..StreamingOutputCallRequest::default()
    });
    let requests: Vec<_> = requests.collect();
    let answers = subject.client()?.half_duplex_call(stream::iter(requests)).await.context("HalfDuplexCall")?;
    let mut answers = answers.into_inner();
    for size in ANSWERS {
        let answer = answers.message().await?.with_context(|| format!("no answer of {size} bytes"))?;
        ensure_zeros(answer.payload.as_ref(), size)?;
    }
    ensure!(answers.message().await?.is_none(), "there is a fifth answer");
    Ok(())
}

//! Calls that their caller gives up, by dropping them or by their deadline.
//!
//! A call that is dropped has nobody left to tell its status to; the mesh has it in its record, which is looked at here. That
//! the channel is as good as before is part of each case.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::{StreamExt as _, stream};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request};

use super::{
    Client, Subject,
    unary::{ensure_zeros, zeros},
};
use crate::pb::{Empty, ResponseParameters, StreamingInputCallRequest, StreamingOutputCallRequest};

fn ensure_recorded(subject: &Subject, method: &str, before: u64) -> Result<()> {
    let cancelled = subject.recorded(method, "CANCELLED") - before;
    ensure!(cancelled == 1, "{cancelled} calls of {method} are recorded as CANCELLED");
    Ok(())
}

async fn ensure_usable(client: &mut Client) -> Result<()> {
    client.empty_call(Empty {}).await.context("EmptyCall on the same channel, afterwards")?;
    Ok(())
}

pub(super) async fn after_begin(subject: &Subject) -> Result<()> {
    let mut client = subject.client()?;
    let before = subject.recorded("StreamingInputCall", "CANCELLED");
    let (begun, has_begun) = oneshot::channel();
    // It is asked for its first message once the headers are out, and never has one.
    let mut begun = Some(begun);
    let requests = stream::poll_fn(move |_| {
        let _nobody_waits = begun.take().is_some_and(|begun| begun.send(()).is_err());
        std::task::Poll::<Option<StreamingInputCallRequest>>::Pending
    });
    {
        let call = client.streaming_input_call(requests);
        tokio::select! {
            outcome = call => anyhow::bail!("the call ended by itself: {outcome:?}"),
            begun = has_begun => begun.context("the call was given up by the channel")?,
        }
    }
    ensure_recorded(subject, "StreamingInputCall", before)?;
    ensure_usable(&mut client).await
}

pub(super) async fn after_first_response(subject: &Subject) -> Result<()> {
    let mut client = subject.client()?;
    let before = subject.recorded("FullDuplexCall", "CANCELLED");
    let (sender, requests) = mpsc::channel(1);
    let request = StreamingOutputCallRequest {
        response_parameters: vec![ResponseParameters { size: 31_415, ..ResponseParameters::default() }],
        payload: zeros(27_182),
        ..StreamingOutputCallRequest::default()
    };
    sender.send(request).await?;
    let answers = client.full_duplex_call(ReceiverStream::new(requests)).await.context("FullDuplexCall")?;
    let mut answers = answers.into_inner();
    let answer = answers.message().await?.context("there is no answer")?;
    ensure_zeros(answer.payload.as_ref(), 31_415)?;
    drop(answers);
    ensure_recorded(subject, "FullDuplexCall", before)?;
    // What the caller could still send goes nowhere.
    sender.closed().await;
    ensure_usable(&mut client).await
}

pub(super) async fn timeout_on_sleeping_server(subject: &Subject) -> Result<()> {
    let mut client = subject.client()?;
    let asked = StreamingOutputCallRequest { payload: zeros(27_182), ..StreamingOutputCallRequest::default() };
    // It is never half-closed, so a server that does not know the deadline waits for ever.
    let mut request = Request::new(stream::iter([asked]).chain(stream::pending()));
    request.set_timeout(Duration::from_millis(1));
    let outcome = match client.full_duplex_call(request).await {
        Ok(answers) => answers.into_inner().message().await.map(|answer| answer.is_some()),
        Err(status) => Err(status),
    };
    let code = outcome.err().map_or(Code::Ok, |status| status.code());
    ensure!(code == Code::DeadlineExceeded, "the call ended with {code:?}");
    ensure_usable(&mut client).await
}

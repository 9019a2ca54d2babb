//! Statuses other than OK, as they come back.

use anyhow::{Context as _, Result, ensure};
use futures_util::stream;
use http::uri::PathAndQuery;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::{Subject, unary::zeros};
use crate::pb::{
    EchoStatus, Empty, SimpleRequest, StreamingOutputCallRequest,
    unimplemented_service_client::UnimplementedServiceClient,
};

const MESSAGE: &str = "test status message";
const SPECIAL_MESSAGE: &str = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";

fn unknown(message: &str) -> Option<EchoStatus> {
    Some(EchoStatus { code: Code::Unknown.into(), message: message.to_owned() })
}

fn ensure_status<T>(outcome: Result<T, Status>, code: Code, message: Option<&str>) -> Result<()> {
    let status = outcome.err().context("the call succeeded")?;
    ensure!(status.code() == code, "the status is {:?} ({:?}), not {code:?}", status.code(), status.message());
    let as_sent = message.is_none_or(|message| status.message() == message);
    ensure!(as_sent, "the message came back as {:?}", status.message());
    Ok(())
}

pub(super) async fn code_and_message(subject: &Subject) -> Result<()> {
    let mut client = subject.client()?;
    let request = SimpleRequest { response_status: unknown(MESSAGE), ..SimpleRequest::default() };
    ensure_status(client.unary_call(request).await, Code::Unknown, Some(MESSAGE)).context("UnaryCall")?;
    let request =
        StreamingOutputCallRequest { response_status: unknown(MESSAGE), ..StreamingOutputCallRequest::default() };
    let outcome = match client.full_duplex_call(stream::iter([request])).await {
        Ok(answers) => answers.into_inner().message().await,
        Err(status) => Err(status),
    };
    ensure_status(outcome, Code::Unknown, Some(MESSAGE)).context("FullDuplexCall")
}

pub(super) async fn special_message(subject: &Subject) -> Result<()> {
    let request = SimpleRequest { response_status: unknown(SPECIAL_MESSAGE), ..SimpleRequest::default() };
    ensure_status(subject.client()?.unary_call(request).await, Code::Unknown, Some(SPECIAL_MESSAGE))
}

/// A message of 5 MB, where a server takes 4 MiB unless it is told otherwise, is RESOURCE_EXHAUSTED in every implementation.
pub(super) async fn message_too_large(subject: &Subject) -> Result<()> {
    let mut client = subject.client()?;
    let request = SimpleRequest { payload: zeros(5_000_000), ..SimpleRequest::default() };
    ensure_status(client.unary_call(request).await, Code::ResourceExhausted, None)?;
    client.empty_call(Empty {}).await.context("EmptyCall on the same channel, afterwards")?;
    Ok(())
}

/// The method is in no contract here either, so the client that calls it is none that was generated.
pub(super) async fn unimplemented_method(subject: &Subject) -> Result<()> {
    let mut client = tonic::client::Grpc::new(subject.channel()?);
    client.ready().await?;
    let path = PathAndQuery::from_static("/grpc.testing.TestService/UnimplementedCall");
    let outcome = client.unary(Request::new(Empty {}), path, ProstCodec::<Empty, Empty>::default()).await;
    ensure_status(outcome, Code::Unimplemented, None)
}

pub(super) async fn unimplemented_service(subject: &Subject) -> Result<()> {
    let mut client = UnimplementedServiceClient::new(subject.channel()?);
    ensure_status(client.unimplemented_call(Empty {}).await, Code::Unimplemented, None)
}

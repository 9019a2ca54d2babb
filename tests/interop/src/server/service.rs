//! `grpc.testing.TestService`.

use std::pin::Pin;

use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};

use super::{
    answer::{answers, came, compressed_as_expected, echo, payload, peer_of, refused, trailers},
    wire::Going,
};
use crate::{
    OrcaLoadReport,
    frames::Flags,
    pb::{
        Empty, SimpleRequest, SimpleResponse, StreamingInputCallRequest, StreamingInputCallResponse,
        StreamingOutputCallRequest, StreamingOutputCallResponse, test_service_server::TestService,
    },
    report_of,
};

/// The most requests that a half-duplex call may have: they are kept until the last one is there.
const REQUESTS_KEPT_MAX: usize = 1_000;

/// Does what each request asks for.
#[derive(Debug)]
pub(super) struct TestServer {
    id: String,
    load: watch::Sender<OrcaLoadReport>,
}

/// The answers of a stream.
type Answers = Pin<Box<dyn Stream<Item = Result<StreamingOutputCallResponse, Status>> + Send>>;

impl TestServer {
    /// A server of this id, which tells those that watch `load` what it is told to tell them.
    pub(super) fn new(id: String, load: watch::Sender<OrcaLoadReport>) -> Self {
        Self { id, load }
    }
}

/// An answer of a stream whose messages are compressed one by one.
fn streamed(asked: &MetadataMap, answers: Answers, compressed: Flags) -> Response<Answers> {
    let mut answer = Response::new(answers);
    echo(asked, &mut answer);
    answer.extensions_mut().insert(Going { compressed, trailers: trailers(asked, None) });
    answer
}

#[tonic::async_trait]
impl TestService for TestServer {
    async fn empty_call(&self, _request: Request<Empty>) -> Result<Response<Empty>, Status> {
        Ok(Response::new(Empty {}))
    }

    async fn unary_call(&self, request: Request<SimpleRequest>) -> Result<Response<SimpleResponse>, Status> {
        let came = came(&request);
        let (metadata, _, asked) = request.into_parts();
        compressed_as_expected(asked.expect_compressed, &came)?;
        refused(asked.response_status)?;
        let answer = SimpleResponse {
            payload: Some(payload(asked.response_type, asked.response_size)?),
            server_id: if asked.fill_server_id { self.id.clone() } else { String::new() },
            ..SimpleResponse::default()
        };
        let mut answer = Response::new(answer);
        echo(&metadata, &mut answer);
        let compressed = Flags::of(asked.response_compressed.map(|compressed| compressed.value));
        let trailers = trailers(&metadata, asked.orca_per_query_report);
        answer.extensions_mut().insert(Going { compressed, trailers });
        Ok(answer)
    }

    type StreamingOutputCallStream = Answers;

    async fn streaming_output_call(
        &self,
        request: Request<StreamingOutputCallRequest>,
    ) -> Result<Response<Answers>, Status> {
        let (peer, compressed) = (peer_of(&request), Flags::default());
        let (metadata, _, asked) = request.into_parts();
        refused(asked.response_status.clone())?;
        Ok(streamed(&metadata, Box::pin(answers(asked, peer, compressed.clone())), compressed))
    }

    async fn streaming_input_call(
        &self,
        request: Request<Streaming<StreamingInputCallRequest>>,
    ) -> Result<Response<StreamingInputCallResponse>, Status> {
        let came = came(&request);
        let mut pieces = request.into_inner();
        let mut size = 0_usize;
        while let Some(piece) = pieces.message().await? {
            compressed_as_expected(piece.expect_compressed, &came)?;
            size += piece.payload.map_or(0, |payload| payload.body.len());
        }
        let aggregated_payload_size =
            i32::try_from(size).map_err(|_| Status::out_of_range("the sum of the payloads is over 2 GiB"))?;
        Ok(Response::new(StreamingInputCallResponse { aggregated_payload_size }))
    }

    type FullDuplexCallStream = Answers;

    async fn full_duplex_call(
        &self,
        request: Request<Streaming<StreamingOutputCallRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let (peer, compressed, load) = (peer_of(&request), Flags::default(), self.load.clone());
        let (metadata, _, asked) = request.into_parts();
        let going = compressed.clone();
        let each = asked.map(move |asked: Result<StreamingOutputCallRequest, Status>| {
            let mut asked = asked?;
            refused(asked.response_status.take())?;
            if let Some(report) = asked.orca_oob_report.take() {
                load.send_replace(report_of(report));
            }
            Ok::<_, Status>(answers(asked, peer.clone(), compressed.clone()))
        });
        Ok(streamed(&metadata, Box::pin(each.try_flatten()), going))
    }

    type HalfDuplexCallStream = Answers;

    async fn half_duplex_call(
        &self,
        request: Request<Streaming<StreamingOutputCallRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let (peer, compressed) = (peer_of(&request), Flags::default());
        let (metadata, _, mut asked) = request.into_parts();
        let mut all = Vec::new();
        while let Some(one) = asked.message().await? {
            if all.len() == REQUESTS_KEPT_MAX {
                return Err(Status::resource_exhausted(format!(
                    "more than {REQUESTS_KEPT_MAX} requests in a half-duplex call"
                )));
            }
            all.push(answers(one, peer.clone(), compressed.clone()));
        }
        Ok(streamed(&metadata, Box::pin(stream::iter(all).flatten()), compressed))
    }
}

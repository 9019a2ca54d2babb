//! Services and callers that speak raw gRPC, so that a test sees every byte and every header.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, future::BoxFuture};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use mesh::{
    Body, Builder, Channel, Clients, Directory, Process, Target, client::ClientConfig, process, server::InboundConfig,
};
use prost::Message;
use tonic::Status;
use tower::Service;

/// Longer than anything here takes, shorter than a person waits for a test that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) type Answer = BoxFuture<'static, Result<Response<Body>, Infallible>>;

/// How two services reach each other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Tcp,
    InProcess,
}

pub(crate) const WAYS: [Way; 2] = [Way::Tcp, Way::InProcess];

pub(crate) fn process(name: &str) -> Process {
    Process::start(name, process::Options { cores: 1, ..test_operator::options() }, None).unwrap()
}

/// Puts a service of raw answers into the directory.
pub(crate) fn serve<F>(
    process: &Process,
    directory: &Directory,
    way: Way,
    name: &str,
    descriptors: &'static [u8],
    handler: F,
) where
    F: Fn(Request<Body>) -> Answer + Clone + Send + Sync + 'static,
{
    let builder = Builder::new(name).descriptors(descriptors).fallback(tower::service_fn(handler));
    enter(process, directory, way, builder.build(process, InboundConfig::default()).unwrap());
}

pub(crate) fn enter(process: &Process, directory: &Directory, way: Way, inbound: mesh::Inbound) {
    match way {
        Way::Tcp => {
            let listener = process.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
            directory.remote(inbound.name(), listener.address().dial());
            process.serve_grpc(listener, inbound);
        }
        Way::InProcess => directory.in_process(inbound),
    }
}

/// A caller of storefront.
pub(crate) fn caller(process: &Process, directory: &Directory, descriptors: &'static [u8]) -> Channel {
    const CALLS: &[Target] = &[Target::new("storefront")];
    Clients::new(process, directory, "caller", CALLS, &[descriptors], ClientConfig::default())
        .unwrap()
        .channel(CALLS[0])
        .unwrap()
}

pub(crate) fn request(path: &str, headers: &[(&'static str, &str)], body: Body) -> Request<Body> {
    let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/grpc").body(body).unwrap();
    for (name, value) in headers {
        request.headers_mut().append(*name, HeaderValue::from_str(value).unwrap());
    }
    request
}

pub(crate) async fn call(channel: &Channel, request: Request<Body>) -> Response<Body> {
    tokio::time::timeout(PATIENCE, channel.clone().call(request)).await.unwrap().unwrap()
}

/// The bytes and the trailers of an answer.
pub(crate) async fn read(answer: Response<Body>) -> (Bytes, HeaderMap) {
    let collected = tokio::time::timeout(PATIENCE, answer.into_body().collect()).await.unwrap().unwrap();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    (collected.to_bytes(), trailers)
}

/// The status of an answer, wherever it stands.
pub(crate) async fn status_of(answer: Response<Body>) -> Status {
    if let Some(status) = Status::from_header_map(answer.headers()) {
        return status;
    }
    Status::from_header_map(&read(answer).await.1).unwrap()
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Body::new(Full::new(bytes.into()))
}

pub(crate) fn streamed<S>(frames: S) -> Body
where
    S: Stream<Item = Result<Frame<Bytes>, Status>> + Send + 'static,
{
    Body::new(StreamBody::new(frames))
}

pub(crate) fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let mut headers = HeaderMap::new();
    pairs.for_each(|(name, value)| {
        headers.append(name, value);
    });
    headers
}

pub(crate) fn answer(body: Body) -> Response<Body> {
    Response::builder().header(header::CONTENT_TYPE, "application/grpc").body(body).unwrap()
}

/// A unary answer with this message.
pub(crate) fn message(message: &impl Message) -> Response<Body> {
    let encoded = message.encode_to_vec();
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(encoded.len()).unwrap().to_be_bytes());
    bytes.extend(encoded);
    let frames = [Ok(Frame::data(Bytes::from(bytes))), Ok(Frame::trailers(headers(&[("grpc-status", "0")])))];
    answer(streamed(futures_util::stream::iter(frames)))
}

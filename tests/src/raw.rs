//! Calls whose bytes the test decides, over the same channels as all others.

use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use mesh::{Body, Channel};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::{StreamExt as _, wrappers::UnboundedReceiverStream};
use tonic::{Code, Status};
use tower::Service as _;

/// The request of a call that is under way.
#[derive(Debug)]
pub struct Upload {
    bytes: UnboundedSender<Bytes>,
    answer: tokio::task::JoinHandle<Status>,
}

/// One message as gRPC frames it: not compressed, its length, itself.
///
/// # Panics
/// If it is longer than 4 GiB.
#[must_use]
pub fn message(message: &impl prost::Message) -> Vec<u8> {
    let length = u32::try_from(message.encoded_len()).expect("a short message");
    [&[0], length.to_be_bytes().as_slice(), &message.encode_to_vec()].concat()
}

/// Calls `path` with these bytes as the whole request; gives the status it ended with.
pub async fn call(channel: &Channel, path: &str, request: Vec<u8>) -> Status {
    send(channel.clone(), path.to_owned(), Body::new(Full::new(Bytes::from(request)))).await
}

/// Begins a call to `path` and leaves its request open.
#[must_use]
pub fn upload(channel: &Channel, path: &str) -> Upload {
    let (bytes, chunks) = unbounded_channel();
    let frames = UnboundedReceiverStream::new(chunks).map(|chunk| Ok::<_, Status>(Frame::data(chunk)));
    let answer = tokio::spawn(send(
        channel.clone(),
        path.to_owned(),
        Body::new(StreamBody::new(Box::pin(frames) as Pin<Box<_>>)),
    ));
    Upload { bytes, answer }
}

impl Upload {
    /// Sends a part of the request. A call that has already ended takes no more of it.
    pub fn send(&self, bytes: Vec<u8>) {
        let _ended = self.bytes.send(bytes.into()).is_err();
    }

    /// Ends the request, and gives the status that the call ends with.
    ///
    /// # Panics
    /// If the call panicked.
    pub async fn finish(self) -> Status {
        drop(self.bytes);
        self.answer.await.expect("the call's task")
    }

    /// Whether the call has ended already.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.answer.is_finished()
    }
}

async fn send(mut channel: Channel, path: String, body: Body) -> Status {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/grpc").body(body).expect("a request");
    let Ok(response) = channel.call(request).await;
    let (head, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => {
            let none = HeaderMap::new();
            let trailers = body.trailers().unwrap_or(&none);
            let status = Status::from_header_map(trailers).or_else(|| Status::from_header_map(&head.headers));
            status.unwrap_or_else(|| Status::new(Code::Unknown, "the answer has no status"))
        }
        Err(status) => status,
    }
}

//! Calls whose bytes the test decides: whole ones over the same channels as all others, and ones whose request stays open
//! over a connection of their own, since a channel sends no message before it has all of it.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use h2::{
    Ping, SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt as _, Full};
use mesh::{Body, Channel};
use tokio::net::TcpStream;
use tonic::{Code, Status};
use tower::Service as _;

/// The request of a call that is under way.
#[derive(Debug)]
pub struct Upload {
    bytes: SendStream<Bytes>,
    answer: tokio::task::JoinHandle<Status>,
    /// The connection goes away with the last of these.
    _client: SendRequest<Bytes>,
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

/// Begins a call to `path` at `address` over a connection of its own, and leaves its request open. The server has read its
/// headers when this returns.
///
/// # Errors
/// If there is no HTTP/2 at the address.
pub async fn upload(address: &str, path: &str) -> Result<Upload> {
    let (client, mut connection) = h2::client::handshake(TcpStream::connect(address).await?).await?;
    let mut ping = connection.ping_pong().context("a connection has one sender of pings")?;
    tokio::spawn(connection);
    let request = Request::post(format!("http://{address}{path}"));
    let request = request.header(header::CONTENT_TYPE, "application/grpc").header(header::TE, "trailers").body(())?;
    let mut client = client.ready().await?;
    let (response, bytes) = client.send_request(request, false)?;
    // Frames are read in their order. The first ping may have overtaken the headers, the second cannot.
    for _ in 0..2 {
        ping.ping(Ping::opaque()).await?;
    }
    Ok(Upload { bytes, answer: tokio::spawn(answer(response)), _client: client })
}

impl Upload {
    /// Sends a part of the request. A call that has already ended takes no more of it.
    pub fn send(&mut self, bytes: Vec<u8>) {
        let _ended = self.bytes.send_data(bytes.into(), false).is_err();
    }

    /// Ends the request, and gives the status that the call ends with.
    ///
    /// # Panics
    /// If the call panicked.
    pub async fn finish(mut self) -> Status {
        let _ended = self.bytes.send_data(Bytes::new(), true).is_err();
        self.answer.await.expect("the call's task")
    }

    /// Whether the call has ended already.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.answer.is_finished()
    }
}

/// The status that a call ends with; UNAVAILABLE where its connection ends first.
async fn answer(response: ResponseFuture) -> Status {
    let broken = |error: h2::Error| Status::unavailable(error.to_string());
    let (head, mut body) = match response.await {
        Ok(response) => response.into_parts(),
        Err(error) => return broken(error),
    };
    while let Some(data) = body.data().await {
        let released = data.and_then(|data| body.flow_control().release_capacity(data.len()));
        if let Err(error) = released {
            return broken(error);
        }
    }
    match body.trailers().await {
        Ok(trailers) => status(&trailers.unwrap_or_default(), &head.headers),
        Err(error) => broken(error),
    }
}

async fn send(mut channel: Channel, path: String, body: Body) -> Status {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/grpc").body(body).expect("a request");
    let Ok(response) = channel.call(request).await;
    let (head, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => status(body.trailers().unwrap_or(&HeaderMap::new()), &head.headers),
        Err(status) => status,
    }
}

fn status(trailers: &HeaderMap, headers: &HeaderMap) -> Status {
    let status = Status::from_header_map(trailers).or_else(|| Status::from_header_map(headers));
    status.unwrap_or_else(|| Status::new(Code::Unknown, "the answer has no status"))
}

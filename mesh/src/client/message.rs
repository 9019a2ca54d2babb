//! A request's one message, kept so that a call that was refused can be sent again.
//!
//! It is read before anything is sent, which also lets the stream end with the message instead of a frame of its own.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tonic::Status;

use crate::Body;

/// The most of a request that is kept (gRFC A6); one that is longer is sent once.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// A request's body once its message has been read.
pub(super) enum Message {
    /// All of it. It can be sent any number of times.
    Whole(Arc<Whole>),
    /// More than is kept.
    Long(Body),
}

/// All bytes of a request's body.
#[derive(Debug)]
pub(super) struct Whole {
    first: Bytes,
    rest: Vec<Bytes>,
    /// HTTP/2 asked for it: from then on the peer may have it.
    taken: AtomicBool,
}

impl Whole {
    /// The body of an attempt.
    pub(super) fn body(self: &Arc<Self>) -> Body {
        Body::new(Attempt { whole: Arc::clone(self), next: 0 })
    }

    /// Whether any attempt's body was asked for.
    pub(super) fn was_taken(&self) -> bool {
        self.taken.load(Ordering::Relaxed)
    }
}

/// Reads the message; fails with what its maker failed with.
pub(super) async fn read(mut body: Body) -> Result<Message, Status> {
    let (mut first, mut rest, mut length) = (Bytes::new(), Vec::new(), 0);
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let data = match frame?.into_data() {
            Ok(data) => data,
            // Requests have no trailers in gRPC.
            Err(_trailers) => continue,
        };
        length += data.len();
        if first.is_empty() {
            first = data;
        } else {
            rest.push(data);
        }
        if length > KEPT_BYTES_MAX {
            let read = Some(first).into_iter().chain(rest).collect::<Vec<_>>().into_iter();
            return Ok(Message::Long(Body::new(Long { read, body })));
        }
    }
    Ok(Message::Whole(Arc::new(Whole { first, rest, taken: AtomicBool::new(false) })))
}

struct Attempt {
    whole: Arc<Whole>,
    next: usize,
}

impl http_body::Body for Attempt {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let index = self.next;
        self.whole.taken.store(true, Ordering::Relaxed);
        let chunk = match index.checked_sub(1) {
            None => Some(&self.whole.first).filter(|first| !first.is_empty()),
            Some(index) => self.whole.rest.get(index),
        };
        let chunk = chunk.cloned();
        self.next += 1;
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.next > self.whole.rest.len()
    }

    fn size_hint(&self) -> SizeHint {
        // Not exact: a content-length would be one more header, and gRPC has none.
        SizeHint::default()
    }
}

/// What was read, then what was not.
struct Long {
    read: std::vec::IntoIter<Bytes>,
    body: Body,
}

impl http_body::Body for Long {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.read.next() {
            Some(chunk) => Poll::Ready(Some(Ok(Frame::data(chunk)))),
            None => Pin::new(&mut self.body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read.len() == 0 && self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    fn body(chunks: &[&'static [u8]]) -> Body {
        let frames: Vec<_> =
            chunks.iter().map(|chunk| Ok::<_, Status>(Frame::data(Bytes::from_static(chunk)))).collect();
        Body::new(StreamBody::new(futures_util::stream::iter(frames)))
    }

    async fn bytes(body: Body) -> Bytes {
        body.collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn a_message_is_sent_again_as_often_as_it_has_to_be() {
        for chunks in [&[b"one".as_slice()][..], &[b"o", b"", b"n", b"e"]] {
            let Message::Whole(whole) = read(body(chunks)).await.unwrap() else { panic!("it is short") };
            assert!(!whole.was_taken());
            assert_eq!(bytes(whole.body()).await, "one");
            assert!(whole.was_taken());
            assert_eq!(bytes(whole.body()).await, "one");
        }
    }

    #[tokio::test]
    async fn the_stream_ends_with_the_message_and_without_one_at_once() {
        let Message::Whole(whole) = read(body(&[b"one"])).await.unwrap() else { panic!("it is short") };
        let mut attempt = whole.body();
        assert!(!attempt.is_end_stream());
        attempt.frame().await.unwrap().unwrap();
        assert!(attempt.is_end_stream());
        let Message::Whole(empty) = read(body(&[])).await.unwrap() else { panic!("it is short") };
        assert_eq!(bytes(empty.body()).await, "");
    }

    #[tokio::test]
    async fn what_is_longer_than_is_kept_is_sent_whole_and_once() {
        const HALF: &[u8] = &[7; KEPT_BYTES_MAX / 2];
        let Message::Long(long) = read(body(&[HALF, HALF, b"x", b"y"])).await.unwrap() else { panic!("it is long") };
        assert_eq!(bytes(long).await.len(), KEPT_BYTES_MAX + 2);
        assert!(matches!(read(body(&[HALF, HALF])).await.unwrap(), Message::Whole(_)));
    }

    #[tokio::test]
    async fn a_message_that_cannot_be_made_fails_with_the_reason() {
        let broken =
            StreamBody::new(futures_util::stream::iter([Err::<Frame<Bytes>, _>(Status::out_of_range("long"))]));
        let status = read(Body::new(broken)).await.err().unwrap();
        assert_eq!(status.code(), tonic::Code::OutOfRange);
    }
}

//! A request's body as it comes in: where it breaks, its caller is gone, and that is CANCELLED.
//!
//! hyper's own error would be UNKNOWN to a generated server, and so an upload that its caller gave up would count among
//! the server's failures.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tonic::Status;

/// A body from the wire whose failures are statuses.
#[derive(Debug)]
pub(super) struct Received(pub(super) Incoming);

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.0).poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|error| {
                let mut cancelled = Status::cancelled("the caller gave up before the end of its request");
                // Whoever forwards the body resets its own stream with the reason that is found in there.
                cancelled.set_source(Arc::new(error));
                cancelled
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

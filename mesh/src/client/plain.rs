//! The answer to a request that is no call: it passes as it came, and gives its endpoint back when it ends.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tonic::{Code, Status};

use super::{
    error::{code_of_http, status_of},
    lease::Lease,
};
use crate::{Body, directory::Target};

/// An answer that is no call's, as it came.
pub(super) fn unchecked(
    response: Response<Incoming>,
    target: Target,
    lease: Lease,
    open: Option<oneshot::Sender<()>>,
) -> Response<Body> {
    let code = if response.status().is_server_error() { code_of_http(response.status()) } else { Code::Ok };
    let mut lease = Some(lease);
    response.map(|incoming| {
        if incoming.is_end_stream()
            && let Some(lease) = lease.take()
        {
            lease.end(code);
        }
        Body::new(Plain { incoming, target, code, lease, _open: open })
    })
}

/// The body of an answer that is no call's; where it breaks, it fails with a status.
struct Plain {
    incoming: Incoming,
    target: Target,
    /// What its lease ends with.
    code: Code,
    lease: Option<Lease>,
    /// Dropped with the answer, which ends the request's body.
    _open: Option<oneshot::Sender<()>>,
}

impl http_body::Body for Plain {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        let frame = frame.map(|frame| frame.map_err(|error| status_of(&error, self.target)));
        let ended = match &frame {
            Some(Err(status)) => Some(status.code()),
            None => Some(self.code),
            Some(Ok(_)) => self.incoming.is_end_stream().then_some(self.code),
        };
        if let (Some(code), Some(lease)) = (ended, ended.and_then(|_| self.lease.take())) {
            lease.end(code);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

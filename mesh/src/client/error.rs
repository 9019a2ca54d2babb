//! What a failure of the transport means as a gRPC status.
//!
//! Classified from the source error: hyper's own conversion makes CANCELLED of a connection that went away, and a caller
//! must be able to tell the two apart (gRPC over HTTP/2, *Errors*; grpc/doc/http-grpc-status-mapping.md).

use std::{
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tonic::{Code, Status};

use super::lease::Lease;
use crate::{Body, directory::Target, status};

/// The status of a call whose request or answer broke.
pub(super) fn status_of(error: &hyper::Error, target: Target) -> Status {
    let mut source = error.source();
    let mut text = error.to_string();
    let mut code = Code::Unavailable;
    while let Some(cause) = source {
        text = cause.to_string();
        if let Some(reset) = cause.downcast_ref::<h2::Error>().filter(|error| error.is_reset())
            && let Some(reason) = reset.reason()
        {
            code = code_of_reset(reason);
        }
        source = cause.source();
    }
    Status::new(code, format!("{target}: {text}"))
}

/// What became of a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was sent, and the peer says that it did nothing with it (RFC 9113, section 8.7): REFUSED_STREAM, or a GOAWAY whose
    /// last stream is an earlier one.
    Refused,
    /// It may have been sent, and nobody knows what the peer did.
    Unknown,
}

/// What the transport's error says of the request.
pub(super) fn fate_of(error: &hyper::Error) -> Fate {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<h2::Error>() {
            let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
            let ignored = error.is_go_away();
            return if error.is_remote() && (refused || ignored) { Fate::Refused } else { Fate::Unknown };
        }
        source = cause.source();
    }
    Fate::Unknown
}

/// gRPC over HTTP/2, *Errors*: the code of a stream that the peer reset.
fn code_of_reset(reason: h2::Reason) -> Code {
    match reason {
        h2::Reason::REFUSED_STREAM => Code::Unavailable,
        h2::Reason::CANCEL => Code::Cancelled,
        h2::Reason::ENHANCE_YOUR_CALM => Code::ResourceExhausted,
        h2::Reason::INADEQUATE_SECURITY => Code::PermissionDenied,
        _ => Code::Internal,
    }
}

/// How much of a foreign content type is told.
const CONTENT_TYPE_MAX: usize = 100;

/// An answer that a gRPC client can trust: whatever came back, it ends with a status.
pub(super) fn checked(
    response: Response<Incoming>,
    target: Target,
    lease: Lease,
    open: Option<oneshot::Sender<()>>,
) -> Response<Body> {
    let (mut parts, incoming) = response.into_parts();
    status::repair(&mut parts.headers);
    let code = status::code_of(&parts.headers);
    let kind = parts.headers.get(header::CONTENT_TYPE).map_or(&b"none"[..], HeaderValue::as_bytes);
    if code.is_none() && (parts.status != StatusCode::OK || !kind.starts_with(b"application/grpc")) {
        let code = code_of_http(parts.status);
        lease.end(code);
        let kind = kind[..kind.len().min(CONTENT_TYPE_MAX)].escape_ascii();
        let text = format!("{target}: no gRPC answer: HTTP status {}, content-type {kind}", parts.status);
        return status::response_of(&Status::new(code, text));
    }
    let mut lease = Some(lease);
    if let Some(code) = code
        && let Some(lease) = lease.take()
    {
        lease.end(code);
    }
    Response::from_parts(parts, Body::new(Answer { incoming, target, ended: code.is_some(), lease, _open: open }))
}

/// grpc/doc/http-grpc-status-mapping.md
pub(super) fn code_of_http(http: StatusCode) -> Code {
    match http {
        StatusCode::BAD_REQUEST => Code::Internal,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::Unimplemented,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// A body from the wire whose failures are statuses.
struct Answer {
    incoming: Incoming,
    target: Target,
    /// The status has been seen.
    ended: bool,
    /// Given back with the status, or with the answer.
    lease: Option<Lease>,
    /// Dropped with the answer, which ends the request's body.
    _open: Option<oneshot::Sender<()>>,
}

impl Answer {
    fn end(&mut self, code: Code) {
        self.ended = true;
        if let Some(lease) = self.lease.take() {
            lease.end(code);
        }
    }

    /// The status of an answer that came to its end and had none.
    fn end_without_status(&mut self) -> Frame<Bytes> {
        self.end(Code::Internal);
        status::trailers_of(&Status::internal(format!("{}: the answer ended without a status", self.target)))
    }
}

/// Ends a request's body when its answer is dropped. h2 resets a stream only once both halves are gone, so a caller that
/// gives up while it still has something to send would leave the handler running.
pub(super) fn cancelled_with_its_answer(request: Request<Body>) -> (Request<Body>, Option<oneshot::Sender<()>>) {
    let (open, gone) = oneshot::channel();
    (request.map(|inner| Body::new(Asked { inner, gone: Some(gone) })), Some(open))
}

struct Asked {
    inner: Body,
    gone: Option<oneshot::Receiver<()>>,
}

impl http_body::Body for Asked {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        if let Some(gone) = &mut self.gone
            && Pin::new(gone).poll(cx).is_ready()
        {
            self.gone = None;
            let mut cancelled = Status::cancelled("the caller gave up");
            // hyper resets the stream with the reason that it finds in the source.
            cancelled.set_source(Arc::new(h2::Error::from(h2::Reason::CANCEL)));
            return Poll::Ready(Some(Err(cancelled)));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                let status = status_of(&error, self.target);
                self.end(status.code());
                return Poll::Ready(Some(Err(status)));
            }
            None if self.ended => return Poll::Ready(None),
            None => return Poll::Ready(Some(Ok(self.end_without_status()))),
        };
        let frame = match frame.into_trailers() {
            Ok(mut trailers) => {
                status::repair(&mut trailers);
                match status::code_of(&trailers) {
                    Some(code) => self.end(code),
                    None if self.ended => {}
                    // Lost among trailers that were too long, for one.
                    None => return Poll::Ready(Some(Ok(self.end_without_status()))),
                }
                Frame::trailers(trailers)
            }
            Err(data) => data,
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_statuses_mean_what_grpc_says_they_mean() {
        assert_eq!(code_of_http(StatusCode::NOT_FOUND), Code::Unimplemented);
        assert_eq!(code_of_http(StatusCode::SERVICE_UNAVAILABLE), Code::Unavailable);
        assert_eq!(code_of_http(StatusCode::IM_A_TEAPOT), Code::Unknown);
    }

    #[test]
    fn a_refused_stream_is_unavailable_and_a_cancelled_one_is_cancelled() {
        assert_eq!(code_of_reset(h2::Reason::REFUSED_STREAM), Code::Unavailable);
        assert_eq!(code_of_reset(h2::Reason::CANCEL), Code::Cancelled);
        assert_eq!(code_of_reset(h2::Reason::PROTOCOL_ERROR), Code::Internal);
    }
}

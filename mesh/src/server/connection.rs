//! One inbound connection, from its first byte to its end.
//!
//! It ends when the peer goes, when it is old, or when the process drains; in the last two cases calls in flight finish
//! first (RFC 9113's graceful GOAWAY, sent twice by hyper).

use std::{convert::Infallible, pin::pin, time::Duration};

use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{sleep, timeout},
};
use tower::Service;

use super::{
    bounded::Bounded,
    config::ConnectionConfig,
    received::Received,
    sniff::{Spoken, sniff},
};
use crate::{
    Body,
    drain::{Drain, Phase},
    identity::Peer,
};

/// What a port serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// gRPC over HTTP/2; everything else is told so, but for plain HTTP/2 below the path of `pages`.
    Grpc {
        /// Where the pages are, with a slash at both ends.
        pages: Option<&'static str>,
    },
    /// HTTP/1 and HTTP/2 alike.
    Http,
}

/// Serves one connection until it ends.
pub(super) async fn serve<IO, S>(
    io: IO,
    peer: Peer,
    service: S,
    protocol: Protocol,
    config: ConnectionConfig,
    drain: Drain,
) where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    // A peer that says nothing in time is like one that hung up: neither is worth a log line.
    let Ok(Ok((spoken, io))) = timeout(config.handshake_timeout, sniff(io)).await else { return };
    let builder = match spoken {
        Spoken::Http2 => builder(&config, protocol).http2_only(),
        Spoken::Http1 => builder(&config, protocol).http1_only(),
        Spoken::Nothing => return,
    };
    let answer = service_fn(move |request: Request<Incoming>| {
        let refusal = match protocol {
            Protocol::Grpc { pages } => refusal(&request, pages),
            Protocol::Http => None,
        };
        let (mut service, mut request) = (service.clone(), request.map(|body| Body::new(Received(body))));
        request.extensions_mut().insert(peer.clone());
        async move {
            match refusal {
                Some(refusal) => Ok(refusal),
                None => service.call(request).await,
            }
        }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), answer));
    let leave = tokio::select! {
        ended = connection.as_mut() => return log_end(ended),
        () = sleep(jittered(config.age)) => config.age_grace,
        // The process cuts what is left once its own grace is over.
        () = drain.reached(Phase::Closing) => Duration::MAX,
    };
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        ended = connection => log_end(ended),
        () = sleep(leave) => tracing::debug!("connection was cut with calls in flight: it was too old"),
        () = drain.reached(Phase::Closed) => {}
    }
}

fn builder(config: &ConnectionConfig, protocol: Protocol) -> auto::Builder<Bounded> {
    let mut builder = auto::Builder::new(Bounded(protocol));
    let headers_within = match protocol {
        // All that HTTP/1 gets on this port is a word on what the port speaks.
        Protocol::Grpc { .. } => config.handshake_timeout,
        Protocol::Http => config.http1_idle_max,
    };
    builder.http1().timer(TokioTimer::new()).header_read_timeout(headers_within);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.streams_max)
        .max_pending_accept_reset_streams(config.pending_resets_max)
        .max_local_error_reset_streams(config.local_resets_max)
        .max_header_list_size(config.header_bytes_max)
        .initial_stream_window_size(config.stream_window)
        .initial_connection_window_size(config.connection_window)
        .max_send_buf_size(config.send_buffer_max)
        .keep_alive_interval(config.keepalive_interval)
        .keep_alive_timeout(config.keepalive_timeout)
        .auto_date_header(false);
    builder
}

/// Up to a tenth more or less, so that connections made together do not end together.
fn jittered(age: Duration) -> Duration {
    age.mul_f64(0.9 + 0.2 * fastrand::f64())
}

/// The answer to a request that is not gRPC, and for no page either.
fn refusal(request: &Request<Incoming>, pages: Option<&str>) -> Option<Response<Body>> {
    let content_type = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let status = match content_type {
        _ if request.version() != Version::HTTP_2 => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        Some(kind) if is_grpc(kind) => return None,
        _ if pages.is_some_and(|below| request.uri().path().starts_with(below)) => return None,
        _ => StatusCode::UNSUPPORTED_MEDIA_TYPE,
    };
    let text = "this port speaks gRPC over HTTP/2 (content-type: application/grpc); try grpcurl\n";
    let mut response = Response::new(Body::new(http_body_util::Full::new(bytes::Bytes::from_static(text.as_bytes()))));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Some(response)
}

/// `application/grpc`, with or without a codec; not grpc-web.
fn is_grpc(content_type: &[u8]) -> bool {
    content_type.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

fn log_end(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(error = &*error, "connection ended");
    }
}

//! Makes one HTTP/2 connection to one endpoint: connect, handshake and the peer's first word within one time limit.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::{Either, select};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::{config::ClientConfig, resolve::Endpoint};
use crate::{Body, wire::Wire};

/// A connection that takes requests, and the future that drives it to its end.
pub(super) struct Connected {
    pub(super) sender: http2::SendRequest<Body>,
    pub(super) streams: Arc<Streams>,
    pub(super) driver: Driver,
}

/// Runs a connection; resolves when it takes no more requests. Streams that are open then go on.
pub(super) struct Driver {
    connection: http2::Connection<TokioIo<Box<dyn Io>>, Body, TokioExecutor>,
    streams: Arc<Streams>,
}

/// The streams of a connection: those of calls that are not over, and how many the peer allows.
#[derive(Debug)]
pub(super) struct Streams {
    open: AtomicUsize,
    max: AtomicUsize,
}

impl Streams {
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn max(&self) -> usize {
        self.max.load(Ordering::Relaxed)
    }

    pub(super) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Driver {
    /// Takes over what the peer's SETTINGS say. Of a peer that allows none one request is made to wait inside HTTP/2, which
    /// alone is told when that changes.
    fn look(&self) {
        let max = self.connection.current_max_send_streams().max(1);
        if self.streams.max.load(Ordering::Relaxed) != max {
            self.streams.max.store(max, Ordering::Relaxed);
        }
    }
}

impl Future for Driver {
    type Output = Result<(), hyper::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = Pin::new(&mut self.connection).poll(cx);
        self.look();
        polled
    }
}

/// Why a connection could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("connect to {endpoint} took more than {} ms", limit.as_millis())]
    Timeout { endpoint: Endpoint, limit: Duration },
    #[error("connect to {endpoint}: {source}")]
    Connect { endpoint: String, source: io::Error },
    #[error("start HTTP/2 with {endpoint}: {}", root(source))]
    Handshake { endpoint: String, source: hyper::Error },
    #[error("start HTTP/2 with {endpoint}: it hung up and said nothing")]
    Silent { endpoint: String },
    #[error("start HTTP/2 with {endpoint}: the first that it said was that it goes away")]
    Leaving { endpoint: String },
}

/// What is behind hyper's "connection error".
fn root(error: &hyper::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Connects to an endpoint.
pub(super) async fn connect(endpoint: &Endpoint, config: &ClientConfig) -> Result<Connected, ConnectError> {
    let limit = config.connect_timeout;
    let expired = |_| ConnectError::Timeout { endpoint: endpoint.clone(), limit };
    timeout(limit, connect_to(endpoint, config)).await.map_err(expired)?
}

async fn connect_to(endpoint: &Endpoint, config: &ClientConfig) -> Result<Connected, ConnectError> {
    let name = endpoint.to_string();
    let failed = |source| ConnectError::Connect { endpoint: name.clone(), source };
    let (io, heard): (Box<dyn Io>, _) = match endpoint {
        Endpoint::Tcp(address) => {
            let stream = TcpStream::connect(address).await.map_err(failed)?;
            // Without it a small request waits 40 ms for the peer's delayed ACK.
            stream.set_nodelay(true).map_err(failed)?;
            limit_silence(&stream, config.tcp_silence_max).map_err(failed)?;
            let (wire, heard) = Wire::hearing(stream);
            (Box::new(wire), heard)
        }
        Endpoint::Unix(path) => {
            let (wire, heard) = Wire::hearing(UnixStream::connect(path).await.map_err(failed)?);
            (Box::new(wire), heard)
        }
    };
    let handshake = |source| ConnectError::Handshake { endpoint: name.clone(), source };
    let Connected { sender, streams, driver } = start(io, config).await.map_err(handshake)?;
    // A peer opens with its SETTINGS (RFC 9113, section 3.4). Before them it may be anything that accepts connections.
    match select(driver, heard).await {
        Either::Right((Ok(()), driver)) => {
            driver.look();
            Ok(Connected { sender, streams, driver })
        }
        Either::Left((Err(source), _)) => Err(handshake(source)),
        Either::Left((Ok(()), mut heard)) => match heard.try_recv() {
            Ok(()) => Err(ConnectError::Leaving { endpoint: name }),
            Err(_) => Err(ConnectError::Silent { endpoint: name }),
        },
        Either::Right((Err(_), _)) => Err(ConnectError::Silent { endpoint: name }),
    }
}

async fn start(io: Box<dyn Io>, config: &ClientConfig) -> Result<Connected, hyper::Error> {
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(config.stream_window)
        .initial_connection_window_size(config.connection_window)
        .max_header_list_size(config.header_bytes_max)
        .max_send_buf_size(config.send_buffer_max)
        .keep_alive_interval(config.keepalive_interval)
        .keep_alive_timeout(config.keepalive_timeout)
        .keep_alive_while_idle(false)
        .handshake(TokioIo::new(io))
        .await?;
    let streams = Arc::new(Streams { open: AtomicUsize::new(0), max: AtomicUsize::new(usize::MAX) });
    let driver = Driver { connection, streams: Arc::clone(&streams) };
    Ok(Connected { sender, streams, driver })
}

/// Has the kernel end the connection where its peer acknowledges nothing for this long, be it data (gRFC A18) or probes.
#[cfg(target_os = "linux")]
fn limit_silence(stream: &TcpStream, limit: Duration) -> io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_tcp_user_timeout(stream, u32::try_from(limit.as_millis()).unwrap_or(u32::MAX))?;
    // Three equal parts: silence, a probe, and another one. The kernel counts in seconds.
    let part = (limit / 3).max(Duration::from_secs(1));
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, part)?;
    sockopt::set_tcp_keepintvl(stream, part)?;
    sockopt::set_tcp_keepcnt(stream, 2)?;
    Ok(())
}

/// Other systems have only their own, longer limits.
#[cfg(not(target_os = "linux"))]
fn limit_silence(stream: &TcpStream, _limit: Duration) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_keepalive(stream, true)?)
}

/// Whatever a connection runs over.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_kernel_is_told_how_long_a_peer_may_be_silent() {
        use rustix::net::sockopt;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        limit_silence(&stream, Duration::from_secs(15)).unwrap();
        assert_eq!(sockopt::tcp_user_timeout(&stream).unwrap(), 15_000);
        assert!(sockopt::socket_keepalive(&stream).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&stream).unwrap(), Duration::from_secs(5));
    }
}

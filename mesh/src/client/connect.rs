//! Makes one HTTP/2 connection: resolve, connect, handshake, all within one time limit.

use std::{io, time::Duration};

use futures_util::future::{Either, select};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::{
    config::ClientConfig,
    resolve::{Endpoint, resolve},
};
use crate::{Body, address::Address, wire::Wire};

/// A connection that takes requests, and the future that drives it to its end.
pub(super) struct Connected {
    pub(super) sender: http2::SendRequest<Body>,
    pub(super) driver: Driver,
}

/// Runs a connection; resolves when it ends.
pub(super) type Driver = futures_util::future::BoxFuture<'static, Result<(), hyper::Error>>;

/// Why a connection could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("connect to {address} took more than {} ms", limit.as_millis())]
    Timeout { address: Address, limit: Duration },
    #[error("resolve {address}: {source}")]
    Resolve { address: Address, source: io::Error },
    #[error("connect to {endpoint}: {source}")]
    Connect { endpoint: String, source: io::Error },
    #[error("start HTTP/2 with {endpoint}: {source}")]
    Handshake { endpoint: String, source: hyper::Error },
    #[error("start HTTP/2 with {endpoint}: it hung up and said nothing")]
    Silent { endpoint: String },
}

/// Connects to one of the address' endpoints. `preferred` spreads several connections over several endpoints.
pub(super) async fn connect(
    address: &Address,
    preferred: usize,
    config: &ClientConfig,
) -> Result<Connected, ConnectError> {
    let limit = config.connect_timeout;
    let expired = |_| ConnectError::Timeout { address: address.clone(), limit };
    timeout(limit, try_each(address, preferred, config)).await.map_err(expired)?
}

async fn try_each(address: &Address, preferred: usize, config: &ClientConfig) -> Result<Connected, ConnectError> {
    let endpoints =
        resolve(address).await.map_err(|source| ConnectError::Resolve { address: address.clone(), source })?;
    let mut failure = None;
    for turn in 0..endpoints.len() {
        match connect_to(&endpoints[preferred.wrapping_add(turn) % endpoints.len()], config).await {
            Ok(connected) => return Ok(connected),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure
        .unwrap_or_else(|| ConnectError::Resolve { address: address.clone(), source: io::ErrorKind::NotFound.into() }))
}

async fn connect_to(endpoint: &Endpoint, config: &ClientConfig) -> Result<Connected, ConnectError> {
    let name = match endpoint {
        Endpoint::Tcp(address) => address.to_string(),
        Endpoint::Unix(path) => format!("unix:{}", path.display()),
    };
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
    let Connected { sender, driver } = start(io, config).await.map_err(handshake)?;
    // A peer opens with its SETTINGS (RFC 9113, section 3.4). Before them it may be anything that accepts connections.
    match select(driver, heard).await {
        Either::Right((Ok(()), driver)) => Ok(Connected { sender, driver }),
        Either::Left((Err(source), _)) => Err(handshake(source)),
        Either::Left((Ok(()), _)) | Either::Right((Err(_), _)) => Err(ConnectError::Silent { endpoint: name }),
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
    Ok(Connected { sender, driver: Box::pin(connection) })
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

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

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

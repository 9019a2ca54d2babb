//! Makes one HTTP/2 connection: resolve, connect, handshake, all within one time limit.

use std::{io, time::Duration};

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
use crate::{Body, address::Address};

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
        match connect_to(&endpoints[(preferred + turn) % endpoints.len()], config).await {
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
    let handshaken = match endpoint {
        Endpoint::Tcp(address) => {
            let stream = TcpStream::connect(address).await.map_err(failed)?;
            // Without it a small request waits 40 ms for the peer's delayed ACK.
            stream.set_nodelay(true).map_err(failed)?;
            handshake(stream, config).await
        }
        Endpoint::Unix(path) => handshake(UnixStream::connect(path).await.map_err(failed)?, config).await,
    };
    handshaken.map_err(|source| ConnectError::Handshake { endpoint: name.clone(), source })
}

async fn handshake<IO>(io: IO, config: &ClientConfig) -> Result<Connected, hyper::Error>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(config.stream_window)
        .initial_connection_window_size(config.connection_window)
        .max_header_list_size(config.header_bytes_max)
        .max_send_buf_size(config.send_buffer_max)
        .keep_alive_interval(config.keepalive_interval)
        .keep_alive_timeout(config.keepalive_timeout)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(io))
        .await?;
    Ok(Connected { sender, driver: Box::pin(connection) })
}

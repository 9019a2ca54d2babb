//! One ordinary listener, on TCP or on a Unix socket.
//!
//! No SO_REUSEPORT: a second start of the same user would silently share the port, and the kernel's hash unbalances few
//! long-lived connections.

use std::{io, path::PathBuf};

use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

use crate::{
    address::ListenAddress,
    identity::{Peer, Principal, Transport},
};

/// Connections that the kernel keeps for the acceptor.
const BACKLOG: u32 = 1024;

/// A bound listener that nothing is accepted from yet.
#[derive(Debug)]
pub struct Listener {
    kind: Kind,
    address: ListenAddress,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    // The file goes first: a successor must not find it dead, replace it and lose its own.
    Unix { _file: OwnedPath, listener: UnixListener },
}

/// The file of a Unix socket, removed with its listener.
#[derive(Debug)]
struct OwnedPath(PathBuf);

impl Drop for OwnedPath {
    fn drop(&mut self) {
        // Somebody may have removed it already, and then there is nothing to do.
        let _gone = std::fs::remove_file(&self.0).is_ok();
    }
}

/// A listener could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address}")]
pub struct BindError {
    address: ListenAddress,
    source: io::Error,
}

/// An accepted connection, not yet registered with any event loop.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Listener {
    /// Binds; must run inside a tokio runtime.
    ///
    /// # Errors
    /// If the address is taken or may not be used.
    pub fn bind(address: &ListenAddress) -> Result<Self, BindError> {
        let failed = |source| BindError { address: address.clone(), source };
        match address {
            ListenAddress::Tcp(tcp) => {
                let listener = bind_tcp(*tcp).map_err(failed)?;
                let bound = listener.local_addr().map_err(failed)?;
                Ok(Self { kind: Kind::Tcp(listener), address: ListenAddress::Tcp(bound) })
            }
            ListenAddress::Unix(path) => {
                // A socket file outlives a killed process; one that nobody answers on is only in the way.
                if is_abandoned_socket(path) {
                    std::fs::remove_file(path).map_err(failed)?;
                }
                let listener = UnixListener::bind(path).map_err(failed)?;
                Ok(Self { kind: Kind::Unix { listener, _file: OwnedPath(path.clone()) }, address: address.clone() })
            }
        }
    }

    /// Where it listens, with the port it was given.
    #[must_use]
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    pub(super) async fn accept(&self) -> io::Result<(Socket, Peer)> {
        let (socket, transport) = match &self.kind {
            Kind::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Without it a small answer waits 40 ms for the peer's delayed ACK.
                let _peer_is_gone = stream.set_nodelay(true).is_err();
                (Socket::Tcp(stream.into_std()?), Transport::Tcp(address))
            }
            Kind::Unix { listener, .. } => (Socket::Unix(listener.accept().await?.0.into_std()?), Transport::Unix),
        };
        Ok((socket, Peer { principal: Principal::anonymous(), transport }))
    }
}

/// Whether there is a socket that refuses connections. Anything else at that path is somebody's.
fn is_abandoned_socket(path: &std::path::Path) -> bool {
    use std::os::unix::{fs::FileTypeExt as _, net::UnixStream};
    std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
        && UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

fn bind_tcp(address: std::net::SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Registers a TCP connection with the event loop that runs here.
pub(super) fn adopt_tcp(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    TcpStream::from_std(stream)
}

/// Registers a Unix connection with the event loop that runs here.
pub(super) fn adopt_unix(stream: std::os::unix::net::UnixStream) -> io::Result<UnixStream> {
    UnixStream::from_std(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_refused_with_its_address() {
        let first = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
        let error = Listener::bind(first.address()).unwrap_err();
        assert_eq!(error.to_string(), format!("listen on {}", first.address()));
    }

    #[tokio::test]
    async fn a_socket_file_left_by_a_killed_process_is_replaced_and_a_served_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let address = ListenAddress::Unix(path.clone());
        let served = Listener::bind(&address).unwrap();
        assert!(Listener::bind(&address).is_err());
        drop(served);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.db");
        std::fs::write(&path, b"precious").unwrap();
        assert!(Listener::bind(&ListenAddress::Unix(path.clone())).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }
}

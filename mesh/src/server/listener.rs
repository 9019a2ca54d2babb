//! One ordinary listener, on TCP or on a Unix socket; bound here, or inherited from whoever started the process.
//!
//! No SO_REUSEPORT: a second start of the same user would silently share the port, and the kernel's hash unbalances few
//! long-lived connections.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd},
    path::PathBuf,
};

use rustix::net::listen;
use socket2::{Domain, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::{
    address::ListenAddress,
    identity::{Peer, Principal, Transport},
};

/// Connections that the kernel keeps for the acceptor.
const BACKLOG: i32 = 1024;

/// A listener that nothing is accepted from yet. No event loop knows it until it is served, so it can be handed to
/// another process as well (by its `AsFd`; its own descriptor is closed on exec).
#[derive(Debug)]
pub struct Listener {
    // The file goes first: a successor must not find it dead, replace it and lose its own.
    _file: Option<OwnedPath>,
    opened: Option<Opened>,
    socket: socket2::Socket,
    address: ListenAddress,
}

/// The listener, registered with an event loop.
#[derive(Debug)]
enum Opened {
    Tcp(TcpListener),
    Unix(UnixListener),
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
    /// Binds and listens: connections wait in the kernel's queue until this is served.
    ///
    /// # Errors
    /// If the address is taken or may not be used.
    pub fn bind(address: &ListenAddress) -> Result<Self, BindError> {
        let failed = |source| BindError { address: address.clone(), source };
        match address {
            ListenAddress::Tcp(tcp) => {
                let socket = bind_tcp(*tcp).map_err(failed)?;
                let bound = socket.local_addr().map_err(failed)?.as_socket().unwrap_or(*tcp);
                Ok(Self { socket, address: ListenAddress::Tcp(bound), opened: None, _file: None })
            }
            ListenAddress::Unix(path) => {
                // A socket file outlives a killed process; one that nobody answers on is only in the way.
                if is_abandoned_socket(path) {
                    std::fs::remove_file(path).map_err(failed)?;
                }
                let socket = std::os::unix::net::UnixListener::bind(path).map_err(failed)?.into();
                let file = Some(OwnedPath(path.clone()));
                Ok(Self { socket, address: address.clone(), opened: None, _file: file })
            }
        }
    }

    /// Takes a bound socket that another process has handed down. The file of a Unix socket stays that process' own.
    ///
    /// # Errors
    /// If it is no stream socket that is bound to an address on TCP or to a path.
    pub(crate) fn adopt(socket: socket2::Socket) -> io::Result<Self> {
        let bound = socket.local_addr()?;
        let unix = || bound.as_pathname().map(|path| ListenAddress::Unix(path.to_owned()));
        let address = bound.as_socket().map(ListenAddress::Tcp).or_else(unix);
        let address = address.filter(|_| socket.r#type().is_ok_and(|kind| kind == Type::STREAM));
        let address = address.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(Self { socket, address, opened: None, _file: None })
    }

    /// Where it listens, with the port it was given.
    #[must_use]
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Registers it with the event loop that runs here, and listens, which a socket that was handed down may not do yet.
    pub(crate) fn open(&mut self) -> io::Result<()> {
        if self.opened.is_none() {
            listen(&self.socket, BACKLOG)?;
            self.socket.set_nonblocking(true)?;
            let socket = self.socket.try_clone()?;
            self.opened = Some(match &self.address {
                ListenAddress::Tcp(_) => Opened::Tcp(TcpListener::from_std(socket.into())?),
                ListenAddress::Unix(_) => Opened::Unix(UnixListener::from_std(socket.into())?),
            });
        }
        Ok(())
    }

    pub(super) async fn accept(&mut self) -> io::Result<(Socket, Peer)> {
        self.open()?;
        let (socket, transport) = match &self.opened {
            Some(Opened::Tcp(listener)) => {
                let (stream, address) = listener.accept().await?;
                // Without it a small answer waits 40 ms for the peer's delayed ACK.
                let _peer_is_gone = stream.set_nodelay(true).is_err();
                (Socket::Tcp(stream.into_std()?), Transport::Tcp(address))
            }
            Some(Opened::Unix(listener)) => (Socket::Unix(listener.accept().await?.0.into_std()?), Transport::Unix),
            None => return Err(io::ErrorKind::NotConnected.into()),
        };
        Ok((socket, Peer { principal: Principal::anonymous(), transport }))
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Whether there is a socket that refuses connections. Anything else at that path is somebody's.
fn is_abandoned_socket(path: &std::path::Path) -> bool {
    use std::os::unix::{fs::FileTypeExt as _, net::UnixStream};
    std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
        && UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

fn bind_tcp(address: SocketAddr) -> io::Result<socket2::Socket> {
    let socket = tcp_bound(address)?;
    // The kernel takes a port that it chose itself back as soon as a socket stops listening, so it is bound by its number.
    // `chosen` keeps it until then, which two sockets that do not listen may do together.
    let (socket, _chosen) = match socket.local_addr()?.as_socket() {
        Some(chosen) if address.port() == 0 => (tcp_bound(chosen)?, Some(socket)),
        _ => (socket, None),
    };
    socket.listen(BACKLOG)?;
    Ok(socket)
}

fn tcp_bound(address: SocketAddr) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
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

    #[test]
    fn a_taken_port_is_refused_with_its_address() {
        let first = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
        let error = Listener::bind(first.address()).unwrap_err();
        assert_eq!(error.to_string(), format!("listen on {}", first.address()));
    }

    #[test]
    fn a_socket_file_left_by_a_killed_process_is_replaced_and_a_served_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let address = ListenAddress::Unix(path.clone());
        let served = Listener::bind(&address).unwrap();
        assert!(Listener::bind(&address).is_err());
        drop(served);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_no_socket_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.db");
        std::fs::write(&path, b"precious").unwrap();
        assert!(Listener::bind(&ListenAddress::Unix(path.clone())).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }
    #[tokio::test]
    async fn a_listener_that_was_shut_down_refuses_keeps_its_port_and_listens_again_once_it_is_opened() {
        let held = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
        let ListenAddress::Tcp(address) = *held.address() else { panic!("not TCP") };
        rustix::net::shutdown(&held, rustix::net::Shutdown::Both).unwrap();
        let refused = std::net::TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        // Whoever asks for this very port without asking to share it does not get it.
        assert!(socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap().bind(&address.into()).is_err());

        let mut handed = Listener::adopt(held.socket.try_clone().unwrap()).unwrap();
        assert_eq!(handed.address(), held.address());
        handed.open().unwrap();
        let _caller = std::net::TcpStream::connect(address).unwrap();
        handed.accept().await.unwrap();
    }

    #[test]
    fn what_is_no_bound_stream_socket_is_not_adopted() {
        let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(Listener::adopt(datagrams.into()).is_err());
        let (nameless, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(Listener::adopt(nameless.into()).is_err());
    }
}

//! A listener of the fleet: held here for good, lent to processes, and closed to callers while nobody serves it.
//!
//! A port whose only process has died would otherwise take connections that nobody answers, and their callers would wait
//! for the next process instead of failing at once.

use std::{
    cell::{Cell, RefCell},
    os::fd::{AsFd as _, OwnedFd},
    rc::Rc,
};

use anyhow::Context as _;
use mesh::{ListenAddress, server::Listener};
use rustix::net::{Shutdown, shutdown, sockopt::socket_acceptconn};

/// A listener with the number of processes that have it.
#[derive(Debug)]
pub(super) struct Socket {
    address: ListenAddress,
    held: RefCell<Option<Listener>>,
    loans: Cell<usize>,
}

/// The share of one process in a listener, given back when it has ended.
#[derive(Debug)]
pub(super) struct Loan(Rc<Socket>);

impl Socket {
    pub(super) fn new(listener: Listener) -> Rc<Self> {
        let address = listener.address().clone();
        Rc::new(Self { address, held: RefCell::new(Some(listener)), loans: Cell::new(0) })
    }

    pub(super) fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// The descriptor for one more process.
    pub(super) fn lend(self: &Rc<Self>) -> anyhow::Result<(OwnedFd, Loan)> {
        let mut held = self.held.borrow_mut();
        let listener = match &mut *held {
            Some(listener) => listener,
            gone => gone.insert(Listener::bind(&self.address)?),
        };
        let descriptor = listener.as_fd().try_clone_to_owned().context("hand a listener down")?;
        self.loans.set(self.loans.get() + 1);
        Ok((descriptor, Loan(Rc::clone(self))))
    }

    /// Leaves it to the processes that have it: it is closed when they close it, and nobody gets it any more.
    pub(super) fn release(&self) {
        // The file of a Unix socket goes with what is held here, and its processes may still take calls for a while.
        if matches!(self.address, ListenAddress::Tcp(_)) {
            *self.held.borrow_mut() = None;
        }
    }

    /// Refuses callers until the next process listens.
    fn close(&self) {
        match self.address {
            // The port stays bound. One that does not listen, since its process ended before it did, is left alone: shut down
            // in that state it would keep that, and hand it on to every connection that it accepts once it listens again.
            ListenAddress::Tcp(_) => {
                let held = self.held.borrow();
                let listening = held.as_ref().filter(|held| socket_acceptconn(held).unwrap_or(false));
                let _closed = listening.is_some_and(|held| shutdown(held, Shutdown::Both).is_err());
            }
            // A Unix socket would refuse for ever; its path is free for a new one.
            ListenAddress::Unix(_) => *self.held.borrow_mut() = None,
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let left = self.0.loans.get() - 1;
        self.0.loans.set(left);
        if left == 0 {
            self.0.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
        os::unix::net::UnixStream,
    };

    use super::*;

    #[test]
    fn a_port_refuses_once_the_last_process_that_has_it_is_gone() {
        let socket = Socket::new(Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap());
        let ListenAddress::Tcp(address) = *socket.address() else { panic!("not TCP") };
        let ((_, first), (_, second)) = (socket.lend().unwrap(), socket.lend().unwrap());
        drop(first);
        TcpStream::connect(address).unwrap();
        drop(second);
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
        // Handing it down does not open it: that is for the process to do, once it serves.
        let _third = socket.lend().unwrap();
        assert!(TcpStream::connect(address).is_err());
    }

    #[test]
    fn a_port_whose_processes_ended_before_they_listened_serves_the_one_that_does() {
        let socket = Socket::new(Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap());
        let ListenAddress::Tcp(address) = *socket.address() else { panic!("not TCP") };
        for _ in 0..3 {
            drop(socket.lend().unwrap());
        }
        let (descriptor, _loan) = socket.lend().unwrap();
        rustix::net::listen(&descriptor, 16).unwrap();
        let mut caller = TcpStream::connect(address).unwrap();
        let (mut served, _) = TcpListener::from(descriptor).accept().unwrap();
        caller.write_all(b"a").unwrap();
        let mut read = [0];
        assert_eq!((served.read(&mut read).unwrap(), read), (1, *b"a"));
    }

    #[test]
    fn a_unix_socket_is_gone_with_the_last_process_and_there_again_for_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("edge.sock");
        let socket = Socket::new(Listener::bind(&ListenAddress::Unix(path.clone())).unwrap());
        drop(socket.lend().unwrap());
        assert!(UnixStream::connect(&path).is_err());
        let _next = socket.lend().unwrap();
        UnixStream::connect(&path).unwrap();
    }
}

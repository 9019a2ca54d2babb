//! Listeners that whoever started the process has handed down.

use std::{collections::HashMap, io};

use listenfd::ListenFd;

use crate::{
    ListenAddress,
    server::{BindError, Listener},
};

/// The order of listeners that have no names that are known here.
const ORDER: [&str; 3] = ["grpc", "admin", "http"];

/// A listener that was handed down cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InheritError {
    /// The descriptor is something else.
    #[error("descriptor {index} of LISTEN_FDS is no stream socket that is bound to an address")]
    NoListener {
        /// Its place, from 0.
        index: usize,
        /// What the system says of it.
        source: io::Error,
    },
    /// There are more than this service has, or one has a name that is not among its own.
    #[error("this service has no listener for what was handed down as {names}")]
    Unknown {
        /// The names.
        names: String,
    },
}

/// What was handed down and has not been taken yet, by name.
#[derive(Debug, Default)]
pub(super) struct Inherited(HashMap<String, Listener>);

impl Inherited {
    /// Takes what the environment names, once: a child of this process must not find it again.
    pub(super) fn from_environment() -> Result<Self, InheritError> {
        #[allow(clippy::disallowed_methods, reason = "a protocol between processes, and no configuration")]
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut handed = ListenFd::from_env();
        let sockets = (0..handed.len()).map(|index| {
            socket(&mut handed, index)
                .and_then(Listener::adopt)
                .map_err(|source| InheritError::NoListener { index, source })
        });
        Ok(Self::named(&names, sockets.collect::<Result<_, _>>()?))
    }

    fn named(names: &str, listeners: Vec<Listener>) -> Self {
        let names: Vec<_> = names.split(':').collect();
        let known = names.iter().any(|name| ORDER.contains(name));
        let names = if known { names } else { ORDER.to_vec() };
        // One that has no name keeps its number for one, which nobody asks for.
        let name = |index: usize| names.get(index).map_or_else(|| format!("number {index}"), |name| (*name).to_owned());
        Self(listeners.into_iter().enumerate().map(|(index, listener)| (name(index), listener)).collect())
    }

    pub(super) fn take_or_bind(&mut self, name: &str, address: &ListenAddress) -> Result<Listener, BindError> {
        self.0.remove(name).map_or_else(|| Listener::bind(address), Ok)
    }

    /// Refuses what nobody took: whoever handed it down believes that it is served.
    pub(super) fn finish(self) -> Result<(), InheritError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut names: Vec<_> = self.0.into_keys().collect();
        names.sort();
        Err(InheritError::Unknown { names: names.join(", ") })
    }
}

fn socket(handed: &mut ListenFd, index: usize) -> io::Result<socket2::Socket> {
    let tcp = handed.take_tcp_listener(index);
    let socket = match tcp {
        Ok(tcp) => tcp.map(Into::into),
        Err(_) => handed.take_unix_listener(index)?.map(Into::into),
    };
    socket.ok_or_else(|| io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listeners(count: usize) -> (Vec<Listener>, Vec<ListenAddress>) {
        let listeners: Vec<_> = (0..count).map(|_| Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap()).collect();
        let addresses = listeners.iter().map(|listener| listener.address().clone()).collect();
        (listeners, addresses)
    }

    fn taken(inherited: &mut Inherited, name: &str) -> ListenAddress {
        inherited.take_or_bind(name, &"127.0.0.1:0".parse().unwrap()).unwrap().address().clone()
    }

    #[test]
    fn listeners_are_taken_by_their_names_and_what_was_not_handed_down_is_bound() {
        let (listeners, at) = listeners(2);
        let mut inherited = Inherited::named("http:grpc", listeners);
        assert_eq!((taken(&mut inherited, "grpc"), taken(&mut inherited, "http")), (at[1].clone(), at[0].clone()));
        assert!(!at.contains(&taken(&mut inherited, "admin")));
        inherited.finish().unwrap();
    }

    #[test]
    fn listeners_without_names_that_are_known_are_taken_in_the_agreed_order() {
        for names in ["", "souk.socket:souk.socket:souk.socket"] {
            let (listeners, at) = listeners(3);
            let mut inherited = Inherited::named(names, listeners);
            for (name, address) in ["grpc", "admin", "http"].into_iter().zip(at) {
                assert_eq!(taken(&mut inherited, name), address, "{name}");
            }
        }
    }

    #[test]
    fn a_listener_that_nobody_takes_is_refused_by_its_name() {
        let mut inherited = Inherited::named("grpc:http", listeners(3).0);
        taken(&mut inherited, "grpc");
        let refused = inherited.finish().unwrap_err().to_string();
        assert!(refused.ends_with("http, number 2"), "{refused}");
    }
}

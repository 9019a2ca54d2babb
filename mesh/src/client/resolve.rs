//! Turns an address into endpoints, anew at every connect.

use std::{io, net::SocketAddr, path::PathBuf};

use crate::address::Address;

/// One place to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// The endpoints of an address now, at least one. Names go through the system's resolver, so `/etc/hosts` and the pod's
/// `resolv.conf` hold; a headless Service gives one endpoint a pod.
pub(super) async fn resolve(address: &Address) -> io::Result<Vec<Endpoint>> {
    match address {
        Address::Static(endpoints) => Ok(endpoints.iter().copied().map(Endpoint::Tcp).collect()),
        Address::Unix(path) => Ok(vec![Endpoint::Unix(path.clone())]),
        Address::Dns { host, port } => {
            let found: Vec<_> = tokio::net::lookup_host((host.as_str(), *port)).await?.map(Endpoint::Tcp).collect();
            if found.is_empty() {
                Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
            } else {
                Ok(found)
            }
        }
    }
}

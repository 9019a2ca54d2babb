//! Where a target is, and where a server listens.
//!
//! Targets are written as gRPC clients write them (grpc/doc/naming.md): `dns:HOST:PORT`, `ipv4:A:P,B:P`, `ipv6:[A]:P`,
//! `unix:PATH`, bare `HOST:PORT`, and a bare list `A:P,B:P`.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Where a target's endpoints are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A name whose addresses are all endpoints, looked up again and again, with the port.
    Dns { host: String, port: u16 },
    /// Endpoints that do not change, at least one.
    Static(Vec<SocketAddr>),
    /// A Unix domain socket.
    Unix(PathBuf),
}

/// A target or listen address that could not be understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{input:?} is not an address: write {expected}")]
pub struct ParseAddressError {
    input: String,
    expected: &'static str,
}

const TARGET_FORMS: &str = "HOST:PORT, dns:HOST:PORT, IP:PORT,IP:PORT… or unix:PATH";
const LISTEN_FORMS: &str = "IP:PORT (port 0 takes a free one), localhost:PORT or unix:PATH";

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        let invalid = || ParseAddressError { input: input.to_owned(), expected: TARGET_FORMS };
        if let Some(path) = input.strip_prefix("unix:") {
            return unix_path(path).map(Self::Unix).ok_or_else(invalid);
        }
        if let Some(list) = input.strip_prefix("ipv4:").or_else(|| input.strip_prefix("ipv6:")) {
            return endpoints(list).map(Self::Static).ok_or_else(invalid);
        }
        let name = input.strip_prefix("dns:").unwrap_or(input);
        let name = name.strip_prefix("///").unwrap_or(name);
        // Only endpoints have commas between them, so a list needs no scheme.
        if let Some(endpoints) = endpoints(name) {
            return Ok(Self::Static(endpoints));
        }
        let (host, port) = name.rsplit_once(':').ok_or_else(invalid)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(invalid)?;
        let named = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        if named { Ok(Self::Dns { host: host.to_owned(), port }) } else { Err(invalid()) }
    }
}

/// Endpoints with commas between them; none of them can have port 0.
fn endpoints(list: &str) -> Option<Vec<SocketAddr>> {
    let endpoint = |one: &str| one.parse().ok().filter(|endpoint: &SocketAddr| endpoint.port() != 0);
    list.split(',').map(endpoint).collect()
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns { host, port } => write!(f, "dns:{host}:{port}"),
            Self::Unix(path) => write_unix(f, path),
            Self::Static(endpoints) => {
                let list: Vec<_> = endpoints.iter().map(ToString::to_string).collect();
                f.write_str(&list.join(","))
            }
        }
    }
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// TCP; port 0 takes a free port.
    Tcp(SocketAddr),
    /// A Unix domain socket, made anew: a socket file that nobody serves any more is replaced.
    Unix(PathBuf),
}

impl FromStr for ListenAddress {
    type Err = ParseAddressError;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        let invalid = || ParseAddressError { input: input.to_owned(), expected: LISTEN_FORMS };
        match input.strip_prefix("unix:") {
            Some(path) => unix_path(path).map(Self::Unix).ok_or_else(invalid),
            None => {
                let numeric = input.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
                numeric.as_deref().unwrap_or(input).parse().map(Self::Tcp).map_err(|_| invalid())
            }
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write_unix(f, path),
        }
    }
}

/// Two slashes at the beginning of a path would be read as those of `unix://`.
fn write_unix(f: &mut fmt::Formatter<'_>, path: &Path) -> fmt::Result {
    let slashes = if path.as_os_str().as_encoded_bytes().starts_with(b"//") { "//" } else { "" };
    write!(f, "unix:{slashes}{}", path.display())
}

/// The path of `unix:PATH` or `unix://PATH`; a path that is empty is none.
fn unix_path(rest: &str) -> Option<PathBuf> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    (!path.is_empty()).then(|| path.into())
}

impl ListenAddress {
    /// The address a client on this machine dials to reach this listener.
    #[must_use]
    pub fn dial(&self) -> Address {
        match self {
            Self::Tcp(address) => {
                let mut address = *address;
                if address.ip().is_unspecified() {
                    address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
                }
                Address::Static(vec![address])
            }
            Self::Unix(path) => Address::Unix(path.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_as_grpc_names_them() {
        let dns = Address::Dns { host: "catalog".into(), port: 50052 };
        for name in ["catalog:50052", "dns:catalog:50052", "dns:///catalog:50052"] {
            assert_eq!(name.parse(), Ok(dns.clone()), "{name}");
        }
        assert_eq!("unix:/run/a.sock".parse(), Ok(Address::Unix("/run/a.sock".into())));
        assert_eq!("unix:///run/a.sock".parse(), Ok(Address::Unix("/run/a.sock".into())));
        let two = Address::Static(vec!["10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap()]);
        for list in ["ipv4:10.0.0.1:1,10.0.0.2:2", "10.0.0.1:1,10.0.0.2:2", &two.to_string()] {
            assert_eq!(list.parse(), Ok(two.clone()), "{list}");
        }
        assert_eq!("[::1]:80".parse(), Ok(Address::Static(vec!["[::1]:80".parse().unwrap()])));
    }

    #[test]
    fn a_nonsensical_target_is_refused_with_the_forms_that_work() {
        let nowhere =
            ["", "catalog", "catalog:", "catalog:0", "10.0.0.1:0", "ipv4:10.0.0.1:1,10.0.0.2:0", "unix:", "unix://"];
        for name in nowhere.into_iter().chain(["catalog:99999", "http://catalog:1", "ipv4:x:1", "10.0.0.1:1,"]) {
            let error = name.parse::<Address>().expect_err(name).to_string();
            assert!(error.contains("dns:HOST:PORT"), "{error}");
        }
    }

    #[test]
    fn an_address_is_written_so_that_it_is_read_again() {
        for text in ["catalog:1", "ipv4:10.0.0.1:1,10.0.0.2:2", "ipv6:[::1]:1,[::2]:2", "unix:a", "unix:////a"] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string().parse(), Ok(address), "{text}");
        }
        assert!("unix://".parse::<ListenAddress>().is_err());
    }

    #[test]
    fn a_listener_on_every_interface_is_dialled_on_loopback() {
        let listen: ListenAddress = "0.0.0.0:50051".parse().unwrap();
        assert_eq!(listen.dial(), "127.0.0.1:50051".parse().unwrap());
    }
}

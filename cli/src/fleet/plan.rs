//! Who runs where: every replica with its listeners, all of them bound before anything is started.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
};

use anyhow::Context as _;
use mesh::{Address, ListenAddress, server::Listener};

use super::{
    options::Options,
    services::{SERVICES, Service},
    socket::Socket,
};
use crate::shop::{Addresses, CHOOSE_ANOTHER, bind};

/// One replica's place.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) service: &'static Service,
    /// `service.number`, from 1.
    pub(super) name: String,
    /// By the names under which they are handed down.
    pub(super) sockets: Vec<(&'static str, Rc<Socket>)>,
}

impl Place {
    /// Where it listens under this name.
    pub(super) fn address(&self, name: &str) -> Option<&ListenAddress> {
        self.sockets.iter().find(|(its, _)| *its == name).map(|(_, socket)| socket.address())
    }
}

/// All places, those of a service together.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) places: Vec<Place>,
    /// Where people find the shop.
    pub(super) addresses: Addresses,
    /// The services that run elsewhere, and where.
    pub(super) external: BTreeMap<&'static str, Address>,
}

impl Plan {
    /// Binds every listener.
    ///
    /// # Errors
    /// If one is taken, or options exclude each other; with the option.
    pub(super) fn bind(options: &Options) -> anyhow::Result<Self> {
        let shop = &options.shop;
        let replicas = |service: &'static Service| Ok((service, options.replicas_of(service.name)?));
        let replicas = SERVICES.iter().map(replicas).collect::<anyhow::Result<Vec<_>>>()?;
        let (http, grpc) = (Socket::new(bind("--http", &shop.http)?), Socket::new(bind("--grpc", &shop.grpc)?));
        // Nobody but the fleet itself calls a service, so these are on loopback wherever the edge is.
        let after_edge = match shop.grpc {
            ListenAddress::Tcp(edge) => SocketAddr::from((Ipv4Addr::LOCALHOST, edge.port())),
            ListenAddress::Unix(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        };
        let mut services = (1..).map(|offset| nth(&ListenAddress::Tcp(after_edge), offset));
        let mut admins = (0..).map(|offset| nth(&shop.admin, offset));
        let mut places = Vec::new();
        for (service, count) in replicas {
            for number in 1..=count {
                let name = format!("{}.{number}", service.name);
                let take = |flag: &str, address: Option<Option<ListenAddress>>| {
                    let address = address.flatten().with_context(|| format!("{flag}: no port is left for {name}"))?;
                    let listener = Listener::bind(&address);
                    let listener = listener.with_context(|| format!("{flag}: for {name}; {CHOOSE_ANOTHER}"))?;
                    Ok::<_, anyhow::Error>(Socket::new(listener))
                };
                let mut sockets = vec![("admin", take("--admin", admins.next())?)];
                if service.front {
                    sockets.extend([("http", Rc::clone(&http)), ("grpc", Rc::clone(&grpc))]);
                } else {
                    sockets.push(("grpc", take("--grpc", services.next())?));
                }
                places.push(Place { service, name, sockets });
            }
        }
        let admin = places.first().and_then(|place| place.address("admin")).context("the fleet is empty")?.clone();
        let addresses = Addresses { http: http.address().clone(), grpc: grpc.address().clone(), admin };
        let external = |service: &Service| Some((service.name, options.external(service.name)?.clone()));
        Ok(Self { places, addresses, external: SERVICES.iter().filter_map(external).collect() })
    }

    /// Every endpoint of a service, as its callers are told.
    pub(super) fn target(&self, service: &str) -> Option<Address> {
        if let Some(elsewhere) = self.external.get(service) {
            return Some(elsewhere.clone());
        }
        let of = self.places.iter().filter(|place| place.service.name == service);
        super::target(of.filter_map(|place| place.address("grpc")))
    }
}

/// The address `offset` ports further on; a free one where the first is one, a file of its own beside a file.
fn nth(first: &ListenAddress, offset: u16) -> Option<ListenAddress> {
    match first {
        ListenAddress::Tcp(address) if address.port() == 0 => Some(ListenAddress::Tcp(*address)),
        ListenAddress::Tcp(address) => {
            let port = address.port().checked_add(offset)?;
            Some(ListenAddress::Tcp(SocketAddr::new(address.ip(), port)))
        }
        ListenAddress::Unix(path) if offset == 0 => Some(ListenAddress::Unix(path.clone())),
        ListenAddress::Unix(path) => {
            let mut path = path.clone().into_os_string();
            path.push(format!(".{offset}"));
            Some(ListenAddress::Unix(path.into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ports_after_the_first_are_taken_in_turn_and_free_ones_stay_free_ones() {
        let nth = |first: &str, offset| nth(&first.parse().unwrap(), offset).map(|address| address.to_string());
        assert_eq!(nth("127.0.0.1:9901", 2).unwrap(), "127.0.0.1:9903");
        assert_eq!(nth("127.0.0.1:0", 2).unwrap(), "127.0.0.1:0");
        assert_eq!(nth("127.0.0.1:65535", 1), None);
        assert_eq!(nth("unix:/run/admin", 1).unwrap(), "unix:/run/admin.1");
    }
}

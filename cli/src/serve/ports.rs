//! The three ports of the shop, bound before anything is started: a port that is taken must not cost a migration.

use anyhow::Context as _;
use mesh::{ListenAddress, Process, server::Listener};

use super::Options;

/// Bound listeners that nothing is accepted from yet.
pub(super) struct Ports {
    pub(super) http: Listener,
    pub(super) grpc: Listener,
    pub(super) admin: Listener,
}

/// Where they listen.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    pub(super) http: ListenAddress,
    pub(super) grpc: ListenAddress,
    pub(super) admin: ListenAddress,
}

impl Ports {
    pub(super) fn bind(process: &Process, options: &Options) -> anyhow::Result<Self> {
        let bind = |flag: &str, address: &ListenAddress| {
            process.bind(address).with_context(|| format!("{flag}: choose another address, or port 0 for a free one"))
        };
        Ok(Self {
            http: bind("--http", &options.http)?,
            grpc: bind("--grpc", &options.grpc)?,
            admin: bind("--admin", &options.admin)?,
        })
    }

    pub(super) fn addresses(&self) -> Addresses {
        Addresses {
            http: self.http.address().clone(),
            grpc: self.grpc.address().clone(),
            admin: self.admin.address().clone(),
        }
    }
}

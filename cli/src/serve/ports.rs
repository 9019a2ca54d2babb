//! The three ports of the shop, bound before anything is started: a port that is taken must not cost a migration.

use mesh::server::Listener;

use super::Options;
use crate::shop::{Addresses, bind};

/// Bound listeners that nothing is accepted from yet.
pub(super) struct Ports {
    pub(super) http: Listener,
    pub(super) grpc: Listener,
    pub(super) admin: Listener,
}

impl Ports {
    pub(super) fn bind(options: &Options) -> anyhow::Result<Self> {
        Ok(Self {
            http: bind("--http", &options.shop.http)?,
            grpc: bind("--grpc", &options.shop.grpc)?,
            admin: bind("--admin", &options.shop.admin)?,
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

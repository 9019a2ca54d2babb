//! The application interface: web pages for shoppers, and one gRPC port ("the edge") for the whole fleet.
//!
//! Storefront owns no data. The edge forwards calls byte for byte and answers health and reflection for every service
//! behind it; the pages ask the same services with generated clients. This file composes.

mod config;
pub mod edge;
mod health;
mod web;

use std::process::ExitCode;

use mesh::{
    Builder, Clients, Directory, Inbound, Process, Standalone, Target, client::ClientConfig, server::InboundConfig,
    standalone::RunError,
};

pub use config::{Config, Network, NetworkError, Options};
pub use health::Fleet;
pub use web::{Links, Web};

use edge::Edge;
use rpc::access::{Access, AccessError};

const NAME: &str = "storefront";
const CATALOG: Target = Target::new("catalog").on_port(50052);
const CART: Target = Target::new("cart").on_port(50054);
const CHECKOUT: Target = Target::new("checkout").on_port(50056);
const INVENTORY: Target = Target::new("inventory").on_port(50053);
const PAYMENT: Target = Target::new("payment").on_port(50057);
const SEARCH: Target = Target::new("search").on_port(50055);

/// The services that storefront calls, each of which the edge forwards to.
pub const CALLS: &[Target] = &[CART, CATALOG, CHECKOUT, INVENTORY, PAYMENT, SEARCH];

/// A started storefront, to be served.
#[derive(Clone, Debug)]
pub struct Storefront {
    /// The edge, with health and reflection for the fleet.
    pub inbound: Inbound,
    /// The web pages.
    pub web: Web,
}

/// Storefront could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The contracts cannot be read.
    #[error("read the contracts")]
    Contracts(#[from] mesh::methods::DescriptorError),
    /// The contracts do not say who may call what.
    #[error("read who each RPC is for")]
    Access(#[from] AccessError),
    /// A client is missing in [`CALLS`].
    #[error("make a client")]
    Client(#[from] mesh::directory::UndeclaredTarget),
    /// The inbound stack cannot be built.
    #[error("build the edge")]
    Inbound(#[from] mesh::server::BuildError),
}

/// Builds the edge and the pages, and says that storefront is ready. `directory` says where the services of [`CALLS`]
/// are, at the latest when they are first called.
///
/// # Errors
/// If the contracts and [`CALLS`] do not fit together.
pub fn start(config: &Config, process: &Process, directory: &Directory) -> Result<Storefront, StartError> {
    let contracts = contracts::FILE_DESCRIPTOR_SET;
    let clients = Clients::new(process, directory, NAME, CALLS, &[contracts], ClientConfig::default())?;
    let access = Access::read(contracts)?;
    let fleet = Fleet::new(&clients, &access, process, config.health_timeout)?;
    let web = Web::new(config, fleet.clone(), &clients, process.metrics())?;

    let inbound = access
        .services_of(CALLS)
        .fold(Builder::new(NAME).descriptors(contracts), |builder, (service, _)| builder.list(service))
        .without_health()
        .add_service(fleet.server())
        .fallback(Edge::new(&clients, access)?)
        .build(process, InboundConfig::default())?;
    // It is ready by itself: its readiness says nothing of the services behind it.
    process.health().set(NAME, true);
    Ok(Storefront { inbound, web })
}

/// Runs storefront as a process of its own until it is told to stop.
///
/// # Errors
/// If an address is taken, or the process cannot be started.
pub fn run(options: Options) -> Result<ExitCode, RunError> {
    let mut standalone = Standalone::new(NAME, options.standalone)?;
    options.targets.enter(standalone.directory());
    let (http, grpc) = (standalone.bind("http", &options.http)?, standalone.bind("grpc", &options.grpc)?);
    let links = Links { grpc: grpc.address().clone(), admin: standalone.admin().clone() };
    standalone.run(async |process, directory| {
        let Storefront { inbound, web } = start(&options.config, process, directory)?;
        process.serve_grpc(grpc, inbound);
        process.serve_http(http, NAME, web.with_links(links));
        Ok(())
    })
}

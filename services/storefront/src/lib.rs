//! The application interface: web pages for shoppers, and one gRPC port ("the edge") for the whole fleet.
//!
//! Storefront owns no data. The edge forwards calls byte for byte and answers health and reflection for every service
//! behind it; the pages ask the same services with generated clients. This file composes.

mod config;
pub mod edge;
mod health;
mod web;

use std::process::ExitCode;

use contracts::catalog::v1::catalog_service_client::CatalogServiceClient;
use mesh::{Builder, Clients, Directory, Inbound, Process, Target, client::ClientConfig, server::InboundConfig};

pub use config::{Config, Options, Targets};
pub use health::Fleet;
pub use web::{Links, Web};

use edge::{Access, Edge};

const NAME: &str = "storefront";
const CATALOG: Target = Target::new("catalog");

/// The services that storefront calls, each of which the edge forwards to.
pub const CALLS: &[Target] = &[CATALOG];

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
    Access(#[from] edge::AccessError),
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
    let catalog = CatalogServiceClient::new(clients.channel(CATALOG)?);
    let web = Web::new(fleet.clone(), catalog, config.page_timeout, process.metrics());

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
pub fn run(options: Options) -> anyhow::Result<ExitCode> {
    let process = Process::start(NAME, options.process, None)?;
    let directory = Directory::default();
    options.targets.enter(&directory);
    let (http, grpc, admin) =
        (process.bind(&options.http)?, process.bind(&options.grpc)?, process.bind(&options.admin)?);
    let links = Links { grpc: grpc.address().clone(), admin: admin.address().clone() };
    let listening = [
        ("service", NAME.to_owned()),
        ("http", http.address().to_string()),
        ("grpc", grpc.address().to_string()),
        ("admin", admin.address().to_string()),
    ];

    let storefront = start(&options.config, &process, &directory)?;
    process.serve_admin(admin);
    process.serve_grpc(grpc, storefront.inbound);
    process.serve_http(http, NAME, storefront.web.with_links(links));
    Ok(process.block_on(async {
        process.health().ready().await;
        options.output.print("listening", &listening);
        process.until_stopped().await.into()
    }))
}

//! Generated clients over the mesh's own channels, to an address on this machine.

use std::{sync::OnceLock, time::Duration};

use contracts::catalog::v1::catalog_service_client::CatalogServiceClient;
use mesh::{
    Channel, Clients, Directory, Process, Target,
    client::ClientConfig,
    health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient},
    process::Options,
};
use tonic::Status;

/// A client of the catalog.
pub type Catalog = CatalogServiceClient<Channel>;
/// A client of `grpc.health.v1`.
pub type Health = HealthClient<Channel>;

const CALLED: Target = Target::new("called");

/// A channel to `address`, with one connection.
///
/// # Panics
/// If the address is none.
#[must_use]
pub fn channel(address: &str) -> Channel {
    let directory = Directory::default();
    directory.remote(CALLED.name(), address.parse().expect("an address"));
    let config = ClientConfig {
        connections_per_loop: 1,
        // Tests take things away and bring them back.
        backoff_max: Duration::from_millis(200),
        ..ClientConfig::default()
    };
    let descriptors = [contracts::FILE_DESCRIPTOR_SET];
    let clients = Clients::new(process(), &directory, "tests", &[CALLED], &descriptors, config).expect("clients");
    clients.channel(CALLED).expect("a declared target")
}

/// A client of the catalog at `address`.
#[must_use]
pub fn catalog(address: &str) -> Catalog {
    CatalogServiceClient::new(channel(address))
}

/// A client of the health of whatever is at `address`.
#[must_use]
pub fn health(address: &str) -> Health {
    HealthClient::new(channel(address))
}

/// What `service` says of its health.
///
/// # Errors
/// As the call.
pub async fn status_of(health: &Health, service: &str) -> Result<ServingStatus, Status> {
    let asked = HealthCheckRequest { service: service.to_owned() };
    Ok(health.clone().check(asked).await?.into_inner().status())
}

/// What every channel of a test process stands on. It lives as long as the process.
fn process() -> &'static Process {
    static PROCESS: OnceLock<Process> = OnceLock::new();
    PROCESS.get_or_init(|| {
        let options = Options { log: "off".into(), cores: 1, ..Options::default() };
        Process::start("system-tests", options, None).expect("start the caller's process")
    })
}

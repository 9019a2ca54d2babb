//! Generated clients over the mesh's own channels, to an address on this machine.

use std::{sync::OnceLock, time::Duration};

use contracts::{
    cart::v1::cart_service_client::CartServiceClient, catalog::v1::catalog_service_client::CatalogServiceClient,
    inventory::v1::inventory_service_client::InventoryServiceClient,
    search::v1::search_service_client::SearchServiceClient,
};
use mesh::{
    Channel, Clients, Directory, Process, Target,
    client::ClientConfig,
    health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient},
    process::Options,
};
use tonic::Status;

/// A client of the carts.
pub type Cart = CartServiceClient<Channel>;
/// A client of the catalog.
pub type Catalog = CatalogServiceClient<Channel>;
/// A client of the inventory.
pub type Inventory = InventoryServiceClient<Channel>;
/// A client of search.
pub type Search = SearchServiceClient<Channel>;
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

/// The same for an operator of every shop that this process starts.
///
/// # Panics
/// If the address is none.
#[must_use]
pub fn operator(address: &str) -> Channel {
    channel(address).with_token(test_operator::bearer())
}

/// A client of the carts at `address`.
#[must_use]
pub fn cart(address: &str) -> Cart {
    CartServiceClient::new(channel(address))
}

/// An operator's client of the catalog at `address`.
#[must_use]
pub fn catalog(address: &str) -> Catalog {
    CatalogServiceClient::new(operator(address))
}

/// An operator's client of the inventory at `address`.
#[must_use]
pub fn inventory(address: &str) -> Inventory {
    InventoryServiceClient::new(operator(address))
}

/// A client of search at `address`.
#[must_use]
pub fn search(address: &str) -> Search {
    SearchServiceClient::new(channel(address))
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

//! Health and reflection of the whole fleet at the edge.

use std::{collections::BTreeMap, time::Duration};

use futures_util::stream;
use mesh::{
    Builder, Channel, Directory, ListenAddress, Process,
    drain::Phase,
    health::pb::{
        HealthCheckRequest, HealthListRequest,
        health_check_response::ServingStatus::{self, NotServing, ServiceUnknown, Serving},
        health_client::HealthClient,
    },
    server::InboundConfig,
};
use storefront::Config;
use tonic::{Code, Streaming};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::raw::{PATIENCE, Way, caller, enter, process};

const CATALOG: &str = "souk.catalog.v1.CatalogService";
/// What the edge answers for, in the order of the names: of these only the catalog is there in these tests.
const BEHIND: [&str; 6] = [
    "souk.cart.v1.CartService",
    CATALOG,
    "souk.checkout.v1.CheckoutService",
    "souk.inventory.v1.InventoryService",
    "souk.payment.v1.PaymentService",
    "souk.search.v1.SearchService",
];

/// A catalog that has nothing but its health, in a process of its own.
fn catalog(address: &ListenAddress) -> (Process, ListenAddress) {
    let process = process("catalog");
    let listener = process.bind(address).unwrap();
    let bound = listener.address().clone();
    let inbound = Builder::new("catalog").build(&process, InboundConfig::default()).unwrap();
    process.serve_grpc(listener, inbound);
    process.health().set(CATALOG, true);
    (process, bound)
}

/// A storefront and a caller of its edge.
struct Shop {
    process: Process,
    caller: Channel,
}

impl Shop {
    fn before(catalog: &ListenAddress) -> Self {
        let (process, directory) = (process("storefront"), Directory::default());
        directory.remote("catalog", catalog.dial());
        let storefront = storefront::start(&Config::default(), &process, &directory).unwrap();
        enter(&process, &directory, Way::Tcp, storefront.inbound);
        let caller = caller(&process, &directory, contracts::FILE_DESCRIPTOR_SET);
        Self { process, caller }
    }

    async fn check(&self, service: &str) -> Result<ServingStatus, Code> {
        let request = HealthCheckRequest { service: service.into() };
        let answer = HealthClient::new(self.caller.clone()).check(request).await;
        answer.map(|answer| answer.get_ref().status()).map_err(|error| error.code())
    }

    async fn list(&self) -> BTreeMap<String, ServingStatus> {
        let list = HealthClient::new(self.caller.clone()).list(HealthListRequest {}).await.unwrap().into_inner();
        list.statuses.into_iter().map(|(name, answer)| (name, answer.status())).collect()
    }

    async fn watch(&self, service: &str) -> Watch {
        let request = HealthCheckRequest { service: service.into() };
        Watch(HealthClient::new(self.caller.clone()).watch(request).await.unwrap().into_inner())
    }
}

struct Watch(Streaming<mesh::health::pb::HealthCheckResponse>);

impl Watch {
    async fn next(&mut self) -> ServingStatus {
        tokio::time::timeout(PATIENCE, self.0.message()).await.unwrap().unwrap().unwrap().status()
    }
}

fn any_port() -> ListenAddress {
    "127.0.0.1:0".parse().unwrap()
}

#[tokio::test]
async fn the_edge_tells_the_health_of_itself_and_of_the_services_behind_it() {
    let (catalog, address) = catalog(&any_port());
    let shop = Shop::before(&address);
    for name in ["", "storefront", "readiness", "liveness", CATALOG] {
        assert_eq!(shop.check(name).await, Ok(Serving), "{name:?}");
    }
    for name in ["souk.acquirer.v1.AcquirerService", "catalog", "mesh.identity.v1.IdentityService"] {
        assert_eq!(shop.check(name).await, Err(Code::NotFound), "{name}");
    }
    let listed = |catalog: ServingStatus| {
        let behind = BEHIND.map(|name| (name, if name == CATALOG { catalog } else { NotServing }));
        let all = [("", Serving), ("storefront", Serving)].into_iter().chain(behind);
        all.map(|(name, status)| (name.to_owned(), status)).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(shop.list().await, listed(Serving));

    catalog.health().set(CATALOG, false);
    assert_eq!(shop.check(CATALOG).await, Ok(NotServing));
    assert_eq!(shop.check("").await, Ok(Serving), "another service's health is not storefront's");
    assert_eq!(shop.list().await, listed(NotServing));
}

#[tokio::test]
async fn a_service_in_the_same_process_is_told_once_and_by_its_own_name() {
    let (process, directory) = (process("souk"), Directory::default());
    let catalog = Builder::new("catalog").build(&process, InboundConfig::default()).unwrap();
    enter(&process, &directory, Way::InProcess, catalog);
    let storefront = storefront::start(&Config::default(), &process, &directory).unwrap();
    enter(&process, &directory, Way::InProcess, storefront.inbound);
    let caller = caller(&process, &directory, contracts::FILE_DESCRIPTOR_SET);
    let shop = Shop { process, caller };

    shop.process.health().set(CATALOG, true);
    assert_eq!(shop.list().await.into_keys().collect::<Vec<_>>(), [&[""], &BEHIND[..], &["storefront"]].concat());
    assert_eq!((shop.check(CATALOG).await, shop.check("").await), (Ok(Serving), Ok(Serving)));
    shop.process.health().set(CATALOG, false);
    assert_eq!((shop.check(CATALOG).await, shop.check("").await), (Ok(NotServing), Ok(NotServing)));
}

#[tokio::test]
async fn a_service_that_is_away_is_not_serving_and_a_watch_outlives_it() {
    let (first, address) = catalog(&any_port());
    let shop = Shop::before(&address);
    let mut watch = shop.watch(CATALOG).await;
    assert_eq!(watch.next().await, Serving);
    first.health().set(CATALOG, false);
    assert_eq!(watch.next().await, NotServing);
    first.health().set(CATALOG, true);
    assert_eq!(watch.next().await, Serving);

    first.stop(Duration::ZERO).await;
    assert_eq!(watch.next().await, NotServing);
    assert_eq!(shop.check(CATALOG).await, Ok(NotServing));
    drop(first);

    let (_second, _) = catalog(&address);
    assert_eq!(watch.next().await, Serving, "the watch finds the new catalog by itself");
}

#[tokio::test]
async fn a_name_that_nobody_has_can_be_watched() {
    let (_catalog, address) = catalog(&any_port());
    let mut watch = Shop::before(&address).watch("souk.late.v1.LateService").await;
    assert_eq!(watch.next().await, ServiceUnknown);
}

#[tokio::test]
async fn from_the_first_moment_of_its_drain_the_edge_serves_nothing_and_nobody() {
    let (catalog, address) = catalog(&any_port());
    let shop = Shop::before(&address);
    let (mut own, mut upstream) = (shop.watch("").await, shop.watch(CATALOG).await);
    assert_eq!((own.next().await, upstream.next().await), (Serving, Serving));

    // What a process does at SIGTERM, without the time limits that follow.
    shop.process.health().drain();
    shop.process.drain().advance(Phase::Leaving);
    assert_eq!((own.next().await, upstream.next().await), (NotServing, NotServing));
    for name in ["", "storefront", CATALOG] {
        assert_eq!(shop.check(name).await, Ok(NotServing), "{name:?}");
    }
    assert!(shop.list().await.values().all(|status| *status == NotServing));
    assert_eq!(catalog.health().get(CATALOG), Some(true), "catalog itself serves");
}

#[tokio::test]
async fn reflection_lists_what_the_edge_answers_and_describes_every_contract() {
    let (_catalog, address) = catalog(&any_port());
    let shop = Shop::before(&address);
    let ask = async |message: MessageRequest| {
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(message) };
        let mut client = ServerReflectionClient::new(shop.caller.clone());
        let mut answers = client.server_reflection_info(stream::iter([request])).await.unwrap().into_inner();
        answers.message().await.unwrap().unwrap().message_response.unwrap()
    };

    let MessageResponse::ListServicesResponse(list) = ask(MessageRequest::ListServices(String::new())).await else {
        panic!("no list of services")
    };
    let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    names.sort_unstable();
    let reflection = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];
    assert_eq!(names, [&["grpc.health.v1.Health"], &reflection[..], &BEHIND[..]].concat());

    for symbol in [CATALOG, "souk.search.v1.SearchService", "souk.event.v1.Event", "grpc.health.v1.Health"] {
        let answer = ask(MessageRequest::FileContainingSymbol(symbol.into())).await;
        assert!(matches!(answer, MessageResponse::FileDescriptorResponse(_)), "{symbol}: {answer:?}");
    }
}

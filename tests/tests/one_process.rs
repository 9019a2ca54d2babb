//! The whole shop in one process: `souk serve`, as a person or a script starts it.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context as _, ensure};
use contracts::{
    catalog::v1::{GetProductRequest, ImportProductsRequest, ListProductsRequest, Product, UpdateProductRequest},
    google::r#type::Money,
};
use mesh::health::pb::health_check_response::ServingStatus;
use system_tests::{
    Catalog, Running, Shop, Signal, catalog, channel, eventually, get, health, message, status_of, upload,
};
use tokio::net::TcpStream;
use tonic::Code;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};
use tonic_types::StatusExt as _;

const CART: &str = "souk.cart.v1.CartService";
const CATALOG: &str = "souk.catalog.v1.CatalogService";
const CHECKOUT: &str = "souk.checkout.v1.CheckoutService";
const INVENTORY: &str = "souk.inventory.v1.InventoryService";
const PAYMENT: &str = "souk.payment.v1.PaymentService";
const SEARCH: &str = "souk.search.v1.SearchService";
const GET_PRODUCT: &str = "/souk.catalog.v1.CatalogService/GetProduct";

/// Products of the demo catalogue, at least.
const DEMO_PRODUCTS_MIN: usize = 120;

/// Every product's id, through pages of `page_size`.
async fn list(catalog: &mut Catalog, page_size: i32) -> Vec<String> {
    let (mut ids, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = ListProductsRequest { page_size, page_token, ..ListProductsRequest::default() };
        let page = catalog.list_products(page).await.unwrap().into_inner();
        assert!(page.products.len() <= usize::try_from(page_size).unwrap());
        ids.extend(page.products.into_iter().map(|product| product.product_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return ids;
        }
    }
}

async fn product(catalog: &mut Catalog, product_id: &str) -> Product {
    let request = GetProductRequest { product_id: product_id.to_owned() };
    catalog.get_product(request).await.unwrap().into_inner().product.unwrap()
}

fn rename(product: &Product, name: &str) -> UpdateProductRequest {
    let product = Product {
        product_id: product.product_id.clone(),
        etag: product.etag.clone(),
        name: name.to_owned(),
        ..Product::default()
    };
    let request_id = uuid::Uuid::new_v4().to_string();
    UpdateProductRequest { product: Some(product), request_id, ..UpdateProductRequest::default() }
}

fn reason(status: &tonic::Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

async fn ask(client: &mut ServerReflectionClient<mesh::Channel>, question: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let mut answers = client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
    answers.message().await.unwrap().unwrap().message_response.unwrap()
}

#[tokio::test]
async fn what_is_printed_is_true_and_every_port_answers() {
    let shop = Shop::open(&[]).await;
    let (status, _page) = get(&shop.http, "/").await.unwrap();
    assert_eq!(status, 200);
    let (status, ready) = get(&shop.admin, "/readyz").await.unwrap();
    assert_eq!(status, 200, "{ready}");
    for service in [CART, CATALOG, CHECKOUT, INVENTORY, PAYMENT, SEARCH] {
        assert!(ready.contains(&format!("{service}: ready")), "{ready}");
    }
    let (health, admin) = (health(&shop.grpc), system_tests::health(&shop.admin));
    for service in ["", CART, CATALOG, INVENTORY, SEARCH] {
        assert_eq!(status_of(&health, service).await.unwrap(), ServingStatus::Serving, "{service:?} at the edge");
        assert_eq!(status_of(&admin, service).await.unwrap(), ServingStatus::Serving, "{service:?} at the admin port");
    }
    assert_eq!(status_of(&health, "souk.no.v1.NoService").await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn reflection_lists_the_contracts_that_run_and_describes_them() {
    let shop = Shop::open(&[]).await;
    let mut reflection = ServerReflectionClient::new(channel(&shop.grpc));
    let MessageResponse::ListServicesResponse(list) =
        ask(&mut reflection, MessageRequest::ListServices(String::new())).await
    else {
        panic!("that was no list")
    };
    let listed: BTreeSet<_> = list.service.into_iter().map(|service| service.name).collect();
    let expected = [
        CART,
        CATALOG,
        CHECKOUT,
        INVENTORY,
        PAYMENT,
        SEARCH,
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ];
    assert_eq!(listed, expected.map(str::to_owned).into());
    for symbol in [CATALOG, "souk.catalog.v1.Product", "google.type.Money", "grpc.health.v1.Health"] {
        let answer = ask(&mut reflection, MessageRequest::FileContainingSymbol(symbol.to_owned())).await;
        assert!(matches!(answer, MessageResponse::FileDescriptorResponse(_)), "{symbol}: {answer:?}");
    }
}

#[tokio::test]
async fn the_first_start_fills_the_shop_and_pages_of_any_size_list_all_of_it() {
    let shop = Shop::open(&[]).await;
    let mut catalog = catalog(&shop.grpc);
    let all = list(&mut catalog, 1000).await;
    assert!(all.len() >= DEMO_PRODUCTS_MIN, "{} products", all.len());
    assert!(all.is_sorted() && all.iter().collect::<BTreeSet<_>>().len() == all.len());
    for page_size in [1, 7, 50] {
        assert_eq!(list(&mut catalog, page_size).await, all, "in pages of {page_size}");
    }
    let one = product(&mut catalog, &all[0]).await;
    assert!(one.price.is_some_and(|price| price.currency_code == "USD" && price.units > 0));
    assert_eq!((one.revision, one.pictures.len()), (1, 1));
    let missing = catalog.get_product(GetProductRequest { product_id: "no-such-thing".into() }).await.unwrap_err();
    assert_eq!((missing.code(), reason(&missing).as_str()), (Code::NotFound, "PRODUCT_NOT_FOUND"));
}

#[tokio::test]
async fn an_update_with_an_etag_that_is_no_longer_true_is_aborted() {
    let shop = Shop::open(&[]).await;
    let mut catalog = catalog(&shop.grpc);
    let id = list(&mut catalog, 50).await.remove(0);
    let read = product(&mut catalog, &id).await;
    let updated = catalog.update_product(rename(&read, "First")).await.unwrap().into_inner().product.unwrap();
    assert_eq!((updated.name.as_str(), updated.revision), ("First", 2));
    assert_ne!(updated.etag, read.etag);
    assert_eq!(updated.description, read.description);
    let stale = catalog.update_product(rename(&read, "Second")).await.unwrap_err();
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "ETAG_MISMATCH"));
    assert_eq!(product(&mut catalog, &id).await, updated);
}

#[tokio::test]
async fn an_import_reports_what_became_of_each_product_and_again_changes_nothing() {
    let shop = Shop::open(&[]).await;
    let mut catalog = catalog(&shop.grpc);
    let price = Some(Money { currency_code: "JPY".into(), units: 1200, nanos: 0 });
    let lamp = Product { product_id: "lamp".into(), name: "Lamp".into(), price, ..Product::default() };
    let nameless = Product { product_id: "nameless".into(), name: String::new(), ..lamp.clone() };
    let batches = || {
        let products =
            [vec![lamp.clone()], vec![nameless.clone(), Product { product_id: "vase".into(), ..lamp.clone() }]];
        tokio_stream::iter(products.map(|products| ImportProductsRequest { products }))
    };
    let report = catalog.import_products(batches()).await.unwrap().into_inner();
    assert_eq!((report.created_count, report.rejected_count), (2, 1));
    let rejection = &report.rejections[0];
    assert_eq!((rejection.index, rejection.product_id.as_str(), rejection.field.as_str()), (1, "nameless", "name"));
    let again = catalog.import_products(batches()).await.unwrap().into_inner();
    assert_eq!((again.created_count, again.updated_count, again.unchanged_count), (0, 0, 2));
    assert_eq!(product(&mut catalog, "lamp").await.revision, 1);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_crash_and_the_demo_is_not_loaded_twice() {
    let data = tempfile::tempdir().unwrap();
    let mut shop = Shop::open_on(data.path(), &[]).await;
    let mut before = catalog(&shop.grpc);
    let ids = list(&mut before, 50).await;
    let read = product(&mut before, &ids[0]).await;
    let updated = before.update_product(rename(&read, "Kept")).await.unwrap().into_inner().product.unwrap();
    shop.kill();

    let shop = Shop::open_on(data.path(), &[]).await;
    let mut after = catalog(&shop.grpc);
    assert_eq!(list(&mut after, 50).await, ids);
    assert_eq!(product(&mut after, &ids[0]).await, updated);
}

#[tokio::test]
async fn a_second_shop_on_the_same_directory_or_port_is_told_which_option_to_change() {
    let data = tempfile::tempdir().unwrap();
    let shop = Shop::open_on(data.path(), &[]).await;
    let mut second = Shop::start_on(data.path(), &[]);
    assert!(!second.ended().await.success());
    assert!(second.output().contains("souk: --data: another souk runs on /"), "{}", second.output());

    let (elsewhere, free) = (tempfile::tempdir().unwrap(), "127.0.0.1:0");
    let elsewhere = elsewhere.path().to_str().unwrap();
    for (flag, taken) in [("--http", &shop.http), ("--grpc", &shop.grpc), ("--admin", &shop.admin)] {
        let address = |of: &str| if of == flag { taken.clone() } else { free.to_owned() };
        let (http, grpc, admin) = (address("--http"), address("--grpc"), address("--admin"));
        let mut second =
            Running::start(&["--data", elsewhere, "--http", &http, "--grpc", &grpc, "--admin", &admin], &[]);
        assert!(!second.ended().await.success());
        let output = second.output();
        assert!(output.contains(&format!("souk: {flag}: ")) && output.contains(taken.as_str()), "{output}");
    }
    assert_eq!(status_of(&health(&shop.grpc), CATALOG).await.unwrap(), ServingStatus::Serving);
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_is_refused_at_once() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut shop = Shop::start_on(&Path::new(file.path()).join("data"), &[]);
    assert!(!shop.ended().await.success());
    assert!(shop.output().starts_with("souk: --data: make the directory /"), "{}", shop.output());
}

#[tokio::test]
async fn after_sigterm_health_says_so_at_once_while_calls_are_answered_and_those_in_flight_finish() {
    let mut shop = Shop::open(&["--drain-delay", "1s"]).await;
    let (health, mut catalog) = (health(&shop.grpc), catalog(&shop.grpc));
    let request = message(&GetProductRequest { product_id: list(&mut catalog, 50).await.remove(0) });
    let mut slow = upload(&shop.grpc, GET_PRODUCT).await.unwrap();
    slow.send(request[..3].to_vec());
    assert_eq!(status_of(&health, "").await.unwrap(), ServingStatus::Serving);

    shop.signal(Signal::TERM);
    eventually("health says that it drains", async || {
        let statuses = [status_of(&health, "").await?, status_of(&health, CATALOG).await?];
        ensure!(statuses == [ServingStatus::NotServing; 2], "{statuses:?}");
        Ok(())
    })
    .await;
    assert_eq!(get(&shop.admin, "/readyz").await.unwrap().0, 503);
    assert_eq!(get(&shop.admin, "/livez").await.unwrap().0, 200);
    // Those who have not heard yet still come, on new connections too.
    list(&mut system_tests::catalog(&shop.grpc), 50).await;

    closed(&shop.grpc).await;
    assert!(!slow.has_ended());
    slow.send(request[3..].to_vec());
    let ended = slow.finish().await;
    assert_eq!(ended.code(), Code::Ok, "{ended}");
    assert!(shop.ended().await.success(), "{}", shop.output());
}

#[tokio::test]
async fn ctrl_c_drains_without_the_delay() {
    // Longer than the test waits for the end.
    let mut shop = Shop::open(&["--drain-delay", "10m"]).await;
    list(&mut catalog(&shop.grpc), 50).await;
    shop.signal(Signal::INT);
    assert!(shop.ended().await.success(), "{}", shop.output());
}

#[tokio::test]
async fn a_second_ctrl_c_ends_at_once_and_says_what_it_cut() {
    let mut shop = Shop::open(&["--drain-grace", "10m"]).await;
    let mut stuck = upload(&shop.grpc, GET_PRODUCT).await.unwrap();
    stuck.send(vec![0]);
    list(&mut catalog(&shop.grpc), 50).await;
    shop.signal(Signal::INT);
    closed(&shop.grpc).await;
    assert!(!stuck.has_ended());
    shop.signal(Signal::INT);
    assert!(!shop.ended().await.success());
    assert!(shop.output().contains("stopped with calls in flight"), "{}", shop.output());
}

/// Waits until nothing listens at `address` any more.
async fn closed(address: &str) {
    eventually("the port closes", async || {
        ensure!(TcpStream::connect(address).await.is_err(), "it is still open");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn options_are_read_from_the_environment_too_and_nonsense_is_refused_by_name() {
    let mut souk = Running::start(&["serve"], &[("GRPC_ADDR", "nowhere")]);
    assert!(!souk.ended().await.success());
    let output = souk.output();
    let line = output.lines().next().context("it says nothing").unwrap();
    assert!(line.contains("--grpc") && output.contains("IP:PORT"), "{output}");
}

#[tokio::test]
async fn a_shop_whose_database_is_away_is_alive_but_not_open_and_can_be_stopped() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let admin = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (data, free) = (tempfile::tempdir().unwrap(), "127.0.0.1:0");
    let (data, database) = (data.path().to_str().unwrap(), format!("postgres://souk@{nobody}"));
    let arguments = ["serve", "--data", data, "--database", &database, "--output", "json", "--admin", &admin];
    let mut shop = Running::start(&[&arguments[..], &["--http", free, "--grpc", free]].concat(), &[]);
    eventually("the admin port names what is missing", async || {
        let (status, text) = get(&admin, "/readyz").await?;
        ensure!(status == 503 && text.contains(&format!("{CATALOG}: not ready")), "{text}");
        Ok(())
    })
    .await;
    shop.signal(Signal::INT);
    assert!(shop.ended().await.success(), "{}", shop.output());
    assert!(!shop.output().contains("listening"), "{}", shop.output());
}

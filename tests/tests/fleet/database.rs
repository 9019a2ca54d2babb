//! A fleet on PostgreSQL.

use std::fs;

use contracts::catalog::v1::ListProductsRequest;
use sqlx::{Connection as _, Executor as _, PgConnection};
use system_tests::{Kept, catalog, souk};
use test_postgres::Server;

#[tokio::test]
async fn replicas_share_the_database_of_their_service_and_its_password_is_in_no_list_of_processes() {
    let server = Server::start().unwrap();
    let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
    connection.execute("CREATE DATABASE souk_cart").await.unwrap();
    connection.execute("CREATE DATABASE souk_catalog").await.unwrap();
    connection.execute("CREATE DATABASE souk_inventory").await.unwrap();
    connection.execute("CREATE DATABASE souk_checkout").await.unwrap();
    connection.execute("CREATE DATABASE souk_payment").await.unwrap();
    connection.execute("CREATE DATABASE souk_acquirer").await.unwrap();
    // The server asks for no password, and takes any.
    let url = server.url("");
    let secret = "not-to-be-seen";
    let (user, host) = url.split_once('@').unwrap();
    let fleet =
        Kept::open_as(souk(), &["--replicas", "catalog=2"], &[("SOUK_DATABASE", &format!("{user}:{secret}@{host}"))])
            .await;
    let list = ListProductsRequest { page_size: 1000, ..ListProductsRequest::default() };
    for name in ["catalog.1", "catalog.2"] {
        let at = fleet.replica(name).unwrap()["grpc"].as_str().unwrap().to_owned();
        let listed = catalog(&at).list_products(list.clone()).await.unwrap().into_inner().products;
        assert!(listed.len() >= 120, "{} products at {name}", listed.len());
    }
    assert!(!fleet.data().join("catalog.db").exists());
    let sheet = fleet.sheet().unwrap();
    for row in sheet["replicas"].as_array().unwrap() {
        let words = fs::read(format!("/proc/{}/cmdline", row["pid"])).unwrap();
        assert!(!String::from_utf8_lossy(&words).contains(secret), "{row}");
    }
    assert!(!sheet.to_string().contains(secret) && !fleet.output().contains(secret), "{}", fleet.output());
}

//! What is printed and written once everything answers.

use std::{net::TcpListener, path::Path};

use anyhow::ensure;
use contracts::catalog::v1::ListProductsRequest;
use mesh::health::pb::health_check_response::ServingStatus;
use serde_json::Value;
use system_tests::{Kept, Running, Shop, catalog, eventually, get, health, sheet, souk, status_of};

use super::CATALOG;

#[tokio::test]
async fn what_is_printed_is_true_and_the_file_says_where_every_process_answers() {
    let fleet = Kept::open(&["--replicas", "catalog=2", "--replicas", "storefront=2"]).await;
    let sheet = fleet.sheet().unwrap();
    assert_eq!((&sheet["state"], &sheet["grpc"]), (&"open".into(), &fleet.edge.clone().into()));
    let rows = sheet["replicas"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    let before = ["storefront.1", "storefront.2", "search.1", "checkout.1", "cart.1"];
    let after = ["catalog.1", "catalog.2", "inventory.1", "payment.1", "acquirer.1"];
    assert_eq!(names, [&before[..], &after[..]].concat());
    for row in rows {
        assert_eq!((&row["state"], &row["restarts"]), (&"ready".into(), &0.into()), "{row}");
        assert!(Path::new(&format!("/proc/{}", row["pid"])).exists(), "{row}");
        assert_eq!(get(row["admin"].as_str().unwrap(), "/readyz").await.unwrap().0, 200, "{row}");
    }
    // The edge is one address, whoever of its replicas takes the connection; a service is one for each replica.
    assert_eq!((&rows[0]["grpc"], &rows[1]["grpc"]), (&fleet.edge.clone().into(), &fleet.edge.clone().into()));
    let list = ListProductsRequest { page_size: 1000, ..ListProductsRequest::default() };
    let through_the_edge = catalog(&fleet.edge).list_products(list.clone()).await.unwrap().into_inner().products.len();
    assert!(through_the_edge >= 120, "{through_the_edge} products");
    for row in rows.iter().filter(|row| row["name"].as_str().unwrap().starts_with("catalog.")) {
        let listed = catalog(row["grpc"].as_str().unwrap()).list_products(list.clone()).await.unwrap();
        assert_eq!(listed.into_inner().products.len(), through_the_edge, "{row}");
    }
    assert_eq!(get(&fleet.http, "/").await.unwrap().0, 200);
    assert_eq!(status_of(&health(&fleet.edge), CATALOG).await.unwrap(), ServingStatus::Serving);
}

#[tokio::test]
async fn a_log_line_says_whose_it_is_and_stays_json_where_that_is_asked_for() {
    let text = Kept::open(&["--log", "debug"]).await;
    assert!(text.output().contains("catalog.1    | 20"), "{}", text.output());
    assert!(!text.output().contains('\x1b'), "colours are for terminals");

    let json = Kept::open_as(souk(), &["--log", "debug"], &[("LOG_FORMAT", "json")]).await;
    json.signal_to("catalog.1", system_tests::Signal::TERM);
    let mut seen = 0;
    eventually("the log tells of the death", async || {
        let output = json.output();
        ensure!(output.contains("process died"), "not yet");
        for line in output.lines() {
            let object: Value = serde_json::from_str(line)?;
            seen += usize::from(object["replica"] == "catalog.1" && object["level"].is_string());
        }
        Ok(())
    })
    .await;
    assert!(seen > 0, "{}", json.output());
}

#[tokio::test]
async fn a_directory_that_is_in_use_is_refused_whoever_uses_it() {
    let fleet = Kept::open(&[]).await;
    let mut second = Kept::start_on(souk(), fleet.data(), &[], &[]);
    assert!(!second.ended().await.success());
    assert!(second.output().starts_with("souk: --data: another souk runs on /"), "{}", second.output());
    let mut served = Shop::start_on(fleet.data(), &[]);
    assert!(!served.ended().await.success());
    assert_eq!(fleet.sheet().unwrap()["state"], "open");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_its_option_and_nothing_is_started() {
    let data = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (taken, before) = (taken.local_addr().unwrap(), taken.local_addr().unwrap().port() - 1);
    // The port before it is chosen, so that the first of the ports after that is the one that is taken.
    let (at, before) = (taken.to_string(), format!("127.0.0.1:{before}"));
    for (flag, address, whose) in [
        ("--http", &at, ""),
        ("--grpc", &at, ""),
        ("--admin", &at, "for storefront.1"),
        ("--grpc", &before, "for cart.1"),
        ("--admin", &before, "for cart.1"),
    ] {
        let free = "127.0.0.1:0";
        let (mut arguments, choice) = (vec!["fleet", "--data", data.path().to_str().unwrap()], [flag, address]);
        for other in ["--http", "--grpc", "--admin"].into_iter().filter(|other| *other != flag) {
            arguments.extend([other, free]);
        }
        let mut fleet = Running::start(&[&arguments[..], &choice].concat(), &[]);
        assert!(!fleet.ended().await.success());
        let output = fleet.output();
        // Somebody else may have the port before it: then that one is named.
        assert!(output.starts_with(&format!("souk: {flag}: ")) && output.contains("127.0.0.1:"), "{output}");
        assert!(output.contains(whose) || address == &before, "{output}");
        assert!(sheet(data.path()).is_err(), "{output}");
    }
}

//! How a fleet ends.

use anyhow::ensure;
use contracts::catalog::v1::{GetProductRequest, ListProductsRequest};
use system_tests::{Kept, Signal, catalog, eventually, message};
use tokio::net::TcpStream;
use tonic::Code;

use super::begun;

/// Waits until nobody takes connections at `address` any more.
async fn closed(address: &str) {
    eventually("the port closes", async || {
        ensure!(TcpStream::connect(address).await.is_err(), "it is still open");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn ctrl_c_drains_the_front_door_first_and_then_what_it_calls() {
    let mut fleet = Kept::open(&["--replicas", "catalog=2"]).await;
    let first = ListProductsRequest { page_size: 1, ..ListProductsRequest::default() };
    let product = catalog(&fleet.edge).list_products(first).await.unwrap().into_inner().products.remove(0);
    let request = message(&GetProductRequest { product_id: product.product_id });
    let mut slow = begun(&fleet, &request[..3]).await;

    fleet.signal(Signal::INT);
    closed(&fleet.edge).await;
    // The one call that is left still reaches the catalog.
    assert!(!slow.has_ended());
    assert_eq!(fleet.sheet().unwrap()["state"], "draining");
    slow.send(request[3..].to_vec());
    let ended = slow.finish().await;
    assert_eq!(ended.code(), Code::Ok, "{ended}");
    assert!(fleet.ended().await.success(), "{}", fleet.output());
    let output = fleet.output();
    let at = |text: &str| output.find(text).unwrap_or_else(|| panic!("no {text:?} in {output}"));
    let line = |replica: &str, text: &str| {
        let line = output.lines().find(|line| line.starts_with(replica) && line.contains(text));
        at(line.unwrap_or_else(|| panic!("{replica} does not say {text:?}: {output}")))
    };
    for catalog in ["catalog.1", "catalog.2"] {
        assert!(line("storefront.1", "stopped drained=true") < line(catalog, "draining"), "{output}");
        line(catalog, "stopped drained=true");
    }
    assert!(fleet.sheet().is_err() && !fleet.data().join("fleet.sock").exists(), "it still says that it runs");
}

#[tokio::test]
async fn sigterm_gives_callers_at_the_front_door_the_delay() {
    let mut fleet = Kept::open(&["--drain-delay", "300ms"]).await;
    fleet.signal(Signal::TERM);
    assert!(fleet.ended().await.success(), "{}", fleet.output());
    let output = fleet.output();
    let delays = output.lines().filter_map(|line| Some((line.split_once('.')?.0, line.split_once("delay_s=")?.1)));
    let delays: Vec<_> =
        delays.map(|(service, delay)| (service, delay.split(' ').next().unwrap_or_default())).collect();
    assert_eq!(delays[0], ("storefront", "0.3"), "{output}");
    assert!(delays.len() >= 2 && delays[1..].iter().all(|(_, delay)| *delay == "0.0"), "{output}");
}

#[tokio::test]
async fn a_process_that_does_not_end_is_killed_when_its_time_is_over() {
    let mut fleet = Kept::open(&["--drain-grace", "100ms", "--replicas", "catalog=2"]).await;
    fleet.signal_to("catalog.2", Signal::STOP);
    fleet.signal(Signal::INT);
    assert!(!fleet.ended().await.success(), "{}", fleet.output());
    let output = fleet.output();
    assert!(output.contains("did not end and is killed replica=\"catalog.2\""), "{output}");
    assert!(output.contains("stopped with calls in flight") && fleet.sheet().is_err(), "{output}");
}

#[tokio::test]
async fn a_second_ctrl_c_ends_everything_at_once() {
    let mut fleet = Kept::open(&["--drain-grace", "10m"]).await;
    let stuck = begun(&fleet, &[0]).await;
    fleet.signal(Signal::INT);
    closed(&fleet.edge).await;
    assert!(!stuck.has_ended());
    fleet.signal(Signal::INT);
    assert!(!fleet.ended().await.success());
    assert!(fleet.output().contains("stopped with calls in flight"), "{}", fleet.output());
}

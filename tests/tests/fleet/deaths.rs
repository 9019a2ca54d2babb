//! Processes that die, and come back.

use std::{fs, time::Duration};

use anyhow::{Context as _, ensure};
use contracts::catalog::v1::{GetProductRequest, ListProductsRequest};
use system_tests::{Kept, Load, Running, Signal, catalog, eventually, get, sheet, souk};
use tokio::time::{Instant, timeout};
use tonic::Code;

/// A refusal is at once if it takes less than this, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Callers, each of which has one call in flight.
const CALLERS: usize = 8;

#[tokio::test]
async fn of_three_replicas_one_is_killed_and_only_calls_in_flight_fail_until_it_is_back() {
    let fleet = Kept::open(&["--replicas", "catalog=3"]).await;
    let others = [fleet.pid("catalog.1"), fleet.pid("catalog.3"), fleet.pid("storefront.1")];
    let load = Load::start(&fleet.edge, CALLERS).await.unwrap();
    until(&load, 500).await;

    let killed = fleet.signal_to("catalog.2", Signal::KILL);
    let row = fleet.ready_again("catalog.2", &[killed]).await;
    assert_eq!((&row["restarts"], &row["last_exit"]), (&1.into(), &"signal: 9 (SIGKILL)".into()));
    until(&load, 500).await;

    let tally = load.stop().await;
    assert!(tally.failed_only_with(Code::Unavailable), "{tally:?}");
    assert!(tally.failures() <= CALLERS as u64, "{tally:?}");
    let now = [fleet.pid("catalog.1"), fleet.pid("catalog.3"), fleet.pid("storefront.1")];
    assert_eq!(now, others);
    let told = fleet.output().matches("process died").count();
    assert_eq!(told, 1, "{}", fleet.output());
}

#[tokio::test]
async fn the_only_catalog_is_killed_and_the_edge_refuses_at_once_with_the_reason_until_it_is_back() {
    let fleet = Kept::open(&[]).await;
    let mut edge = catalog(&fleet.edge);
    let list = ListProductsRequest { page_size: 1, ..ListProductsRequest::default() };
    let product = edge.list_products(list).await.unwrap().into_inner().products.remove(0);
    let wanted = || GetProductRequest { product_id: product.product_id.clone() };
    let at = fleet.replica("catalog.1").unwrap()["grpc"].as_str().unwrap().to_owned();

    // Each death doubles the time that it is away: the third leaves a second to look at.
    let mut killed = vec![fleet.signal_to("catalog.1", Signal::KILL)];
    for _ in 0..2 {
        fleet.ready_again("catalog.1", &killed).await;
        killed.push(fleet.signal_to("catalog.1", Signal::KILL));
    }
    let mut refusals = 0;
    let back = eventually("it is back", async || {
        let begun = Instant::now();
        let answer = timeout(AT_ONCE, edge.get_product(wanted())).await.expect("an answer at once");
        let Err(refused) = answer else { return Ok(answer?.into_inner()) };
        assert!(begun.elapsed() < AT_ONCE);
        assert_eq!(refused.code(), Code::Unavailable, "{refused}");
        let text = refused.message();
        // One that was in flight says what became of its connection, every later one why there is none.
        if text.contains("Connection refused") {
            assert!(text.starts_with("catalog: ") && text.contains(&at), "{text}");
            refusals += 1;
        }
        Err(refused.into())
    })
    .await;
    assert_eq!(back.product.unwrap(), product);
    assert!(refusals > 0, "nobody was told why");
    assert_eq!(fleet.ready_again("catalog.1", &killed).await["restarts"], 3);
    assert_eq!(get(&fleet.http, "/").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_service_that_dies_at_each_start_is_tried_ever_later_and_leaves_the_others_alone() {
    let data = tempfile::tempdir().unwrap();
    fs::write(data.path().join("catalog.db"), "this is no database, and long enough to be seen as none".repeat(100))
        .unwrap();
    let mut fleet = Kept::start_on(souk(), data.path(), &[], &[]);
    let deaths = |fleet: &Running| {
        let output = fleet.output();
        let lines = output.lines().filter(|line| line.contains("process died"));
        lines.map(|line| line.rsplit_once("again_in_ms=").unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    eventually("it is tried for the third time", async || {
        ensure!(deaths(&fleet).len() >= 3, "{:?}", deaths(&fleet));
        Ok(())
    })
    .await;
    assert_eq!(&deaths(&fleet)[..3], ["250", "500", "1000"]);
    let output = fleet.output();
    assert!(output.contains("replica=catalog.1") && !output.contains("replica=storefront.1"), "{output}");
    // The cause is the service's own to say.
    assert!(output.contains("catalog.1    | souk: "), "{output}");

    let storefront = sheet(data.path()).unwrap()["replicas"][0].clone();
    assert_eq!((&storefront["state"], &storefront["restarts"]), (&"ready".into(), &0.into()));
    assert_eq!(get(storefront["http"].as_str().unwrap(), "/").await.unwrap().0, 200);
    let refused = catalog(storefront["grpc"].as_str().unwrap()).list_products(ListProductsRequest::default()).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unavailable);
    assert!(!output.contains(r#""service":"souk""#), "it says that it is open: {output}");
    // Whoever asks for it does not wait for the next try.
    let restart = ["fleet", "restart", "catalog", "--data", data.path().to_str().unwrap()];
    let mut restart = Running::start(&restart, &[]);
    assert_eq!(restart.ended().await.code(), Some(1));
    assert!(restart.output().contains("ended before it was ready: exit status: 1"), "{}", restart.output());
    fleet.signal(Signal::INT);
    assert!(fleet.ended().await.success(), "{}", fleet.output());
}

#[tokio::test]
async fn no_process_outlives_a_fleet_that_is_killed() {
    let mut fleet = Kept::open(&["--replicas", "catalog=2"]).await;
    let sheet = fleet.sheet().unwrap();
    let pids: Vec<_> = sheet["replicas"].as_array().unwrap().iter().map(|row| row["pid"].as_u64().unwrap()).collect();
    // Not even one that cannot run to notice.
    fleet.signal_to("catalog.2", Signal::STOP);
    fleet.kill();
    eventually("they are gone", async || {
        for pid in &pids {
            // One that nobody has waited for yet is dead all the same.
            let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let state = state.rsplit_once(") ").map_or("", |(_, rest)| rest);
            ensure!(state.is_empty() || state.starts_with('Z'), "{pid} is still there: {state}");
        }
        Ok(())
    })
    .await;
    // What it left behind is no hindrance.
    let mut next = Kept::start_on(souk(), fleet.data(), &[], &[]);
    let listening = next.listening().await;
    assert_eq!(get(listening["http"].as_str().context("no pages").unwrap(), "/").await.unwrap().0, 200);
}

/// Waits until so many more calls have been made.
async fn until(load: &Load, more: u64) {
    let from = load.made();
    eventually("the load goes on", async || {
        ensure!(load.made() >= from + more, "{} calls", load.made());
        Ok(())
    })
    .await;
}

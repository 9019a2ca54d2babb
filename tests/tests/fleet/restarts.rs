//! Processes that are replaced while the shop is open.

use std::{fs, os::unix::fs::PermissionsExt as _};

use anyhow::ensure;
use contracts::catalog::v1::{GetProductRequest, ListProductsRequest};
use system_tests::{Kept, Load, Running, Signal, catalog, eventually, message, souk};
use tonic::Code;

use super::begun;

const REPLICAS: [&str; 3] = ["catalog.1", "catalog.2", "catalog.3"];
const CALLERS: usize = 16;

/// How far from the mean the share of a replica may be, of so many calls.
const UNEVEN_MAX_PERCENT: u64 = 10;
const SHARED_CALLS: u64 = 1500;

#[tokio::test]
async fn all_processes_are_replaced_under_load_and_no_call_fails() {
    let fleet = Kept::open(&["--replicas", "catalog=3", "--replicas", "storefront=2"]).await;
    let rows = fleet.sheet().unwrap()["replicas"].as_array().unwrap().clone();
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert!(names.len() >= 5, "{names:?}");
    let before: Vec<_> = names.iter().map(|name| fleet.pid(name)).collect();
    let load = Load::start(&fleet.edge, CALLERS).await.unwrap();
    for _ in 0..2 {
        let from = load.made();
        let mut restart = fleet.restart(None);
        assert!(restart.ended().await.success(), "{}", restart.output());
        let output = restart.output();
        assert_eq!(output.matches(r#""event":"rolled""#).count(), names.len(), "{output}");
        assert!(
            !output.contains(r#""drained":false"#) && output.contains(&format!(r#""rolled":{}"#, names.len())),
            "{output}"
        );
        eventually("calls are made by the new ones", async || {
            ensure!(load.made() > from + 1000, "{} calls", load.made());
            Ok(())
        })
        .await;
    }
    let tally = load.stop().await;
    assert!(tally.ok > 2000 && tally.failures() == 0, "{tally:?}");
    for (name, before) in names.iter().zip(before) {
        let row = fleet.replica(name).unwrap();
        assert_eq!((&row["state"], &row["restarts"]), (&"ready".into(), &0.into()), "{row}");
        assert_ne!(row["pid"], before, "{row}");
    }
}

#[tokio::test]
async fn replicas_share_evenly_after_a_restart_and_one_that_was_killed_has_its_share_again_soon() {
    let fleet = Kept::open(&["--replicas", "catalog=3"]).await;
    let load = Load::start(&fleet.edge, CALLERS).await.unwrap();
    let mut restart = fleet.restart(Some("catalog"));
    assert!(restart.ended().await.success(), "{}", restart.output());
    evenly(&fleet, "after a restart").await;

    let killed = fleet.signal_to("catalog.2", Signal::KILL);
    fleet.ready_again("catalog.2", &[killed]).await;
    // No client is restarted: those that were there find it again.
    evenly(&fleet, "after a death").await;
    let tally = load.stop().await;
    assert!(tally.failed_only_with(Code::Unavailable) && tally.failures() <= CALLERS as u64, "{tally:?}");
}

/// Waits until the next calls are shared evenly; each look is a new one, and they are well within ten seconds.
async fn evenly(fleet: &Kept, when: &str) {
    let counts = async || {
        let mut counts = Vec::new();
        for name in REPLICAS {
            counts.push(fleet.calls_taken(name, "GetProduct").await?);
        }
        Ok::<_, anyhow::Error>(counts)
    };
    let (mut from, mut seen) = (counts().await.unwrap(), Vec::new());
    eventually(&format!("the load is even {when}"), async || {
        let now = counts().await?;
        let taken: Vec<_> = now.iter().zip(&from).map(|(now, from)| now.saturating_sub(*from)).collect();
        let sum: u64 = taken.iter().sum();
        ensure!(sum >= SHARED_CALLS, "{taken:?} so far; before that {seen:?}");
        from = now;
        let even = taken.iter().all(|taken| (taken * 3).abs_diff(sum) * 100 <= sum * UNEVEN_MAX_PERCENT);
        ensure!(even, "{:?}", std::mem::replace(&mut seen, taken));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_successor_that_does_not_become_ready_changes_nothing_and_is_reported_with_its_end() {
    // A program of its own, whose file is then replaced, as an installation of a broken build would.
    let folder = tempfile::tempdir_in(souk().parent().unwrap()).unwrap();
    let program = folder.path().join("souk");
    fs::hard_link(souk(), &program).unwrap();
    let fleet = Kept::open_as(&program, &[], &[]).await;
    let (catalog_before, storefront_before) = (fleet.pid("catalog.1"), fleet.pid("storefront.1"));
    let broken = folder.path().join("broken");
    fs::write(&broken, "#!/bin/sh\necho a broken build >&2\nexit 7\n").unwrap();
    fs::set_permissions(&broken, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&broken, &program).unwrap();

    let mut restart = fleet.restart(Some("catalog"));
    assert_eq!(restart.ended().await.code(), Some(1));
    assert!(restart.output().contains("souk: catalog.1 was not replaced: "), "{}", restart.output());
    assert!(restart.output().contains("ended before it was ready: exit status: 7"), "{}", restart.output());
    assert!(fleet.output().contains("catalog.1    | a broken build"), "{}", fleet.output());
    assert_eq!(fleet.pid("catalog.1"), catalog_before);
    catalog(&fleet.edge).list_products(ListProductsRequest::default()).await.unwrap();

    // While there is no file at all, the program that runs is started again.
    fs::remove_file(&program).unwrap();
    let mut restart = fleet.restart(None);
    assert!(restart.ended().await.success(), "{}", restart.output());
    assert!(fleet.pid("catalog.1") != catalog_before && fleet.pid("storefront.1") != storefront_before);
}

#[tokio::test]
async fn a_restart_waits_for_calls_in_flight_and_another_one_is_refused_meanwhile() {
    let fleet = Kept::open(&[]).await;
    let first = ListProductsRequest { page_size: 1, ..ListProductsRequest::default() };
    let product = catalog(&fleet.edge).list_products(first).await.unwrap().into_inner().products.remove(0);
    let request = message(&GetProductRequest { product_id: product.product_id });
    let before = fleet.pid("storefront.1");
    let mut slow = begun(&fleet, &request[..3]).await;
    let mut restart = fleet.restart(Some("storefront"));
    fleet.ready_again("storefront.1", &[before]).await;
    let mut second: Running = fleet.restart(None);
    assert_eq!(second.ended().await.code(), Some(1));
    assert!(second.output().contains("another restart is under way"), "{}", second.output());
    assert!(!slow.has_ended() && !restart.output().contains("rolled"), "{}", restart.output());
    slow.send(request[3..].to_vec());
    let ended = slow.finish().await;
    assert_eq!(ended.code(), Code::Ok, "{ended}");
    assert!(restart.ended().await.success(), "{}", restart.output());
    assert!(restart.output().contains(r#""drained":true"#), "{}", restart.output());
}

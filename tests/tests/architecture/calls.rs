//! Who calls whom: what the code declares is what ARCHITECTURE.md says and what the network allows.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use mesh::Target;
use system_tests::repository;

use crate::{
    manifests::{self, peers},
    services,
};

/// Anybody may come in here; all others are called by services only.
const FRONT_DOOR: &str = "storefront";

/// The title above the table in ARCHITECTURE.md.
const TITLE: &str = "## Who calls whom";

/// What each service declares. A service that is missing here fails the test below.
fn declared() -> BTreeMap<String, BTreeSet<String>> {
    let calls = [
        ("acquirer", acquirer::CALLS),
        ("cart", cart::CALLS),
        ("catalog", catalog::CALLS),
        ("checkout", checkout::CALLS),
        ("inventory", inventory::CALLS),
        ("payment", payment::CALLS),
        ("search", search::CALLS),
        ("storefront", storefront::CALLS),
    ];
    let names = |calls: &[Target]| calls.iter().map(|target| target.name().to_owned()).collect();
    calls.into_iter().map(|(service, calls)| (service.to_owned(), names(calls))).collect()
}

#[test]
fn every_service_declares_whom_it_calls_and_each_of_those_is_a_service() {
    let declared = declared();
    assert_eq!(declared.keys().cloned().collect::<Vec<_>>(), services());
    for (service, calls) in &declared {
        for target in calls {
            assert!(declared.contains_key(target) && target != service, "{service} calls {target}");
        }
    }
}

#[test]
fn the_call_graph_is_the_one_in_the_architecture_document() {
    let document = fs::read_to_string(repository().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let section = document.split_once(TITLE).unwrap_or_else(|| panic!("ARCHITECTURE.md has no {TITLE:?}")).1;
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.trim().strip_prefix('|')?.strip_suffix('|'));
    // The first two rows are the titles and the line below them.
    let written: BTreeMap<String, BTreeSet<String>> = rows
        .skip(2)
        .map(|row| {
            let cells: Vec<_> = row.split('|').map(|cell| cell.trim().replace('`', "")).collect();
            let [service, calls] = cells.as_slice() else { panic!("{row:?} has not two columns") };
            let calls = calls.split(',').map(str::trim).filter(|call| !matches!(*call, "" | "–" | "-"));
            (service.clone(), calls.map(str::to_owned).collect())
        })
        .collect();
    assert_eq!(written, declared());
}

#[test]
fn the_network_lets_every_call_out_and_in_and_no_other() {
    let declared = declared();
    for (service, calls) in &declared {
        let policy = manifests::of(service, "NetworkPolicy");
        let out: BTreeSet<_> = peers(&policy["spec"]["egress"], "to").into_iter().collect();
        let out: BTreeSet<_> = out.into_iter().filter(|peer| declared.contains_key(peer)).collect();
        assert_eq!(&out, calls, "egress of {service}");

        let callers: BTreeSet<_> =
            declared.iter().filter(|(_, calls)| calls.contains(service)).map(|(caller, _)| caller.clone()).collect();
        let ingress = policy["spec"]["ingress"].as_sequence().unwrap();
        let open = ingress.iter().any(|rule| rule["from"].is_null());
        assert_eq!(open, service == FRONT_DOOR, "{service} is open to everybody");
        assert_eq!(
            peers(&policy["spec"]["ingress"], "from").into_iter().collect::<BTreeSet<_>>(),
            callers,
            "{service}"
        );
    }
}

#[test]
fn a_pod_is_told_where_those_are_that_it_calls_and_nothing_more() {
    for (service, calls) in declared() {
        let deployment = manifests::of(&service, "Deployment");
        let variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_sequence().unwrap();
        let names = variables.iter().filter_map(|variable| variable["name"].as_str()?.strip_suffix("_TARGET"));
        assert_eq!(names.map(str::to_lowercase).collect::<BTreeSet<_>>(), calls, "{service}");
    }
}

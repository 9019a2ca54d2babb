//! Which crate may depend on which.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;
use system_tests::repository;

use crate::services;

/// What stands on nothing else here.
const FOUNDATIONS: [&str; 3] = ["contracts", "mesh", "store"];

/// What services say the same, on the foundations.
const SHARED: &str = "rpc";

/// What only tests may need.
const FOR_TESTS: [&str; 3] = ["test-fuzz", "test-operator", "test-postgres"];

/// The one of them that knows the shop.
const OPERATOR: &str = "test-operator";

/// Services whose own tests start another beside them: because they follow its feed, show what it has, or do nothing without.
const STARTED_BY_TESTS: [(&str, &str); 12] = [
    ("cart", "catalog"),
    ("checkout", "cart"),
    ("checkout", "catalog"),
    ("checkout", "inventory"),
    ("payment", "acquirer"),
    ("storefront", "acquirer"),
    ("storefront", "cart"),
    ("storefront", "catalog"),
    ("storefront", "checkout"),
    ("storefront", "inventory"),
    ("storefront", "payment"),
    ("storefront", "search"),
];

/// The workspace, as cargo sees it.
fn metadata() -> Value {
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    serde_json::from_slice(&cargo.stdout).unwrap()
}

/// The crates of the workspace that each of them depends on, for itself and for its tests.
struct Graph {
    normal: BTreeMap<String, BTreeSet<String>>,
    dev: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn read() -> Self {
        let metadata = metadata();
        let (mut normal, mut dev) = (BTreeMap::new(), BTreeMap::new());
        for package in metadata["packages"].as_array().unwrap() {
            let name = package["name"].as_str().unwrap();
            let inside = package["dependencies"].as_array().unwrap().iter().filter(|crate_| !crate_["path"].is_null());
            let (for_tests, for_itself): (Vec<_>, Vec<_>) = inside.partition(|crate_| crate_["kind"] == "dev");
            let names = |crates: Vec<&Value>| crates.iter().map(|c| c["name"].as_str().unwrap().to_owned()).collect();
            normal.insert(name.to_owned(), names(for_itself));
            dev.insert(name.to_owned(), names(for_tests));
        }
        Self { normal, dev }
    }
}

fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn the_foundations_stand_on_nothing_else_here() {
    let graph = Graph::read();
    // The operator of tests signs as the shop's operators do, so it stands on what says how.
    assert_eq!(graph.normal[OPERATOR], set(["mesh", SHARED]), "{OPERATOR}");
    for name in FOUNDATIONS.into_iter().chain(FOR_TESTS).filter(|name| *name != OPERATOR) {
        assert_eq!(graph.normal[name], set([]), "{name}");
        assert!(graph.dev[name].is_subset(&set(FOR_TESTS)), "{name}: {:?}", graph.dev[name]);
    }
}

#[test]
fn a_service_stands_on_the_foundations_and_never_on_another_service() {
    let graph = Graph::read();
    assert!(graph.normal[SHARED].is_subset(&set(FOUNDATIONS)), "{SHARED}: {:?}", graph.normal[SHARED]);
    for service in services() {
        let below = set(FOUNDATIONS.into_iter().chain([SHARED]));
        assert!(graph.normal[&service].is_subset(&below), "{service}: {:?}", graph.normal[&service]);
        let started = STARTED_BY_TESTS.iter().filter(|(tested, _)| *tested == service).map(|(_, started)| *started);
        let for_tests = set(FOR_TESTS.into_iter().chain(started));
        assert!(graph.dev[&service].is_subset(&for_tests), "{service}: {:?}", graph.dev[&service]);
    }
}

#[test]
fn nothing_stands_on_the_command_or_on_the_tests() {
    let graph = Graph::read();
    for (name, crates) in graph.normal.iter().chain(&graph.dev) {
        for above in ["cli", "system-tests"] {
            assert!(!crates.contains(above), "{name} depends on {above}");
        }
    }
    // The harness of the journeys is for tests itself.
    for (name, crates) in graph.normal.iter().filter(|(name, _)| *name != "system-tests") {
        for for_tests in FOR_TESTS {
            assert!(!crates.contains(for_tests), "{name} depends on {for_tests}, which is for tests");
        }
    }
}

#[test]
fn the_plain_commands_build_and_test_every_service() {
    let metadata = metadata();
    let default: Vec<_> = metadata["workspace_default_members"].as_array().unwrap().iter().collect();
    for package in metadata["packages"].as_array().unwrap() {
        assert!(default.contains(&&package["id"]), "{} is not in default-members", package["name"]);
    }
}

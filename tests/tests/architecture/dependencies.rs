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

/// What only a test may need.
const FOR_TESTS: &str = "test-postgres";

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
    for name in FOUNDATIONS.into_iter().chain([FOR_TESTS]) {
        assert_eq!(graph.normal[name], set([]), "{name}");
        assert!(graph.dev[name].is_subset(&set([FOR_TESTS])), "{name}: {:?}", graph.dev[name]);
    }
}

#[test]
fn a_service_stands_on_the_foundations_and_never_on_another_service() {
    let graph = Graph::read();
    for service in services() {
        assert!(graph.normal[&service].is_subset(&set(FOUNDATIONS)), "{service}: {:?}", graph.normal[&service]);
        assert!(graph.dev[&service].is_subset(&set([FOR_TESTS])), "{service}: {:?}", graph.dev[&service]);
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
    for (name, crates) in &graph.normal {
        assert!(!crates.contains(FOR_TESTS), "{name} depends on {FOR_TESTS}, which is for tests");
    }
}

#[test]
fn the_plain_commands_build_and_test_every_service() {
    let metadata = metadata();
    let default: Vec<_> = metadata["workspace_default_members"].as_array().unwrap().iter().collect();
    for package in metadata["packages"].as_array().unwrap().iter().filter(|package| package["name"] != FOR_TESTS) {
        assert!(default.contains(&&package["id"]), "{} is not in default-members", package["name"]);
    }
}

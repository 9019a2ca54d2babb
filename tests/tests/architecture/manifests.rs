//! The manifests of `deploy/k8s/base`, read.

use std::fs;

use serde::Deserialize as _;
use serde_yaml_ng::{Deserializer, Value};
use system_tests::repository;

/// The label that says which service a pod belongs to.
pub(crate) const NAME_LABEL: &str = "app.kubernetes.io/name";

/// The one manifest of a kind in a service's folder.
pub(crate) fn of(service: &str, kind: &str) -> Value {
    let folder = repository().join("deploy/k8s/base").join(service);
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        for document in Deserializer::from_str(&fs::read_to_string(&path).unwrap()) {
            let document = Value::deserialize(document).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            if document["kind"] == kind {
                found.push(document);
            }
        }
    }
    assert_eq!(found.len(), 1, "{service} has {} manifests of kind {kind}", found.len());
    found.remove(0)
}

/// The services among the `to` or `from` of rules of a NetworkPolicy.
pub(crate) fn peers(rules: &Value, side: &str) -> Vec<String> {
    let rules = rules.as_sequence().into_iter().flatten();
    let peers = rules.flat_map(|rule| rule[side].as_sequence().into_iter().flatten());
    // A peer in another namespace is none of the shop's services.
    let here = peers.filter(|peer| peer["namespaceSelector"].is_null());
    here.filter_map(|peer| peer["podSelector"]["matchLabels"][NAME_LABEL].as_str()).map(str::to_owned).collect()
}

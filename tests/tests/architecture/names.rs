//! One noun a service, spelled the same everywhere.

use std::fs;

use system_tests::repository;

use crate::{descriptors::Descriptors, folders, manifests, services};

/// Has no contract of its own: it forwards to the others'.
const WITHOUT_CONTRACT: [&str; 1] = ["storefront"];

/// Folders of `deploy/k8s/base` that are no service.
const OTHER_BASES: [&str; 2] = ["namespace", "postgres"];

/// Packages of `souk.*` that belong to no service.
const OTHER_PACKAGES: [&str; 2] = ["access", "event"];

#[test]
fn a_services_folder_is_its_crate_and_its_binary() {
    for service in services() {
        let folder = repository().join("services").join(&service);
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let name = manifest.lines().find_map(|line| line.strip_prefix("name = ")).unwrap();
        assert_eq!(name, format!("\"{service}\""), "{service}/Cargo.toml");
        // Cargo names the library and the binary after the crate, unless it is told otherwise.
        assert!(!manifest.contains("[[bin]]") && !manifest.contains("[lib]"), "{service}/Cargo.toml renames a target");
        for file in ["src/lib.rs", "src/main.rs"] {
            assert!(folder.join(file).is_file(), "{service}/{file} is missing");
        }
    }
}

#[test]
fn a_services_contract_is_in_its_package_and_names_it() {
    let descriptors = Descriptors::read();
    let packages = folders(&repository().join("proto/souk"));
    for service in services().iter().filter(|service| !WITHOUT_CONTRACT.contains(&service.as_str())) {
        let file = format!("souk/{service}/v1/{service}_service.proto");
        let file = descriptors.files().find(|described| described.name == file);
        let file = file.unwrap_or_else(|| panic!("{service} has no proto/souk/{service}/v1/{service}_service.proto"));
        assert_eq!(file.package, format!("souk.{service}.v1"));
        let mut first = service.clone();
        first[..1].make_ascii_uppercase();
        assert_eq!(file.service.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), [format!("{first}Service")]);
    }
    for package in packages {
        let expected = if OTHER_PACKAGES.contains(&package.as_str()) { "" } else { "_service" };
        let file = repository().join(format!("proto/souk/{package}/v1/{package}{expected}.proto"));
        assert!(file.is_file(), "{} is missing", file.display());
    }
}

#[test]
fn a_services_manifests_name_it_and_nothing_else() {
    let bases = folders(&repository().join("deploy/k8s/base"));
    let deployed: Vec<_> = bases.into_iter().filter(|base| !OTHER_BASES.contains(&base.as_str())).collect();
    assert_eq!(deployed, services(), "deploy/k8s/base has a folder for each service");
    for service in deployed {
        let kinds = ["Deployment", "Service", "ServiceAccount", "NetworkPolicy", "PodDisruptionBudget"];
        for kind in kinds.into_iter().chain(["HorizontalPodAutoscaler"]) {
            let manifest = manifests::of(&service, kind);
            assert_eq!(manifest["metadata"]["name"], service.as_str(), "the {kind} of {service}");
        }
        let deployment = manifests::of(&service, "Deployment");
        let pod = &deployment["spec"]["template"];
        assert_eq!(pod["metadata"]["labels"][manifests::NAME_LABEL], service.as_str(), "the pods of {service}");
        assert_eq!(pod["spec"]["serviceAccountName"], service.as_str(), "the account of {service}");
        let containers = pod["spec"]["containers"].as_sequence().unwrap();
        assert_eq!(containers.len(), 1, "a pod of {service} has one container");
        for field in ["name", "image"] {
            assert_eq!(containers[0][field], service.as_str(), "the container's {field} of {service}");
        }
    }
}

//! What every Rust file keeps to.

use std::{
    fs,
    path::{Path, PathBuf},
};

use system_tests::repository;

use crate::services;

/// Lines of a file at most.
const LINES_MAX: usize = 400;

/// Lines of a `main.rs` at most: telemetry, configuration, bind, serve, drain.
const MAIN_LINES_MAX: usize = 40;

/// Crates whose names belong to the wire.
const OF_THE_WIRE: [&str; 5] = ["contracts::", "prost::", "prost_types::", "tonic::", "tonic_types::"];

/// Files of a service that may name them: the composition, the RPCs, the errors; and the adapters of clients, which are
/// all that storefront has.
const AT_THE_DOOR: [&str; 3] = ["lib.rs", "service", "error"];
const ADAPTERS: [(&str, &[&str]); 4] = [
    ("cart", &["catalog"]),
    ("checkout", &["clients"]),
    ("payment", &["acquirer"]),
    ("storefront", &["edge", "health", "web"]),
];

/// A Rust file by its path in the repository, with its text.
struct Source {
    path: String,
    text: String,
}

/// Every Rust file of the repository.
fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    find(repository(), &mut found);
    assert!(found.len() > 50, "only {} files", found.len());
    let relative = |path: &Path| path.strip_prefix(repository()).unwrap().to_str().unwrap().to_owned();
    found.iter().map(|path| Source { path: relative(path), text: fs::read_to_string(path).unwrap() }).collect()
}

fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.') || name == "target");
        if path.is_dir() && !hidden {
            find(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

impl Source {
    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The lines before the tests, without comments.
    fn code(&self) -> impl Iterator<Item = &str> {
        let lines = self.text.lines().map(str::trim).take_while(|line| *line != "#[cfg(test)]");
        lines.filter(|line| !line.starts_with("//"))
    }
}

#[test]
fn no_file_is_too_long_to_be_read_at_once() {
    for source in sources() {
        let (lines, most) =
            (source.text.lines().count(), if source.name() == "main.rs" { MAIN_LINES_MAX } else { LINES_MAX });
        // A test's `main.rs` composes no process.
        let most = if source.path.contains("/tests/") { LINES_MAX } else { most };
        assert!(lines <= most, "{} has {lines} lines; {most} are the most", source.path);
    }
}

#[test]
fn a_module_is_a_file_of_its_name() {
    for source in sources() {
        assert_ne!(source.name(), "mod.rs", "{}", source.path);
    }
}

#[test]
fn a_file_opens_by_saying_what_it_promises() {
    for source in sources() {
        let first = source.text.lines().find(|line| !line.starts_with("#!")).unwrap_or_default();
        assert!(first.starts_with("//! "), "{} begins with {first:?}", source.path);
    }
}

#[test]
fn inside_a_service_only_its_door_knows_the_wire() {
    for service in services() {
        let adapters = ADAPTERS.iter().find(|(name, _)| *name == service).map_or(&[][..], |(_, files)| files);
        let folder = format!("services/{service}/src/");
        for source in sources() {
            let Some(file) = source.path.strip_prefix(&folder) else { continue };
            let module = file.split('/').next().unwrap_or_default();
            let module = if module == "lib.rs" { module } else { module.trim_end_matches(".rs") };
            if AT_THE_DOOR.contains(&module) || adapters.contains(&module) {
                continue;
            }
            for line in source.code() {
                let named = OF_THE_WIRE.iter().find(|name| line.contains(*name));
                assert!(named.is_none(), "{} names {}: {line}", source.path, named.unwrap());
            }
        }
    }
}

#[test]
fn inside_the_mesh_only_the_composing_file_knows_the_layers() {
    const COMPOSING: [&str; 2] = ["mesh/src/server.rs", "mesh/src/client.rs"];
    let mut layers = 0;
    for source in sources().iter().filter(|source| source.path.starts_with("mesh/src/")) {
        if COMPOSING.contains(&source.path.as_str()) {
            layers += source.code().filter(|line| line.starts_with(".layer(")).count();
            continue;
        }
        let words = source.code().flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'));
        for layer in words.filter(|word| word.len() > "Layer".len() && word.ends_with("Layer")) {
            let own = source.text.contains(&format!("struct {layer}"));
            assert!(own, "{} names {layer}, which another file defines", source.path);
        }
    }
    assert!(layers >= 7, "the composing files have {layers} layers");
}

#[test]
fn the_mesh_knows_no_noun_of_the_shop() {
    for source in sources().iter().filter(|source| source.path.starts_with("mesh/src/")) {
        for noun in services() {
            let named = source.code().find(|line| line.split(|c: char| !c.is_alphanumeric()).any(|word| word == noun));
            assert!(named.is_none(), "{} names {noun}: {}", source.path, named.unwrap());
        }
    }
}

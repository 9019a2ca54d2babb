//! The architecture, as tests: what DESIGN.md and ARCHITECTURE.md promise of the repository itself.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod calls;
mod contracts;
mod dependencies;
mod descriptors;
mod manifests;
mod names;
mod sources;

use std::path::PathBuf;

/// The folder of each service, and so its name, in order.
fn services() -> Vec<String> {
    folders(&system_tests::repository().join("services"))
}

/// The names of the folders in a folder, in order.
fn folders(of: &PathBuf) -> Vec<String> {
    let entries = std::fs::read_dir(of).unwrap_or_else(|error| panic!("{}: {error}", of.display()));
    let folders = entries.map(Result::unwrap).filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> = folders.map(|folder| folder.file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(!names.is_empty(), "{} has no folders", of.display());
    names
}

//! Finds the `souk` binary of this build, and builds it if it is missing or older than its sources.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::SystemTime,
};

use anyhow::{Context as _, Result, ensure};

/// The root of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or_else(|| Path::new("/"))
}

/// The `souk` binary, of the same profile as this test and no older than its sources.
///
/// # Panics
/// If it cannot be built.
#[must_use]
pub fn souk() -> &'static Path {
    static SOUK: OnceLock<PathBuf> = OnceLock::new();
    SOUK.get_or_init(|| find_or_build().expect("the souk binary"))
}

/// `cargo test` of the whole workspace has built it already; `cargo test -p system-tests` has not.
fn find_or_build() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    // target/<profile>/deps/<this test>
    let folder = test.ancestors().nth(2).context("this test runs outside of a target directory")?;
    let souk = folder.join("souk");
    if !is_fresh(&souk) {
        build(folder)?;
    }
    Ok(souk)
}

/// Whether the binary is newer than everything that cargo says it was made of.
fn is_fresh(souk: &Path) -> bool {
    let built = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    let (Some(made), Ok(sources)) = (built(souk), fs::read_to_string(souk.with_extension("d"))) else { return false };
    let Some((_, sources)) = sources.split_once(": ") else { return false };
    // Spaces inside a path are escaped with a backslash.
    let sources = sources.trim().replace("\\ ", "\0");
    let newest = sources.split(' ').map(|source| built(Path::new(&source.replace('\0', " ")))).max_by_key(|time| {
        // A source that is gone counts as changed now.
        time.unwrap_or_else(SystemTime::now)
    });
    newest.flatten().is_some_and(|newest| newest <= made)
}

fn build(folder: &Path) -> Result<()> {
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let mut cargo = Command::new(env!("CARGO"));
    // Of the whole workspace, as `cargo test` builds it: with the features of one package alone, its dependencies would
    // be built once more.
    cargo.current_dir(repository());
    cargo.args(["build", "--quiet", "--workspace", "--bin", "souk", "--profile", profile]);
    cargo.arg("--target-dir").arg(folder.parent().unwrap_or(folder));
    let built = cargo.output().context("run cargo build")?;
    ensure!(
        built.status.success(),
        "cargo build --workspace --bin souk failed:\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
    Ok(())
}

//! Finds PostgreSQL's programs: installed ones first, else fetched ones.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::User;

/// The folder of `initdb` and `postgres`.
pub(crate) fn find_or_fetch(user: User) -> Result<PathBuf> {
    if let Some(found) = installed().into_iter().find(|folder| works(folder, user)) {
        return Ok(found);
    }
    let cache = cache(user)?;
    let binaries = cache.join("programs/bin");
    if !works(&binaries, user) {
        fetch(&cache)?;
    }
    if !works(&binaries, user) {
        bail!("PostgreSQL was fetched to {} but does not run", cache.display());
    }
    Ok(binaries)
}

/// Candidates, the user's own choice (`PATH`) first, then the newest of the usual places.
fn installed() -> Vec<PathBuf> {
    #[allow(clippy::disallowed_methods, reason = "where programs are is no configuration of ours")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path)
        // Links lead to the folder that has the server's libraries beside it.
        .filter_map(|folder| Some(folder.join("postgres").canonicalize().ok()?.parent()?.to_owned()))
        .collect();
    let mut usual: Vec<PathBuf> = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"]
        .into_iter()
        .filter_map(|parent| std::fs::read_dir(parent).ok())
        .flat_map(|entries| entries.filter_map(Result::ok))
        .map(|entry| entry.path().join("bin"))
        .collect();
    usual.sort();
    folders.extend(usual.into_iter().rev());
    folders
}

/// Both programs are there, and the server's user can run them.
fn works(folder: &Path, user: User) -> bool {
    ["initdb", "postgres"].into_iter().all(|program| {
        let mut command = user.command(folder.join(program));
        let command = command.arg("--version").current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}

/// Root's home is closed to the server's user, so root fetches to a place that all can read and only root can write.
fn cache(user: User) -> Result<PathBuf> {
    #[allow(clippy::disallowed_methods, reason = "where a home is is no configuration of ours")]
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let parent = if user.is_root() { PathBuf::from("/var/cache") } else { home.context("no HOME")?.join(".cache") };
    Ok(parent.join("souk-test-postgres"))
}

/// Builds and runs this crate's own fetching binary. Tests of several binaries wait for the first one's.
fn fetch(cache: &Path) -> Result<()> {
    std::fs::create_dir_all(cache)?;
    let lock = File::create(cache.join("lock"))?;
    lock.lock()?;
    if cache.join("programs").exists() {
        return Ok(());
    }
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let status = Command::new(option_env!("CARGO").unwrap_or("cargo"))
        .args(["run", "--quiet", "--features", "fetch", "--bin", "fetch-postgres", "--manifest-path", manifest, "--"])
        .arg(cache)
        .status()
        .context("run cargo to fetch PostgreSQL")?;
    if !status.success() {
        bail!("PostgreSQL is not installed and could not be fetched; install it (Debian: apt-get install postgresql)");
    }
    Ok(())
}

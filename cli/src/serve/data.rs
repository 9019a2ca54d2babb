//! The data directory: made for its user alone, and used by one process at a time.

use std::{
    fs::{DirBuilder, File, TryLockError},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

/// Whoever runs a shop on the directory holds a lock on this file; the kernel gives it back however the process ends.
const LOCK_FILE: &str = "souk.lock";

/// A data directory that is this process' own for as long as this lives.
#[derive(Debug)]
pub(super) struct Data {
    path: PathBuf,
    _lock: File,
}

impl Data {
    /// Makes the directory if there is none, and takes it.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        // For its user alone: later there are keys in it.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.with_context(|| format!("--data: make the directory {shown}"))?;
        let path = path.canonicalize().with_context(|| format!("--data: find the directory {shown}"))?;
        let lock = File::options().create(true).append(true).open(path.join(LOCK_FILE));
        let lock = lock.with_context(|| format!("--data: write in the directory {shown}"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                bail!("--data: another souk runs on {}; stop it or choose another directory", path.display())
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("--data: lock {}", path.join(LOCK_FILE).display()))
            }
        }
    }

    /// Where it is, absolute.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The URL of a service's embedded database.
    pub(super) fn sqlite(&self, service: &str) -> anyhow::Result<String> {
        let path = self.path.join(format!("{service}.db"));
        let path = path.to_str().with_context(|| format!("--data: {} is not UTF-8", path.display()))?;
        Ok(format!("sqlite:{path}"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_directory_is_made_for_its_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data = Data::open(&folder.path().join("deep/data")).unwrap();
        assert_eq!(data.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_directory_is_used_by_one_process_at_a_time_and_free_again_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let first = Data::open(folder.path()).unwrap();
        let refused = Data::open(folder.path()).unwrap_err().to_string();
        assert!(refused.starts_with("--data: another souk runs on "), "{refused}");
        drop(first);
        Data::open(folder.path()).unwrap();
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named_with_the_option() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = Data::open(&file.path().join("data")).unwrap_err();
        assert!(format!("{refused:#}").starts_with("--data: make the directory /"), "{refused:#}");
    }
}

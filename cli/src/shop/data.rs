//! The data directory: made for its user alone, and used by one process at a time.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Whoever runs a shop on the directory holds a lock on this file; the kernel gives it back however the process ends.
const LOCK_FILE: &str = "souk.lock";

/// A data directory that is this process' own for as long as this lives.
#[derive(Debug)]
pub(crate) struct Data {
    path: PathBuf,
    _lock: File,
}

impl Data {
    /// Makes the directory if there is none, and takes it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        // For its user alone: there are keys in it.
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
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of a service that keeps files.
    pub(crate) fn folder(&self, service: &str) -> PathBuf {
        self.path.join(service)
    }

    /// A key in a file of its own, for its user alone, made at the first start.
    pub(crate) fn secret(&self, file: &str) -> anyhow::Result<String> {
        self.kept(file, random_key)
    }

    /// Keys by their names, the newest first, as [`secret`](Self::secret).
    pub(crate) fn secrets(&self, file: &str) -> anyhow::Result<String> {
        self.kept(file, || Ok(format!("1:{}", random_key()?)))
    }

    /// What is in a file for its user alone, made at the first start.
    pub(super) fn kept(&self, file: &str, make: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<String> {
        let path = self.path.join(file);
        let shown = path.display();
        match fs::read_to_string(&path) {
            Ok(text) => return Ok(text.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("--data: read {shown}")),
        }
        let made = make()?;
        write_secret(&path, &made).with_context(|| format!("--data: write {shown}"))?;
        Ok(made)
    }

    /// The URL of a service's embedded database.
    pub(crate) fn sqlite(&self, service: &str) -> anyhow::Result<String> {
        sqlite(&self.path, service)
    }
}

/// Puts a line into a file for its user alone, whole or not at all: a key that is cut in the middle would lose what was sealed
/// with it.
pub(crate) fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let new = folder.join(format!("{}.new", name.to_string_lossy()));
    // One that a crash has left may be somebody else's to read.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut out = File::options().create_new(true).write(true).mode(0o600).open(&new)?;
    out.write_all(format!("{text}\n").as_bytes())?;
    out.sync_all()?;
    fs::rename(new, path)?;
    File::open(folder)?.sync_all()
}

/// The URL of a service's embedded database in the directory at `path`, whoever runs a shop there.
pub(crate) fn sqlite(path: &Path, service: &str) -> anyhow::Result<String> {
    let path = path.join(format!("{service}.db"));
    let path = path.to_str().with_context(|| format!("--data: {} is not UTF-8", path.display()))?;
    Ok(format!("sqlite:{path}"))
}

/// 32 random bytes in base64.
fn random_key() -> anyhow::Result<String> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).context("--data: make a key")?;
    Ok(STANDARD.encode(key))
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
    fn a_key_is_made_once_for_its_user_alone_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let data = Data::open(folder.path()).unwrap();
        let (key, keys) = (data.secret("a.key").unwrap(), data.secrets("b.keys").unwrap());
        assert_eq!((data.secret("a.key").unwrap(), data.secrets("b.keys").unwrap()), (key.clone(), keys.clone()));
        assert!(key.len() == 44 && keys.starts_with("1:") && !keys.ends_with(&key), "two keys, each 32 bytes");
        for file in ["a.key", "b.keys"] {
            assert_eq!(folder.path().join(file).metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named_with_the_option() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = Data::open(&file.path().join("data")).unwrap_err();
        assert!(format!("{refused:#}").starts_with("--data: make the directory /"), "{refused:#}");
    }
}

//! The right to write an index: one process of those that share a folder has it, until it ends or lets go.
//!
//! A lock on a file beside the index. It is taken before an index is made, replaced or written, so that of two processes that
//! find none, one makes it and the other reads it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The file that says when the feeds were last heard from.
const WORD: &str = "heard";

/// See the module. Dropping it lets go.
#[derive(Debug)]
pub(super) struct Claim {
    path: PathBuf,
    file: File,
}

impl Claim {
    /// Takes it. `None`: another process has it.
    pub(super) fn take(folder: &Path) -> io::Result<Option<Self>> {
        fs::create_dir_all(folder)?;
        let path = folder.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { path, file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Leaves word of when the feeds were last heard from, for those who only read: commits come with changes alone.
    pub(super) fn leave_word(&self, heard_us: i64) -> io::Result<()> {
        let word = self.path.with_file_name(WORD);
        let new = word.with_extension("new");
        fs::write(&new, heard_us.to_string())?;
        fs::rename(new, word)
    }

    /// The word that was left in a folder.
    pub(super) fn word(folder: &Path) -> Option<i64> {
        fs::read_to_string(folder.join(WORD)).ok()?.parse().ok()
    }

    /// Whether it still counts: a folder that was deleted took its lock along.
    pub(super) fn holds(&self) -> bool {
        let own = self.file.metadata().map(|file| (file.dev(), file.ino()));
        let there = fs::metadata(&self.path).map(|file| (file.dev(), file.ino()));
        matches!((own, there), (Ok(own), Ok(there)) if own == there)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_it_until_it_lets_go_or_the_folder_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("search");
        let first = Claim::take(&folder).unwrap().unwrap();
        assert!(first.holds() && Claim::take(&folder).unwrap().is_none());
        fs::remove_dir_all(&folder).unwrap();
        assert!(!first.holds());
        let second = Claim::take(&folder).unwrap().unwrap();
        assert!(second.holds() && !first.holds());
        second.leave_word(7).unwrap();
        assert_eq!(Claim::word(&folder), Some(7));
        drop(second);
        assert!(Claim::take(&folder).unwrap().is_some());
    }
}

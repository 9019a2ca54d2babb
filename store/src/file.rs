//! Whether the embedded database's file is still the one that was opened.
//!
//! A process goes on writing to a file that was removed, and all of it is gone with the process. So the writer looks before
//! each batch, and the poll makes it known; looking costs about a microsecond.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::Source;
use crate::error::because;

/// Names a file for as long as it exists, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(crate) fn of(path: &Path) -> std::io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }

    /// Fails unless this is the file at `path`.
    pub(crate) fn check(self, path: &Path) -> Result<(), Source> {
        match Self::of(path) {
            Ok(found) if found == self => Ok(()),
            Ok(_) | Err(_) => {
                Err(because("its file was removed or replaced: put the file back, or restart to use what is there now"))
            }
        }
    }
}

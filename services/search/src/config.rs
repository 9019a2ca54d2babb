//! What search can be told.

use std::path::PathBuf;

/// Search's own configuration.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    /// The folder of the index, a copy that is built anew where it is missing. Processes may share it; one of them writes
    #[arg(long, env = "INDEX_DIR", default_value = "search", value_name = "DIR")]
    pub index_dir: PathBuf,
}

impl Config {
    /// Search with its index in this folder.
    #[must_use]
    pub fn new(index_dir: impl Into<PathBuf>) -> Self {
        Self { index_dir: index_dir.into() }
    }
}

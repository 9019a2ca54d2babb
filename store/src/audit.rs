//! What the store's own tables say, for whoever checks a database from outside.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Error;
use crate::reader::Reader;
use crate::statement::{Dialect, Statement};

const HEAD: Statement =
    Statement::new("SELECT store_outbox", "SELECT position FROM store_outbox ORDER BY position DESC LIMIT 1");

const PLACE: Statement =
    Statement::new("SELECT store_inbox", "SELECT cursor, position FROM store_inbox WHERE source = $1");

const DEAD: Statement = Statement::new(
    "SELECT store_dead_letter",
    "SELECT position, key, reason FROM store_dead_letter WHERE source = $1 ORDER BY position LIMIT $2",
);

const REVISIONS: Statement = Statement::dialect(
    "SELECT store_inbox_revision",
    Dialect {
        sqlite: "SELECT key, revision FROM store_inbox_revision \
                 WHERE source = $1 AND key IN (SELECT value FROM json_each($2))",
        postgres: "SELECT key, revision FROM store_inbox_revision \
                   WHERE source = $1 AND key IN (SELECT json_array_elements_text($2::json))",
    },
);

/// An event that could not be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its place in the feed.
    pub position: u64,
    /// What it is about.
    pub key: String,
    /// Why it could not be applied.
    pub reason: String,
}

/// The newest position of this database's own feed.
///
/// # Errors
/// See [`Error`].
pub async fn head(reader: &mut Reader) -> Result<u64, Error> {
    let newest = reader.fetch_all(&HEAD, []).await?;
    newest.first().map_or(Ok(0), |row| row.get("position"))
}

/// How far this database has applied another's feed; nothing where its first copy is not complete.
///
/// # Errors
/// See [`Error`].
pub async fn applied(reader: &mut Reader, source: &str) -> Result<Option<u64>, Error> {
    for row in reader.fetch_all(&PLACE, [source.into()]).await? {
        if !row.get::<String>("cursor")?.is_empty() {
            return row.get("position").map(Some);
        }
    }
    Ok(None)
}

/// Events of another's feed that this database could not apply, the oldest first.
///
/// # Errors
/// See [`Error`].
pub async fn dead_letters(reader: &mut Reader, source: &str, most: u32) -> Result<Vec<DeadLetter>, Error> {
    let rows = reader.fetch_all(&DEAD, [source.into(), most.into()]).await?;
    let dead = rows.iter().map(|row| {
        let (position, key, reason) = (row.get("position")?, row.get("key")?, row.get("reason")?);
        Ok(DeadLetter { position, key, reason })
    });
    dead.collect()
}

/// The newest revisions that this database has applied of these keys of another.
///
/// # Errors
/// See [`Error`].
pub async fn revisions(reader: &mut Reader, source: &str, keys: &[&str]) -> Result<HashMap<String, u64>, Error> {
    let keys = serde_json::to_string(keys)
        .map_err(|error| Error::Internal { attempted: REVISIONS.name, source: Arc::new(error) })?;
    let rows = reader.fetch_all(&REVISIONS, [source.into(), keys.into()]).await?;
    rows.iter().map(|row| Ok((row.get("key")?, row.get("revision")?))).collect()
}

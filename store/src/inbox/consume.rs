//! Applies a batch of events, and knows of each key how far it has come.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use super::Core;
use super::effect::{Effect, Failure};
use crate::error::{Error, source};
use crate::event::Event;
use crate::statement::{Dialect, Statement};
use crate::transaction::Transaction;
use crate::unit::Unit;

const HELD: Statement = Statement::dialect(
    "SELECT store_inbox_revision",
    Dialect {
        sqlite: "SELECT key, revision, snapshot, present FROM store_inbox_revision \
                 WHERE source = $1 AND key IN (SELECT value FROM json_each($2))",
        postgres: "SELECT key, revision, snapshot, present FROM store_inbox_revision \
                   WHERE source = $1 AND key IN (SELECT json_array_elements_text($2::json))",
    },
);

macro_rules! on_conflict {
    () => {
        "ON CONFLICT (source, key) DO UPDATE SET revision = excluded.revision, snapshot = excluded.snapshot, \
         present = excluded.present"
    };
}

const HOLD: Statement = Statement::dialect(
    "UPSERT store_inbox_revision",
    Dialect {
        sqlite: concat!(
            "INSERT INTO store_inbox_revision (source, key, revision, snapshot, present) \
             SELECT $1, value ->> 'key', value ->> 'revision', value ->> 'snapshot', value ->> 'present' \
             FROM json_each($2) WHERE true ",
            on_conflict!()
        ),
        postgres: concat!(
            "INSERT INTO store_inbox_revision (source, key, revision, snapshot, present) \
             SELECT $1, value ->> 'key', (value ->> 'revision')::bigint, (value ->> 'snapshot')::bigint, \
             (value ->> 'present')::bigint FROM json_array_elements($2::json) AS listed(value) ",
            on_conflict!()
        ),
    },
);

/// Of what the events are a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Changes,
    /// Of the snapshot of this number.
    Snapshot(i64),
}

/// Why a unit of an inbox was not committed.
#[derive(Clone, Debug)]
pub(super) enum Refused {
    /// Another replica has the lease.
    Fenced,
    Failed(Failure),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What is held of a key.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Held {
    pub(super) key: String,
    pub(super) revision: u64,
    pub(super) snapshot: i64,
    pub(super) present: i64,
}

impl Held {
    pub(super) fn nothing(key: &str) -> Self {
        Self { key: key.to_owned(), revision: 0, snapshot: 0, present: 0 }
    }

    /// Whether the event says something that is not held yet.
    fn wants(&self, event: &Event, part: Part) -> bool {
        match part {
            // The first that a snapshot says of a key counts, whatever was held before it.
            Part::Snapshot(number) if self.snapshot != number => true,
            Part::Changes | Part::Snapshot(_) => event.revision > self.revision,
        }
    }
}

/// Applies events in one unit; how many changed anything. The cursor moves in the same commit.
pub(super) struct Consume<E> {
    core: Arc<Core<E>>,
    number: i64,
    part: Part,
    events: Vec<Arc<Event>>,
    cursor: Option<String>,
}

impl<E: Effect> Consume<E> {
    pub(super) fn new(
        core: Arc<Core<E>>,
        number: i64,
        part: Part,
        events: Vec<Arc<Event>>,
        cursor: Option<String>,
    ) -> Self {
        Self { core, number, part, events, cursor }
    }
}

impl<E: Effect> Unit for Consume<E> {
    const NAME: &'static str = "ConsumeFeed";
    type Output = u64;
    type Error = Refused;

    fn keys(&self) -> Vec<String> {
        let written = self.events.iter().flat_map(|event| self.core.effect.keys(event));
        std::iter::once(self.core.key()).chain(written).collect()
    }

    async fn run(&self, tx: &mut Transaction) -> Result<u64, Refused> {
        let Self { core, number, part, events, cursor } = self;
        match cursor {
            Some(cursor) => {
                let position = events.iter().map(|event| event.position).max();
                core.mark(tx, *number, cursor, position).await?;
            }
            None => core.fence(tx, *number).await?,
        }
        for event in events {
            event.check().map_err(Failure::permanent)?;
        }
        let mut held = core.held(tx, events.iter().map(|event| event.key.as_str())).await?;
        let mut applied = 0;
        for event in events {
            let held = held.entry(event.key.clone()).or_insert_with(|| Held::nothing(&event.key));
            if held.wants(event, *part) {
                core.effect.apply(tx, event).await?;
                held.revision = event.revision;
                applied += 1;
            }
            held.present = 1;
            if let Part::Snapshot(number) = part {
                held.snapshot = *number;
            }
        }
        core.hold(tx, held.values()).await?;
        Ok(applied)
    }
}

impl<E> Core<E> {
    /// What is held of these keys, where anything is.
    pub(super) async fn held(
        &self,
        tx: &mut Transaction,
        keys: impl Iterator<Item = &str>,
    ) -> Result<HashMap<String, Held>, Error> {
        let keys: Vec<&str> = keys.collect();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = tx.fetch_all(&HELD, [self.source.into(), json(&keys)?.into()]).await?;
        let held = rows.iter().map(|row| {
            let key: String = row.get("key")?;
            let held = Held {
                key: key.clone(),
                revision: row.get("revision")?,
                snapshot: row.get("snapshot")?,
                present: row.get("present")?,
            };
            Ok((key, held))
        });
        held.collect()
    }

    pub(super) async fn hold(
        &self,
        tx: &mut Transaction,
        held: impl Iterator<Item = &Held> + Send,
    ) -> Result<(), Error> {
        let held: Vec<&Held> = held.collect();
        if held.is_empty() {
            return Ok(());
        }
        tx.execute(&HOLD, [self.source.into(), json(&held)?.into()]).await?;
        Ok(())
    }
}

fn json<T: Serialize>(rows: &T) -> Result<String, Error> {
    serde_json::to_string(rows).map_err(|error| Error::Internal { attempted: "encode rows", source: source(error) })
}

//! What a change gives out, the rows of the outbox, and an event as it is followed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::statement::{Dialect, Statement};
use crate::value::Value;

/// A change for other services, given out with [`Transaction::emit`](crate::Transaction::emit).
///
/// The store adds the key's revision, the time, and the position in the feed. The event's id is
/// [`event_id`]`(key, revision)`: the same at every delivery, and known again in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// The full name of the message in `payload`, such as `souk.catalog.v1.ProductChanged`.
    pub r#type: &'static str,
    /// What changed, as a path within the service: `products/blue-mug`.
    pub subject: String,
    /// What changed: revisions count per key, and consumers see a key's events in this order. ASCII.
    pub key: String,
    /// The encoded message.
    pub payload: Vec<u8>,
    /// The W3C context of the call that made the change, so that a consumer's span can link to it.
    pub traceparent: Option<String>,
}

/// An event of a feed, this service's or another's.
///
/// Whoever makes one of the wire's envelope takes what is there as it is (0 for a number that is negative): what is wrong
/// with it is found by [`check`](Self::check), and the event goes to the dead letters whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The full name of the message in `payload`. A consumer ignores types that it does not know.
    pub r#type: String,
    /// What changed, as a path within the service.
    pub subject: String,
    /// The id of the thing that changed.
    pub key: String,
    /// Counts the changes of `key`, from 1.
    pub revision: u64,
    /// The place in the feed; in a snapshot the feed's head when it began.
    pub position: u64,
    /// When the change was made, in microseconds since 1970, by the clock of the service that made it.
    pub time_us: i64,
    /// The call that made the change; never in a snapshot.
    pub traceparent: Option<String>,
    /// The encoded message.
    #[serde(serialize_with = "as_base64", deserialize_with = "from_base64")]
    pub payload: Bytes,
}

/// What is wrong with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// There is none, it is longer than 128 bytes, or it has a control character in it.
    #[error("its key is empty, longer than {KEY_MAX} bytes, or no text")]
    Key,
    /// It is 0, or above what a database counts to.
    #[error("its revision is none")]
    Revision,
    /// The bytes are no event at all.
    #[error("it cannot be decoded")]
    Bytes,
}

/// The most bytes of a key, by the contract.
const KEY_MAX: usize = 128;

impl Event {
    /// Whether it is one that can be applied.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check(&self) -> Result<(), Malformed> {
        if self.key.is_empty() || self.key.len() > KEY_MAX || self.key.contains(char::is_control) {
            return Err(Malformed::Key);
        }
        if self.revision == 0 || i64::try_from(self.revision).is_err() {
            return Err(Malformed::Revision);
        }
        Ok(())
    }

    /// Its id, the same at every delivery.
    #[must_use]
    pub fn id(&self) -> String {
        event_id(&self.key, self.revision)
    }

    /// The event as dead letters keep it: JSON, which a person can read where it lies.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // A struct of texts and numbers always has a JSON form.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`Malformed::Bytes`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        serde_json::from_slice(bytes).map_err(|_| Malformed::Bytes)
    }

    /// About what it takes in memory.
    pub(crate) fn size(&self) -> usize {
        let traceparent = self.traceparent.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.r#type.len() + self.subject.len() + self.key.len() + traceparent + self.payload.len()
    }
}

/// The id of a key's change. Revisions never go back, so it is unique for ever.
#[must_use]
pub fn event_id(key: &str, revision: u64) -> String {
    format!("{key}@{revision}")
}

/// An event whose row is inserted when the batch ends.
#[derive(Debug, Serialize)]
pub(crate) struct OutboxRow {
    pub(crate) r#type: &'static str,
    pub(crate) subject: String,
    pub(crate) key: String,
    pub(crate) revision: i64,
    pub(crate) time_us: i64,
    pub(crate) traceparent: Option<String>,
    #[serde(serialize_with = "as_length")]
    pub(crate) payload: Vec<u8>,
    /// Where its payload begins in those of all.
    pub(crate) begin: usize,
}

/// What [`INSERT_EVENTS`] is given: the rows as one JSON text, and their payloads one after the other, which would be three
/// times as much to read as text.
pub(crate) fn outbox(mut rows: Vec<OutboxRow>) -> Result<[Value; 2], serde_json::Error> {
    let mut payloads = Vec::with_capacity(rows.iter().map(|row| row.payload.len()).sum());
    for row in &mut rows {
        row.begin = payloads.len();
        payloads.extend_from_slice(&row.payload);
    }
    Ok([serde_json::to_string(&rows)?.into(), payloads.into()])
}

/// Counts a key's changes. The row outlives what it counts, so a revision never goes back.
pub(crate) const NEXT_REVISION: Statement = Statement::new(
    "UPSERT store_revision",
    "INSERT INTO store_revision (key, revision) VALUES ($1, 1) \
     ON CONFLICT (key) DO UPDATE SET revision = store_revision.revision + 1 RETURNING revision",
);

/// As [`NEXT_REVISION`], of keys in one JSON text that are all different.
pub(crate) const NEXT_REVISIONS: Statement = Statement::dialect(
    "UPSERT store_revision",
    Dialect {
        sqlite: "INSERT INTO store_revision (key, revision) SELECT value, 1 FROM json_each($1) WHERE true \
                 ON CONFLICT (key) DO UPDATE SET revision = store_revision.revision + 1 RETURNING key, revision",
        postgres: "INSERT INTO store_revision (key, revision) SELECT json_array_elements_text($1::json), 1 \
                   ON CONFLICT (key) DO UPDATE SET revision = store_revision.revision + 1 RETURNING key, revision",
    },
);

/// Says how far a key's events are, of keys that are all different. Only forward.
pub(crate) const REVISE: Statement = Statement::dialect(
    "UPSERT store_revision",
    Dialect {
        sqlite: "INSERT INTO store_revision (key, revision) SELECT value ->> 'key', value ->> 'revision' \
                 FROM jsonb_each($1) WHERE true ON CONFLICT (key) DO UPDATE SET revision = excluded.revision \
                 WHERE store_revision.revision < excluded.revision",
        postgres: "INSERT INTO store_revision (key, revision) SELECT listed.key, listed.revision FROM \
                   json_to_recordset($1::json) AS listed(revision bigint, key text) ON CONFLICT (key) DO UPDATE SET revision \
                   = excluded.revision WHERE store_revision.revision < excluded.revision",
    },
);

/// A row of [`REVISE`].
#[derive(Debug, Serialize)]
pub(crate) struct Revised<'a> {
    pub(crate) key: &'a str,
    pub(crate) revision: i64,
}

/// The outbox's lock, held until the commit is visible: whoever draws positions next draws higher ones. A pair of 32-bit
/// numbers is a key space of its own, apart from the 64-bit keys that units lock.
pub(crate) const LOCK_OUTBOX: &str = "SELECT pg_advisory_xact_lock(1937077611, 1)";

/// A batch's events in one statement, in order. See [`outbox`]; SQLite takes a piece of no bytes for NULL.
pub(crate) const INSERT_EVENTS: Statement = Statement::dialect(
    "INSERT store_outbox",
    Dialect {
        sqlite: "INSERT INTO store_outbox (type, subject, key, revision, time_us, traceparent, payload) \
                 SELECT value ->> 'type', value ->> 'subject', value ->> 'key', value ->> 'revision', \
                 value ->> 'time_us', value ->> 'traceparent', \
                 COALESCE(substr($2, (value ->> 'begin') + 1, value ->> 'payload'), x'') \
                 FROM jsonb_each($1) ORDER BY jsonb_each.key RETURNING position",
        postgres: "INSERT INTO store_outbox (type, subject, key, revision, time_us, traceparent, payload) \
                   SELECT value ->> 'type', value ->> 'subject', value ->> 'key', (value ->> 'revision')::bigint, \
                   (value ->> 'time_us')::bigint, value ->> 'traceparent', \
                   substring($2::bytea FROM (value ->> 'begin')::int + 1 FOR (value ->> 'payload')::int) \
                   FROM json_array_elements($1::json) WITH ORDINALITY AS event(value, number) ORDER BY number \
                   RETURNING position",
    },
);

/// The feed's name and its head: the newest position that is committed, and when its event was made.
pub(crate) const HEAD: Statement = Statement::new(
    "SELECT store_outbox",
    "SELECT feed, COALESCE(position, 0) AS head, time_us FROM store_feed LEFT JOIN \
     (SELECT position, time_us FROM store_outbox ORDER BY position DESC LIMIT 1) AS newest ON true",
);

fn as_length<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(bytes.len() as u64)
}

fn as_base64<S: serde::Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map(Bytes::from).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_event_is_read_as_it_was_written(
            texts: [String; 3],
            numbers: (u64, u64, i64),
            traceparent: Option<String>,
            payload: Vec<u8>,
        ) {
            let ([r#type, subject, key], (revision, position, time_us)) = (texts, numbers);
            let payload = payload.into();
            let event = Event { r#type, subject, key, revision, position, time_us, traceparent, payload };
            prop_assert_eq!(Event::decode(&event.encode()), Ok(event));
        }

        #[test]
        fn any_bytes_are_an_event_or_malformed(bytes: Vec<u8>) {
            // Also what is read back of them is what was written.
            if let Ok(event) = Event::decode(&bytes) {
                prop_assert_eq!(Event::decode(&event.encode()), Ok(event));
            }
        }
    }
}

//! What a change gives out, and the rows of the outbox.

use crate::statement::{Dialect, Statement};

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

/// The id of a key's change. Revisions never go back, so it is unique for ever.
#[must_use]
pub fn event_id(key: &str, revision: u64) -> String {
    format!("{key}@{revision}")
}

/// An event whose row is inserted when the batch ends.
#[derive(Debug, serde::Serialize)]
pub(crate) struct OutboxRow {
    pub(crate) r#type: &'static str,
    pub(crate) subject: String,
    pub(crate) key: String,
    pub(crate) revision: i64,
    pub(crate) time_us: i64,
    pub(crate) traceparent: Option<String>,
    #[serde(serialize_with = "as_hex")]
    pub(crate) payload: Vec<u8>,
}

/// Counts a key's changes. The row outlives what it counts, so a revision never goes back.
pub(crate) const NEXT_REVISION: Statement = Statement::new(
    "UPSERT store_revision",
    "INSERT INTO store_revision (key, revision) VALUES ($1, 1) \
     ON CONFLICT (key) DO UPDATE SET revision = store_revision.revision + 1 RETURNING revision",
);

/// The outbox's lock, held until the commit is visible: whoever draws positions next draws higher ones. A pair of 32-bit
/// numbers is a key space of its own, apart from the 64-bit keys that units lock.
pub(crate) const LOCK_OUTBOX: &str = "SELECT pg_advisory_xact_lock(1937077611, 1)";

/// A batch's events in one statement, in order. The list is one JSON text; the payload is hexadecimal in it.
pub(crate) const INSERT_EVENTS: Statement = Statement::dialect(
    "INSERT store_outbox",
    Dialect {
        sqlite: "INSERT INTO store_outbox (type, subject, key, revision, time_us, traceparent, payload) \
                 SELECT value ->> 'type', value ->> 'subject', value ->> 'key', value ->> 'revision', \
                 value ->> 'time_us', value ->> 'traceparent', unhex(value ->> 'payload') \
                 FROM json_each($1) ORDER BY json_each.key RETURNING position",
        postgres: "INSERT INTO store_outbox (type, subject, key, revision, time_us, traceparent, payload) \
                   SELECT value ->> 'type', value ->> 'subject', value ->> 'key', (value ->> 'revision')::bigint, \
                   (value ->> 'time_us')::bigint, value ->> 'traceparent', decode(value ->> 'payload', 'hex') \
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

fn as_hex<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 0xf)]));
    }
    serializer.serialize_str(&text)
}

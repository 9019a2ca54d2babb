//! The outbox, page by page.

use std::sync::Arc;

use super::WatchError;
use crate::connection::Connection;
use crate::cursor::Cursor;
use crate::error::{Error, because};
use crate::event::Event;
use crate::row::Row;
use crate::statement::Statement;

/// The most events of a page, and the bytes of payload after which it is full.
const PAGE_EVENTS: i64 = 256;
const PAGE_BYTES: i64 = 512 * 1024;

/// Ends where the page is full; a payload larger than a page is one.
const PAGE: Statement = Statement::new(
    "SELECT store_outbox page",
    "SELECT position, type, subject, key, revision, time_us, traceparent, payload FROM \
     (SELECT rest.*, SUM(LENGTH(payload)) OVER (ORDER BY position) - LENGTH(payload) AS bytes_before FROM \
     (SELECT * FROM store_outbox WHERE position > $1 ORDER BY position LIMIT $2) AS rest) AS sized \
     WHERE bytes_before < $3 ORDER BY position",
);

const FLOOR: Statement = Statement::new("SELECT store_feed", "SELECT floor FROM store_feed");

/// The feed, its bounds, and what is at a position, all of one moment.
const PLACE: Statement = Statement::new(
    "SELECT store_feed place",
    "SELECT feed, floor, COALESCE(newest.position, 0) AS head, newest.time_us AS head_us, place.time_us AS place_us \
     FROM store_feed LEFT JOIN (SELECT position, time_us FROM store_outbox ORDER BY position DESC LIMIT 1) AS newest \
     ON true LEFT JOIN (SELECT time_us FROM store_outbox WHERE position = $1) AS place ON true",
);

/// Where a follower begins.
pub(super) struct Place {
    /// Of the last event that it has.
    pub(super) cursor: Cursor,
    /// The feed's head now.
    pub(super) head: u64,
}

/// The place of a cursor, or the feed's head where there is none.
pub(super) async fn place(mut connection: Connection, cursor: Option<Cursor>) -> Result<Place, WatchError> {
    let at = cursor.map_or(0, |cursor| i64::try_from(cursor.position).unwrap_or(i64::MAX));
    let row = connection.fetch_one(&PLACE, [at.into()]).await?;
    let feed: String = row.get("feed")?;
    let feed = u128::from_str_radix(&feed, 16).map_err(|error| Error::Corrupt {
        attempted: PLACE.name,
        what: "feed",
        source: Arc::new(error),
    })?;
    let (floor, head): (u64, u64) = (row.get("floor")?, row.get("head")?);
    let (head_us, place_us): (Option<i64>, Option<i64>) = (row.get("head_us")?, row.get("place_us")?);
    let Some(cursor) = cursor else {
        let cursor = Cursor { feed, position: head, stamp: head_us.unwrap_or_default() };
        return Ok(Place { cursor, head });
    };
    if cursor.feed != feed {
        return Err(WatchError::Expired("it is of another feed"));
    }
    if cursor.position > head {
        return Err(WatchError::Expired("it is above the feed's head"));
    }
    if cursor.position < floor {
        return Err(WatchError::Expired("it is older than what the feed keeps"));
    }
    match place_us {
        Some(stamp) if stamp == cursor.stamp => Ok(Place { cursor, head }),
        // Retention has just removed that very event, and nothing after it; or nothing had happened yet.
        None if cursor.position == floor => Ok(Place { cursor, head }),
        Some(_) | None => Err(WatchError::Expired("it is of another history of this feed")),
    }
}

/// The events after a position, in order; none where it is the head.
pub(super) async fn page(mut connection: Connection, after: u64) -> Result<Vec<Arc<Event>>, WatchError> {
    let after_row = i64::try_from(after).unwrap_or(i64::MAX);
    let rows = connection.fetch_all(&PAGE, [after_row.into(), PAGE_EVENTS.into(), PAGE_BYTES.into()]).await?;
    // Read second: where it is still below, nothing was missing from the page.
    let floor: u64 = connection.fetch_one(&FLOOR, []).await?.get("floor")?;
    if floor > after {
        return Err(WatchError::Expired("it is older than what the feed keeps"));
    }
    Ok(rows.iter().map(event).collect::<Result<_, Error>>()?)
}

fn event(row: &Row) -> Result<Arc<Event>, Error> {
    let payload: Vec<u8> = row.get("payload")?;
    let event = Event {
        r#type: row.get("type")?,
        subject: row.get("subject")?,
        key: row.get("key")?,
        revision: row.get("revision")?,
        position: row.get("position")?,
        time_us: row.get("time_us")?,
        traceparent: row.get("traceparent")?,
        payload: payload.into(),
    };
    match event.check() {
        Ok(()) => Ok(Arc::new(event)),
        Err(malformed) => {
            Err(Error::Corrupt { attempted: PAGE.name, what: "an event", source: because(malformed.to_string()) })
        }
    }
}

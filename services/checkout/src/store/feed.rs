//! The last event of each order that had one, for whoever begins to follow the feed.

use ::store::feed::State;
use ::store::{Connection, Error as StoreError, Statement};

use super::{Wire, row, subject};

/// Events of one page of a snapshot, each at most 32 KiB.
const PAGE: i64 = 100;

const STATES: Statement = Statement::new(
    "SELECT order_events page",
    "SELECT order_id, kind, revision, time_us, payload FROM order_events WHERE order_id > $1 ORDER BY order_id LIMIT $2",
);

/// The orders after this one, in ascending order.
pub(super) async fn states(mut connection: Connection, wire: Wire, after: String) -> Result<Vec<State>, StoreError> {
    let mut states = Vec::new();
    for found in connection.fetch_all(&STATES, [after.into(), PAGE.into()]).await? {
        let (key, payload): (String, Vec<u8>) = (found.get("order_id")?, found.get("payload")?);
        states.push(State {
            r#type: (wire.event_type)(&row::tale(found.get("kind")?)?),
            subject: subject(&key),
            revision: found.get("revision")?,
            time_us: found.get("time_us")?,
            payload: payload.into(),
            key,
        });
    }
    Ok(states)
}

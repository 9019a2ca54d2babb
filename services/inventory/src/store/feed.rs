//! What exists, for whoever begins to follow the feed.

use ::store::feed::State;
use ::store::{Connection, Error as StoreError, Statement};

use super::{Wire, row};

/// Levels of one page of a snapshot: about 64 KiB.
const PAGE: i64 = 500;

/// A row's revision is its key's: a unit writes both.
const STATES: Statement = Statement::new(
    "SELECT stock page",
    "SELECT product_id, on_hand, reserved, sold, received, update_us, revision FROM stock \
     WHERE product_id > $1 ORDER BY product_id LIMIT $2",
);

/// The stock of the products after this one, in ascending order.
pub(super) async fn states(mut connection: Connection, wire: Wire, after: String) -> Result<Vec<State>, StoreError> {
    let mut states = Vec::new();
    for found in connection.fetch_all(&STATES, [after.into(), PAGE.into()]).await? {
        let id: String = found.get("product_id")?;
        let (product, level) = (row::product(&id)?, row::level(&found)?);
        states.push(State {
            r#type: wire.changed_type,
            subject: super::level::subject(&product),
            revision: level.revision,
            time_us: level.update_us,
            payload: (wire.changed)(&product, &level).into(),
            key: id,
        });
    }
    Ok(states)
}

//! How many orders are not at rest, and since when.

use ::store::{Connection, Dialect, Statement, now};

use super::row;
use crate::error::Error;
use crate::order::State;

const UNFINISHED: Statement = Statement::dialect(
    "SELECT orders unfinished",
    Dialect {
        sqlite: concat!(
            "SELECT state, COUNT(*) AS orders, ",
            now!(sqlite),
            " - MIN(create_us) AS age_us FROM orders WHERE step_since_us IS NOT NULL GROUP BY state"
        ),
        postgres: concat!(
            "SELECT state, COUNT(*) AS orders, ",
            now!(postgres),
            " - MIN(create_us) AS age_us FROM orders WHERE step_since_us IS NOT NULL GROUP BY state"
        ),
    },
);

/// Orders in a state for which something is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub(crate) orders: i64,
    /// How long ago the oldest of them was placed. Microseconds.
    pub(crate) age_us: i64,
}

pub(super) async fn unfinished(mut connection: Connection) -> Result<Vec<(State, Unfinished)>, Error> {
    let mut found = Vec::new();
    for row in connection.fetch_all(&UNFINISHED, []).await? {
        let unfinished = Unfinished { orders: row.get("orders")?, age_us: row.get("age_us")? };
        found.push((row::state(row.get("state")?)?, unfinished));
    }
    Ok(found)
}

//! Lists of orders, the newest first.

use ::store::{Connection, Dialect, Row, Statement, Value};

use super::load::columns;
use super::row;
use crate::error::Error;
use crate::order::{Order, State};
use crate::page::{BYTES_MAX, Filter};

/// Rows that are read at once: an order may have 250 KB.
const CHUNK: usize = 50;

/// What every list has in common; what follows it narrows it down.
macro_rules! list {
    ($states:literal, $narrower:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM orders WHERE (create_us, order_id) < ($1, $2) AND create_us >= $3 AND create_us < $4 AND state IN (",
            $states,
            ")",
            $narrower,
            " ORDER BY create_us DESC, order_id DESC LIMIT $6"
        )
    };
}

macro_rules! both {
    ($narrower:literal) => {
        Statement::dialect(
            "SELECT orders page",
            Dialect {
                sqlite: list!("SELECT value FROM json_each($5)", $narrower),
                postgres: list!("SELECT listed::bigint FROM json_array_elements_text($5::json) AS listed", $narrower),
            },
        )
    };
}

/// One for each index.
const ALL: Statement = both!("");
const UNFINISHED: Statement = both!(" AND step_since_us IS NOT NULL AND step_since_us < $7");
const CONTACT: Statement = both!(" AND contact_email = $7");
const CONTACT_UNFINISHED: Statement =
    both!(" AND contact_email = $7 AND step_since_us IS NOT NULL AND step_since_us < $8");

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) filter: Filter,
    pub(crate) size: usize,
    /// When the last order of the page before was placed, and its id.
    pub(crate) after: Option<(i64, String)>,
}

/// Orders, and whether there are more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) orders: Vec<Order>,
    pub(crate) more: bool,
}

pub(super) async fn page(
    mut connection: Connection,
    query: Query,
    size_of: fn(&Order) -> usize,
) -> Result<Page, Error> {
    let Query { filter, size, mut after } = query;
    let (mut orders, mut bytes) = (Vec::new(), 0);
    loop {
        // One more than is asked for says whether there are more.
        let limit = CHUNK.min(size + 1 - orders.len());
        let (statement, values) = chunk(&filter, after.as_ref(), limit)?;
        let found: Vec<Row> = connection.fetch_all(statement, values).await?;
        for row in &found {
            if orders.len() == size || bytes >= BYTES_MAX {
                return Ok(Page { orders, more: true });
            }
            let found = row::found(row)?;
            bytes += size_of(&found.order);
            after = Some((found.order.create_us, found.order.id.as_str().to_owned()));
            orders.push(found.order);
        }
        if found.len() < limit {
            return Ok(Page { orders, more: false });
        }
    }
}

fn chunk(
    filter: &Filter,
    after: Option<&(i64, String)>,
    limit: usize,
) -> Result<(&'static Statement, Vec<Value>), Error> {
    let Filter { states, placed_from_us, placed_before_us, contact_email, step_since_before_us } = filter;
    let states = if states.is_empty() { &State::ALL[..] } else { states };
    let states: Vec<i64> = states.iter().map(|state| row::state_number(*state)).collect();
    // Above every id there is.
    let (create_us, id) = after.map_or((i64::MAX, "~"), |(create_us, id)| (*create_us, id.as_str()));
    let mut values = vec![
        create_us.into(),
        id.into(),
        placed_from_us.unwrap_or(i64::MIN).into(),
        placed_before_us.unwrap_or(i64::MAX).into(),
        row::json(&states)?.into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    values.extend((!contact_email.is_empty()).then(|| contact_email.as_str().into()));
    values.extend(step_since_before_us.map(Value::from));
    let statement = match (contact_email.is_empty(), step_since_before_us) {
        (true, None) => &ALL,
        (true, Some(_)) => &UNFINISHED,
        (false, None) => &CONTACT,
        (false, Some(_)) => &CONTACT_UNFINISHED,
    };
    Ok((statement, values))
}

//! What exists, for the snapshot of those who follow the catalog.

use ::store::feed::State;
use ::store::{Connection, Error as StoreError, Row, Statement};

use super::Wire;
use super::row;
use super::write::subject;

/// Products that are in memory at once for each snapshot that is sent: 100 of the largest are 3 MiB.
const PAGE: i64 = 100;

const STATES: Statement = Statement::new(
    "SELECT products states",
    "SELECT products.*, revisions.revision AS last_revision FROM products \
     JOIN store_revision AS revisions ON revisions.key = products.product_id \
     WHERE products.product_id > $1 ORDER BY products.product_id LIMIT $2",
);

/// The products after this one, in the order of their ids.
pub(super) async fn states(mut connection: Connection, wire: Wire, after: String) -> Result<Vec<State>, StoreError> {
    let rows = connection.fetch_all(&STATES, [after.into(), PAGE.into()]).await?;
    rows.iter().map(|row| state(row, wire)).collect()
}

fn state(row: &Row, wire: Wire) -> Result<State, StoreError> {
    let product = row::product(row)?;
    Ok(State {
        r#type: wire.changed,
        subject: subject(&product.id),
        payload: (wire.product)(&product).into(),
        key: product.id.as_str().to_owned(),
        revision: row.get("last_revision")?,
        time_us: product.update_us,
    })
}

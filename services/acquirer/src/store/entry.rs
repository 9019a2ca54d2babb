//! The lines of the ledger.

use ::store::{Connection, Dialect, Error as StoreError, Statement, Transaction};
use rpc::Capability;
use rpc::money::{Currency, Money};
use serde::Serialize;

use super::charge::corrupt;
use crate::charge::Operation;

const INSERT: Statement = Statement::dialect(
    "INSERT entries",
    Dialect {
        sqlite: "INSERT INTO entries (payment_id, operation, refund_id, currency, amount_minor, create_us) \
                 SELECT value ->> 'payment_id', value ->> 'operation', value ->> 'refund_id', value ->> 'currency', \
                 value ->> 'amount_minor', value ->> 'create_us' FROM jsonb_each($1)",
        postgres: "INSERT INTO entries (payment_id, operation, refund_id, currency, amount_minor, create_us) SELECT \
                   listed.payment_id, listed.operation, listed.refund_id, listed.currency, listed.amount_minor, \
                   listed.create_us FROM json_to_recordset($1::json) AS listed(operation bigint, amount_minor bigint, \
                   create_us bigint, payment_id text, refund_id text, currency text)",
    },
);

const PAGE: Statement = Statement::new(
    "SELECT entries",
    "SELECT number, payment_id, operation, refund_id, currency, amount_minor, create_us FROM entries WHERE number > $1 \
     ORDER BY number LIMIT $2",
);

/// A line of the ledger as it is read.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) number: i64,
    pub(crate) payment: Capability,
    pub(crate) operation: Operation,
    /// Empty where it is no refund.
    pub(crate) refund_id: String,
    pub(crate) amount: Money,
    pub(crate) create_us: i64,
}

/// A row of [`INSERT`].
#[derive(Serialize)]
struct Line<'a> {
    payment_id: &'a str,
    operation: i64,
    refund_id: &'a str,
    currency: &'static str,
    amount_minor: i64,
    create_us: i64,
}

/// Adds a line.
pub(super) fn add(
    tx: &mut Transaction,
    payment: &Capability,
    (operation, refund_id): (Operation, &str),
    amount: Money,
    now_us: i64,
) -> Result<(), StoreError> {
    let operation = match operation {
        Operation::Authorize => 1,
        Operation::Capture => 2,
        Operation::Void => 3,
        Operation::Refund => 4,
    };
    let (currency, amount_minor) = (amount.currency().code(), amount.minor());
    let line = Line { payment_id: payment.as_str(), operation, refund_id, currency, amount_minor, create_us: now_us };
    tx.put(&INSERT, &line)
}

/// The lines after this one.
pub(super) async fn read(mut connection: Connection, after: i64, limit: u32) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    for row in connection.fetch_all(&PAGE, [after.into(), limit.into()]).await? {
        let (payment, code): (String, String) = (row.get("payment_id")?, row.get("currency")?);
        let currency = Currency::parse(&code).ok_or_else(|| corrupt("currency", "it is no currency"))?;
        entries.push(Entry {
            number: row.get("number")?,
            payment: Capability::parse(&payment).ok_or_else(|| corrupt("payment_id", "it is no id"))?,
            operation: operation(row.get("operation")?)?,
            refund_id: row.get("refund_id")?,
            amount: Money::new(currency, row.get("amount_minor")?),
            create_us: row.get("create_us")?,
        });
    }
    Ok(entries)
}

pub(super) fn operation(number: i64) -> Result<Operation, StoreError> {
    match number {
        1 => Ok(Operation::Authorize),
        2 => Ok(Operation::Capture),
        3 => Ok(Operation::Void),
        4 => Ok(Operation::Refund),
        _ => Err(corrupt("operation", "it is no operation")),
    }
}

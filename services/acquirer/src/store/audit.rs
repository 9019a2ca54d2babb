//! What is in the ledger, for whoever checks it from outside.

use ::store::{Error, Range, Reader, Row, Statement};
use rpc::money::{Currency, Money};

use super::charge::corrupt;
use super::entry;
use crate::charge;

/// The primary key of the ledger is its order; by payments it is read in this one.
const ENTRIES: Statement = Statement::new(
    "SELECT entries",
    "SELECT number, payment_id, operation, refund_id, currency, amount_minor FROM entries \
     WHERE payment_id >= $1 AND payment_id <= $2 ORDER BY payment_id, number LIMIT $3",
);

/// What a line of the ledger says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// An amount was set aside.
    Authorize,
    /// It was taken.
    Capture,
    /// It is no longer set aside.
    Void,
    /// Some of it was given back.
    Refund,
}

/// A line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The payment's id.
    pub payment_id: String,
    /// Its place in the ledger.
    pub number: i64,
    /// What happened.
    pub operation: Operation,
    /// Empty where it is no refund.
    pub refund_id: String,
    /// How much.
    pub amount: Money,
}

/// The lines of these payments, in the order of the payments' ids. A payment may be cut at the end of the range.
///
/// # Errors
/// See [`Error`].
pub async fn entries(reader: &mut Reader, range: &Range) -> Result<Vec<Entry>, Error> {
    let rows = reader.fetch_all(&ENTRIES, range.values()).await?;
    rows.iter().map(entry).collect()
}

fn entry(row: &Row) -> Result<Entry, Error> {
    let code: String = row.get("currency")?;
    let currency = Currency::parse(&code).ok_or_else(|| corrupt("currency", "it is no currency"))?;
    Ok(Entry {
        payment_id: row.get("payment_id")?,
        number: row.get("number")?,
        operation: match entry::operation(row.get("operation")?)? {
            charge::Operation::Authorize => Operation::Authorize,
            charge::Operation::Capture => Operation::Capture,
            charge::Operation::Void => Operation::Void,
            charge::Operation::Refund => Operation::Refund,
        },
        refund_id: row.get("refund_id")?,
        amount: Money::new(currency, row.get("amount_minor")?),
    })
}

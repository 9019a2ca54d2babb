//! What is in this service's database, for whoever checks it from outside. Cards are not read.

use std::collections::HashMap;

use ::store::{Error, Range, Reader, Row, Statement};
use rpc::money::{Currency, Money};

use super::row;
use crate::payment;

const PAYMENTS: Statement = Statement::new(
    "SELECT payments",
    "SELECT payment_id, state, decline_reason, currency, amount_minor FROM payments \
     WHERE payment_id >= $1 AND payment_id <= $2 ORDER BY payment_id LIMIT $3",
);

const REFUNDS: Statement = Statement::new(
    "SELECT refunds",
    "SELECT payment_id, refund_id, amount_minor, state FROM refunds \
     WHERE payment_id >= $1 AND payment_id <= $2 ORDER BY payment_id, number",
);

/// Where a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The processor was told something, and nobody knows yet what it did.
    InDoubt,
    /// The money is set aside.
    Authorized,
    /// It never was.
    Declined,
    /// It is taken.
    Captured,
    /// It is no longer set aside, or will never be.
    Voided,
}

/// Where a refund stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundState {
    /// The processor was told, or is about to be.
    Pending,
    /// The money is given back.
    Done,
    /// It is not.
    Failed,
}

/// A payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The order's id.
    pub payment_id: String,
    /// Where it stands.
    pub state: State,
    /// Nothing: it was voided before it was authorized.
    pub amount: Option<Money>,
    /// The ids of its refunds, where they stand, and how much they are in minor units.
    pub refunds: Vec<(String, RefundState, i64)>,
}

/// Payments in the order of their ids.
///
/// # Errors
/// See [`Error`].
pub async fn payments(reader: &mut Reader, range: &Range) -> Result<Vec<Payment>, Error> {
    let rows = reader.fetch_all(&PAYMENTS, range.values()).await?;
    let mut payments = rows.iter().map(payment).collect::<Result<Vec<_>, _>>()?;
    let Some(last) = payments.last() else { return Ok(payments) };
    let [from, through, _] = range.clone().through(&last.payment_id).values();
    let mut refunds: HashMap<String, Vec<_>> = HashMap::new();
    for row in reader.fetch_all(&REFUNDS, [from, through]).await? {
        let id: String = row.get("payment_id")?;
        let state = match row.get::<i64>("state")? {
            1 => RefundState::Pending,
            2 => RefundState::Done,
            _ => RefundState::Failed,
        };
        refunds.entry(id).or_default().push((row.get("refund_id")?, state, row.get("amount_minor")?));
    }
    for payment in &mut payments {
        payment.refunds = refunds.remove(&payment.payment_id).unwrap_or_default();
    }
    Ok(payments)
}

fn payment(row: &Row) -> Result<Payment, Error> {
    let currency: Option<String> = row.get("currency")?;
    let amount = match currency {
        Some(code) => {
            let currency = Currency::parse(&code).ok_or_else(|| row::corrupt("currency", "it is no currency"))?;
            Some(Money::new(currency, row.get("amount_minor")?))
        }
        None => None,
    };
    let state = match row::state(row.get("state")?, row.get("decline_reason")?)? {
        payment::State::Authorizing | payment::State::Capturing | payment::State::Voiding => State::InDoubt,
        payment::State::Authorized => State::Authorized,
        payment::State::Declined(_) => State::Declined,
        payment::State::Captured => State::Captured,
        payment::State::Voided => State::Voided,
    };
    Ok(Payment { payment_id: row.get("payment_id")?, state, amount, refunds: Vec::new() })
}

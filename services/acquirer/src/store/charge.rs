//! A charge with its refunds: read, made and changed.

use std::sync::Arc;

use ::store::{Connection, Dialect, Error as StoreError, Lookup, Row, Statement, Transaction};
use rpc::Capability;
use rpc::money::{Currency, Money};
use serde::Serialize;

use crate::card::Trace;
use crate::charge::{Charge, Content, Reason, Refund, State};

macro_rules! columns {
    () => {
        "charges.reference, charges.state, charges.currency, charges.amount_minor, charges.fingerprint, charges.last_four, \
         charges.reason, charges.create_us, charges.expire_us, refunds.refund_id, refunds.amount_minor AS refund_minor, \
         refunds.state AS refund_state, refunds.reason AS refund_reason"
    };
}

/// A row for each refund, and one where there is none.
const LOAD: Statement = Statement::dialect(
    "SELECT charges",
    Dialect {
        sqlite: concat!(
            "SELECT wanted.key AS wanted, ",
            columns!(),
            " FROM json_each($1) AS wanted CROSS JOIN charges ON charges.payment_id = wanted.value \
             LEFT JOIN refunds ON refunds.payment_id = charges.payment_id ORDER BY wanted.key, refunds.number"
        ),
        // Row by row, whatever the planner thinks of the tables.
        postgres: concat!(
            "SELECT wanted.number - 1 AS wanted, ",
            columns!(),
            " FROM json_array_elements_text($1::json) WITH ORDINALITY AS wanted(value, number) \
             JOIN LATERAL (SELECT * FROM charges WHERE payment_id = wanted.value OFFSET 0) AS charges ON true \
             LEFT JOIN LATERAL (SELECT * FROM refunds WHERE payment_id = charges.payment_id OFFSET 0) AS refunds ON true \
             ORDER BY wanted.number, refunds.number"
        ),
    },
);

const INSERT: Statement = Statement::dialect(
    "INSERT charges",
    Dialect {
        sqlite: "INSERT INTO charges (payment_id, reference, state, currency, amount_minor, fingerprint, last_four, reason, \
                 create_us, expire_us) SELECT value ->> 'payment_id', value ->> 'reference', value ->> 'state', \
                 value ->> 'currency', value ->> 'amount_minor', unhex(value ->> 'fingerprint'), value ->> 'last_four', \
                 value ->> 'reason', value ->> 'create_us', value ->> 'expire_us' FROM jsonb_each($1)",
        postgres: "INSERT INTO charges (payment_id, reference, state, currency, amount_minor, fingerprint, last_four, reason, \
                   create_us, expire_us) SELECT listed.payment_id, listed.reference, listed.state, listed.currency, \
                   listed.amount_minor, decode(listed.fingerprint, 'hex'), listed.last_four, listed.reason, listed.create_us, \
                   listed.expire_us FROM json_to_recordset($1::json) AS listed(state bigint, amount_minor bigint, reason \
                   bigint, create_us bigint, expire_us bigint, payment_id text, reference text, currency text, fingerprint \
                   text, last_four text)",
    },
);

/// Only from authorized: every other state is final.
const UPDATE: Statement = Statement::dialect(
    "UPDATE charges",
    Dialect {
        sqlite: "UPDATE charges SET state = value ->> 'state' FROM jsonb_each($1) AS listed \
                 WHERE payment_id = value ->> 'payment_id' AND charges.state = 1",
        postgres: "UPDATE charges SET state = listed.state FROM json_to_recordset($1::json) AS listed(state bigint, \
                   payment_id text) WHERE charges.payment_id = listed.payment_id AND charges.state = 1",
    },
);

const INSERT_REFUND: Statement = Statement::new(
    "INSERT refunds",
    "INSERT INTO refunds (payment_id, number, refund_id, amount_minor, state, reason) VALUES ($1, $2, $3, $4, $5, $6)",
);

/// What units of a charge lock.
pub(super) fn key(payment: &Capability) -> String {
    format!("charge/{}", payment.as_str())
}

/// What finds a charge.
pub(super) fn lookup(payment: &Capability) -> Lookup {
    Lookup::new(LOAD, payment.as_str())
}

pub(super) async fn load(tx: &mut Transaction, payment: &Capability) -> Result<Option<Charge>, StoreError> {
    found(payment, &tx.look_up(&lookup(payment)).await?)
}

pub(super) async fn read(mut connection: Connection, payment: &Capability) -> Result<Option<Charge>, StoreError> {
    found(payment, &connection.look_up(&lookup(payment)).await?)
}

/// A row of [`INSERT`].
#[derive(Serialize)]
struct ChargeRow<'a> {
    payment_id: &'a str,
    reference: &'a str,
    state: i64,
    currency: Option<&'static str>,
    amount_minor: Option<i64>,
    /// Hexadecimal digits.
    fingerprint: Option<String>,
    last_four: &'a str,
    reason: i64,
    create_us: i64,
    expire_us: Option<i64>,
}

impl<'a> ChargeRow<'a> {
    fn of(charge: &'a Charge) -> Self {
        let content = charge.content.as_ref();
        let (state, reason) = numbers(charge.state);
        Self {
            payment_id: charge.payment.as_str(),
            reference: &charge.reference,
            state,
            currency: content.map(|content| content.amount.currency().code()),
            amount_minor: content.map(|content| content.amount.minor()),
            fingerprint: content.map(|content| hex::encode(content.card.fingerprint)),
            last_four: content.map_or("", |content| content.card.last_four.as_str()),
            reason,
            create_us: charge.create_us,
            expire_us: charge.expire_us,
        }
    }
}

pub(super) fn insert(tx: &mut Transaction, charge: &Charge) -> Result<(), StoreError> {
    tx.put(&INSERT, &ChargeRow::of(charge))
}

/// A row of [`UPDATE`].
#[derive(Serialize)]
struct Moved<'a> {
    payment_id: &'a str,
    state: i64,
}

pub(super) fn update(tx: &mut Transaction, charge: &Charge) -> Result<(), StoreError> {
    let (state, _) = numbers(charge.state);
    tx.put(&UPDATE, &Moved { payment_id: charge.payment.as_str(), state })
}

/// Adds the charge's newest refund.
pub(super) async fn insert_refund(tx: &mut Transaction, charge: &Charge) -> Result<(), StoreError> {
    let Some(refund) = charge.refunds.last() else { return Ok(()) };
    let number = i64::try_from(charge.refunds.len()).unwrap_or(i64::MAX);
    let values = [
        charge.payment.as_str().into(),
        number.into(),
        refund.id.as_str().into(),
        refund.amount.minor().into(),
        if refund.refused.is_none() { 1_i64 } else { 2 }.into(),
        refund.refused.as_deref().unwrap_or_default().into(),
    ];
    tx.execute(&INSERT_REFUND, values).await.map(drop)
}

fn found(payment: &Capability, rows: &[Row]) -> Result<Option<Charge>, StoreError> {
    let Some(row) = rows.first() else { return Ok(None) };
    let currency: Option<String> = row.get("currency")?;
    let content = currency.map(|code| content(row, &code)).transpose()?;
    let currency = content.as_ref().map(|content| content.amount.currency());
    let refunds = rows.iter().filter_map(|row| refund(row, currency).transpose()).collect::<Result<_, _>>()?;
    Ok(Some(Charge {
        payment: payment.clone(),
        reference: row.get("reference")?,
        state: state(row.get("state")?, row.get("reason")?)?,
        content,
        create_us: row.get("create_us")?,
        expire_us: row.get("expire_us")?,
        refunds,
    }))
}

fn content(row: &Row, code: &str) -> Result<Content, StoreError> {
    let currency = Currency::parse(code).ok_or_else(|| corrupt("currency", "it is no currency"))?;
    let fingerprint: Vec<u8> = row.get("fingerprint")?;
    let fingerprint = fingerprint.try_into().map_err(|_| corrupt("fingerprint", "it is no digest"))?;
    let card = Trace { last_four: row.get("last_four")?, fingerprint };
    Ok(Content { amount: Money::new(currency, row.get("amount_minor")?), card })
}

/// A refund that may not be there.
fn refund(row: &Row, currency: Option<Currency>) -> Result<Option<Refund>, StoreError> {
    let id: Option<String> = row.get("refund_id")?;
    let Some(id) = id else { return Ok(None) };
    let currency = currency.ok_or_else(|| corrupt("refunds", "they are of a charge without an amount"))?;
    let refused = match row.get::<i64>("refund_state")? {
        1 => None,
        2 => Some(row.get("refund_reason")?),
        _ => return Err(corrupt("state", "it is no state of a refund")),
    };
    Ok(Some(Refund { id, amount: Money::new(currency, row.get("refund_minor")?), refused }))
}

/// The state, and the reason where it was declined.
fn numbers(state: State) -> (i64, i64) {
    match state {
        State::Authorized => (1, 0),
        State::Declined(reason) => (2, reason_number(reason)),
        State::Captured => (3, 0),
        State::Voided => (4, 0),
    }
}

fn reason_number(reason: Reason) -> i64 {
    match reason {
        Reason::Generic => 1,
        Reason::InsufficientFunds => 2,
        Reason::ExpiredCard => 3,
        Reason::IncorrectCode => 4,
        Reason::StolenCard => 5,
        Reason::NotAccepted => 6,
    }
}

fn state(number: i64, reason: i64) -> Result<State, StoreError> {
    match number {
        1 => Ok(State::Authorized),
        2 => Ok(State::Declined(self::reason(reason)?)),
        3 => Ok(State::Captured),
        4 => Ok(State::Voided),
        _ => Err(corrupt("state", "it is no state of a charge")),
    }
}

fn reason(number: i64) -> Result<Reason, StoreError> {
    match number {
        1 => Ok(Reason::Generic),
        2 => Ok(Reason::InsufficientFunds),
        3 => Ok(Reason::ExpiredCard),
        4 => Ok(Reason::IncorrectCode),
        5 => Ok(Reason::StolenCard),
        6 => Ok(Reason::NotAccepted),
        _ => Err(corrupt("reason", "it is no reason")),
    }
}

pub(super) fn corrupt(what: &'static str, why: &'static str) -> StoreError {
    StoreError::Corrupt { attempted: "SELECT charges", what, source: Arc::new(std::io::Error::other(why)) }
}

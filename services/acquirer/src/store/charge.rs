//! A charge with its refunds: read, made and changed.

use std::sync::Arc;

use ::store::{Connection, Error as StoreError, Row, Statement, Transaction};
use rpc::Capability;
use rpc::money::{Currency, Money};

use crate::card::Trace;
use crate::charge::{Charge, Content, REFUNDS_MAX, Reason, Refund, State};
use crate::error::unexpected;

const CHARGE: Statement = Statement::new(
    "SELECT charges",
    "SELECT reference, state, currency, amount_minor, fingerprint, last_four, reason, create_us, expire_us FROM charges \
     WHERE payment_id = $1",
);

const REFUNDS: Statement = Statement::new(
    "SELECT refunds",
    "SELECT refund_id, amount_minor, state, reason FROM refunds WHERE payment_id = $1 ORDER BY number LIMIT $2",
);

const INSERT: Statement = Statement::new(
    "INSERT charges",
    "INSERT INTO charges (payment_id, reference, state, currency, amount_minor, fingerprint, last_four, reason, create_us, \
     expire_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
);

/// Only from authorized: every other state is final.
const UPDATE: Statement =
    Statement::new("UPDATE charges", "UPDATE charges SET state = $2 WHERE payment_id = $1 AND state = 1");

const INSERT_REFUND: Statement = Statement::new(
    "INSERT refunds",
    "INSERT INTO refunds (payment_id, number, refund_id, amount_minor, state, reason) VALUES ($1, $2, $3, $4, $5, $6)",
);

/// What units of a charge lock.
pub(super) fn key(payment: &Capability) -> String {
    format!("charge/{}", payment.as_str())
}

pub(super) async fn load(tx: &mut Transaction, payment: &Capability) -> Result<Option<Charge>, StoreError> {
    let Some(row) = tx.fetch_optional(&CHARGE, [payment.as_str().into()]).await? else { return Ok(None) };
    let refunds = tx.fetch_all(&REFUNDS, [payment.as_str().into(), limit()]).await?;
    charge(payment, &row, &refunds).map(Some)
}

pub(super) async fn read(connection: &mut Connection, payment: &Capability) -> Result<Option<Charge>, StoreError> {
    let Some(row) = connection.fetch_optional(&CHARGE, [payment.as_str().into()]).await? else { return Ok(None) };
    let refunds = connection.fetch_all(&REFUNDS, [payment.as_str().into(), limit()]).await?;
    charge(payment, &row, &refunds).map(Some)
}

pub(super) async fn insert(tx: &mut Transaction, charge: &Charge) -> Result<(), StoreError> {
    let content = charge.content.as_ref();
    let (state, reason) = numbers(charge.state);
    let values = [
        charge.payment.as_str().into(),
        charge.reference.as_str().into(),
        state.into(),
        content.map(|content| content.amount.currency().code()).into(),
        content.map(|content| content.amount.minor()).into(),
        content.map(|content| content.card.fingerprint.as_slice()).into(),
        content.map_or("", |content| content.card.last_four.as_str()).into(),
        reason.into(),
        charge.create_us.into(),
        charge.expire_us.into(),
    ];
    tx.execute(&INSERT, values).await.map(drop)
}

pub(super) async fn update(tx: &mut Transaction, charge: &Charge) -> Result<(), StoreError> {
    let (state, _) = numbers(charge.state);
    match tx.execute(&UPDATE, [charge.payment.as_str().into(), state.into()]).await? {
        1 => Ok(()),
        _ => Err(unexpected("UPDATE charges", "somebody else changed what this unit had locked")),
    }
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

fn limit() -> ::store::Value {
    i64::try_from(REFUNDS_MAX).unwrap_or(i64::MAX).into()
}

fn charge(payment: &Capability, row: &Row, refunds: &[Row]) -> Result<Charge, StoreError> {
    let currency: Option<String> = row.get("currency")?;
    let content = currency.map(|code| content(row, &code)).transpose()?;
    let mut known = Vec::with_capacity(refunds.len());
    for row in refunds {
        let currency = content.as_ref().map(|content| content.amount.currency());
        let currency = currency.ok_or_else(|| corrupt("refunds", "they are of a charge without an amount"))?;
        known.push(refund(row, currency)?);
    }
    Ok(Charge {
        payment: payment.clone(),
        reference: row.get("reference")?,
        state: state(row.get("state")?, row.get("reason")?)?,
        content,
        create_us: row.get("create_us")?,
        expire_us: row.get("expire_us")?,
        refunds: known,
    })
}

fn content(row: &Row, code: &str) -> Result<Content, StoreError> {
    let currency = Currency::parse(code).ok_or_else(|| corrupt("currency", "it is no currency"))?;
    let fingerprint: Vec<u8> = row.get("fingerprint")?;
    let fingerprint = fingerprint.try_into().map_err(|_| corrupt("fingerprint", "it is no digest"))?;
    let card = Trace { last_four: row.get("last_four")?, fingerprint };
    Ok(Content { amount: Money::new(currency, row.get("amount_minor")?), card })
}

fn refund(row: &Row, currency: Currency) -> Result<Refund, StoreError> {
    let refused = match row.get::<i64>("state")? {
        1 => None,
        2 => Some(row.get("reason")?),
        _ => return Err(corrupt("state", "it is no state of a refund")),
    };
    Ok(Refund { id: row.get("refund_id")?, amount: Money::new(currency, row.get("amount_minor")?), refused })
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

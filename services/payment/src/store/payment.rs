//! A payment with its refunds: read, made, changed.

use std::time::Duration;

use ::store::{Connection, Dialect, Error as StoreError, Row, Statement, Transaction, Value, now};
use rpc::Capability;

use super::{micros, row};
use crate::error::{Error, unexpected};
use crate::payment::{Payment, Refund, State, TRIED_MAX};

/// A payment's columns, its card's among them.
macro_rules! columns {
    () => {
        "payments.payment_id, payments.state, payments.card_token, payments.currency, payments.amount_minor, \
         payments.decline_reason, payments.processor_reference, payments.create_us, payments.update_us, \
         payments.expire_us, payments.revision, payments.attempt, cards.brand, cards.last_four, cards.expiry_year, \
         cards.expiry_month"
    };
}
pub(super) use columns;

macro_rules! load {
    ($now:expr) => {
        concat!(
            "SELECT ",
            $now,
            " AS now_us, ",
            columns!(),
            " FROM (SELECT 1) AS one LEFT JOIN payments ON payments.payment_id = $1 \
             LEFT JOIN cards ON cards.card_token = payments.card_token"
        )
    };
}

const LOAD: Statement =
    Statement::dialect("SELECT payments", Dialect { sqlite: load!(now!(sqlite)), postgres: load!(now!(postgres)) });

const REFUNDS: Statement = Statement::new(
    "SELECT refunds",
    "SELECT refund_id, amount_minor, state, reason, create_us, attempt FROM refunds WHERE payment_id = $1 \
     ORDER BY number LIMIT $2",
);

const INSERT: Statement = Statement::new(
    "INSERT payments",
    "INSERT INTO payments (payment_id, state, card_token, currency, amount_minor, decline_reason, processor_reference, \
     create_us, update_us, expire_us, revision, attempt, due_us) \
     VALUES ($1, $2, $3, $4, $5, 0, '', $6, $6, NULL, 1, 1, $7)",
);

/// Touches a row only if it is the one that was read.
const UPDATE: Statement = Statement::new(
    "UPDATE payments",
    "UPDATE payments SET state = $2, decline_reason = $3, processor_reference = $4, update_us = $5, expire_us = $6, \
     attempt = $7, due_us = $8, revision = revision + 1 WHERE payment_id = $1 AND revision = $9",
);

const DELETE: Statement =
    Statement::new("DELETE payments", "DELETE FROM payments WHERE payment_id = $1 AND revision = $2");

const INSERT_REFUND: Statement = Statement::new(
    "INSERT refunds",
    "INSERT INTO refunds (payment_id, number, refund_id, amount_minor, state, reason, create_us, attempt) \
     SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, 1, '', $4, 1 FROM refunds WHERE payment_id = $1",
);

const UPDATE_REFUND: Statement = Statement::new(
    "UPDATE refunds",
    "UPDATE refunds SET state = $3, reason = $4, attempt = $5 WHERE payment_id = $1 AND refund_id = $2",
);

const DELETE_REFUND: Statement =
    Statement::new("DELETE refunds", "DELETE FROM refunds WHERE payment_id = $1 AND refund_id = $2");

/// What was asked for, at the database's time.
pub(super) struct Found {
    pub(super) now_us: i64,
    pub(super) payment: Option<Payment>,
}

/// What units of a payment lock.
pub(super) fn key(id: &Capability) -> String {
    format!("payment/{}", id.as_str())
}

pub(super) async fn load(tx: &mut Transaction, id: &Capability) -> Result<Found, StoreError> {
    let found = tx.fetch_one(&LOAD, [id.as_str().into()]).await?;
    let payment = row::payment(&found)?;
    let refunds = match &payment {
        Some(_) => tx.fetch_all(&REFUNDS, [id.as_str().into(), limit()]).await?,
        None => Vec::new(),
    };
    Ok(Found { now_us: found.get("now_us")?, payment: payment.map(|payment| with(payment, &refunds)).transpose()? })
}

pub(super) async fn read(mut connection: Connection, id: Capability) -> Result<Option<Payment>, Error> {
    let found = connection.fetch_one(&LOAD, [id.as_str().into()]).await?;
    let Some(payment) = row::payment(&found)? else { return Ok(None) };
    let refunds = connection.fetch_all(&REFUNDS, [id.as_str().into(), limit()]).await?;
    Ok(Some(with(payment, &refunds)?))
}

/// Makes a payment, in doubt from its first moment on.
pub(super) async fn insert(tx: &mut Transaction, payment: &Payment, patience: Duration) -> Result<(), StoreError> {
    let content = payment.content.as_ref();
    let values = [
        payment.id.as_str().into(),
        row::state_number(payment.state).into(),
        content.map(|content| content.token.as_str()).into(),
        content.map(|content| content.amount.currency().code()).into(),
        content.map(|content| content.amount.minor()).into(),
        payment.create_us.into(),
        payment.create_us.saturating_add(micros(patience)).into(),
    ];
    tx.execute(&INSERT, values).await.map(drop)
}

/// Writes what changed of a payment, if anything did, and gives it as it is now.
pub(super) async fn save(
    tx: &mut Transaction,
    old: &Payment,
    mut new: Payment,
    now_us: i64,
    patience: Duration,
) -> Result<Payment, StoreError> {
    if *old == new {
        return Ok(new);
    }
    new.update_us = now_us.max(old.update_us);
    new.revision = old.revision + 1;
    let due_us = new.is_in_doubt().then(|| now_us.saturating_add(micros(patience)));
    let values = [
        new.id.as_str().into(),
        row::state_number(new.state).into(),
        row::decline_number(new.state).into(),
        new.reference.as_str().into(),
        new.update_us.into(),
        new.expire_us.into(),
        new.attempt.into(),
        due_us.into(),
        old.revision.into(),
    ];
    if tx.execute(&UPDATE, values).await? != 1 {
        return Err(unexpected("UPDATE payments", "somebody else changed what this unit had locked"));
    }
    if old.state == State::Authorizing && new.state != State::Authorizing {
        super::card::erase_code(tx, &new).await?;
    }
    save_refunds(tx, old, &new).await?;
    Ok(new)
}

/// Takes a payment away that never was.
pub(super) async fn delete(tx: &mut Transaction, payment: &Payment) -> Result<(), StoreError> {
    match tx.execute(&DELETE, [payment.id.as_str().into(), payment.revision.into()]).await? {
        1 => super::card::release(tx, payment).await,
        _ => Err(unexpected("DELETE payments", "somebody else changed what this unit had locked")),
    }
}

async fn save_refunds(tx: &mut Transaction, old: &Payment, new: &Payment) -> Result<(), StoreError> {
    let id = new.id.as_str();
    for refund in old.refunds.iter().filter(|refund| new.refund(&refund.id).is_none()) {
        tx.execute(&DELETE_REFUND, [id.into(), refund.id.as_str().into()]).await?;
    }
    for refund in &new.refunds {
        match old.refund(&refund.id) {
            Some(known) if known == refund => {}
            Some(_) => {
                let (state, reason) = row::refund_state(&refund.state);
                let values = [id.into(), refund.id.as_str().into(), state.into(), reason.into(), refund.attempt.into()];
                tx.execute(&UPDATE_REFUND, values).await?;
            }
            None => tx.execute(&INSERT_REFUND, new_refund(id, refund)).await.map(drop)?,
        }
    }
    Ok(())
}

fn new_refund(id: &str, refund: &Refund) -> [Value; 4] {
    [id.into(), refund.id.as_str().into(), refund.amount.minor().into(), refund.create_us.into()]
}

fn limit() -> Value {
    i64::try_from(TRIED_MAX).unwrap_or(i64::MAX).into()
}

fn with(mut payment: Payment, refunds: &[Row]) -> Result<Payment, StoreError> {
    let Some(content) = &payment.content else { return Ok(payment) };
    let currency = content.amount.currency();
    payment.refunds = refunds.iter().map(|found| row::refund(found, currency)).collect::<Result<_, _>>()?;
    Ok(payment)
}

//! A payment with its refunds: read, made, changed.

use std::time::Duration;

use ::store::{Connection, Dialect, Error as StoreError, Lookup, Row, Statement, Transaction, Value};
use rpc::Capability;
use serde::Serialize;

use super::{micros, row};
use crate::error::{Error, unexpected};
use crate::payment::{Payment, Refund, State};

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

/// A refund's columns, under names of their own.
macro_rules! refund_columns {
    () => {
        "refunds.refund_id, refunds.amount_minor AS refund_minor, refunds.state AS refund_state, \
         refunds.reason AS refund_reason, refunds.create_us AS refund_create_us, refunds.attempt AS refund_attempt"
    };
}
pub(super) use refund_columns;

/// A row for each refund, and one where there is none.
const LOAD: Statement = Statement::dialect(
    "SELECT payments",
    Dialect {
        sqlite: concat!(
            "SELECT wanted.key AS wanted, ",
            columns!(),
            ", ",
            refund_columns!(),
            " FROM json_each($1) AS wanted CROSS JOIN payments ON payments.payment_id = wanted.value \
             LEFT JOIN cards ON cards.card_token = payments.card_token \
             LEFT JOIN refunds ON refunds.payment_id = payments.payment_id ORDER BY wanted.key, refunds.number"
        ),
        // Row by row, whatever the planner thinks of the tables.
        postgres: concat!(
            "SELECT wanted.number - 1 AS wanted, ",
            columns!(),
            ", ",
            refund_columns!(),
            " FROM json_array_elements_text($1::json) WITH ORDINALITY AS wanted(value, number) \
             JOIN LATERAL (SELECT * FROM payments WHERE payment_id = wanted.value OFFSET 0) AS payments ON true \
             LEFT JOIN LATERAL (SELECT * FROM cards WHERE card_token = payments.card_token OFFSET 0) AS cards ON true \
             LEFT JOIN LATERAL (SELECT * FROM refunds WHERE payment_id = payments.payment_id OFFSET 0) AS refunds ON true \
             ORDER BY wanted.number, refunds.number"
        ),
    },
);

const INSERT: Statement = Statement::dialect(
    "INSERT payments",
    Dialect {
        sqlite: "INSERT INTO payments (payment_id, state, card_token, currency, amount_minor, decline_reason, \
                 processor_reference, create_us, update_us, expire_us, revision, attempt, due_us) \
                 SELECT value ->> 'payment_id', value ->> 'state', value ->> 'card_token', value ->> 'currency', \
                 value ->> 'amount_minor', 0, '', value ->> 'create_us', value ->> 'create_us', NULL, 1, 1, \
                 value ->> 'due_us' FROM jsonb_each($1)",
        postgres: "INSERT INTO payments (payment_id, state, card_token, currency, amount_minor, decline_reason, \
                   processor_reference, create_us, update_us, expire_us, revision, attempt, due_us) SELECT listed.payment_id, \
                   listed.state, listed.card_token, listed.currency, listed.amount_minor, 0, '', listed.create_us, \
                   listed.create_us, NULL, 1, 1, listed.due_us FROM json_to_recordset($1::json) AS listed(state bigint, \
                   amount_minor bigint, create_us bigint, due_us bigint, payment_id text, card_token text, currency text)",
    },
);

/// Touches a row only if it is the one that was read.
const UPDATE: Statement = Statement::dialect(
    "UPDATE payments",
    Dialect {
        sqlite: "UPDATE payments SET state = value ->> 'state', decline_reason = value ->> 'decline_reason', \
                 processor_reference = value ->> 'reference', update_us = value ->> 'update_us', \
                 expire_us = value ->> 'expire_us', attempt = value ->> 'attempt', due_us = value ->> 'due_us', \
                 revision = revision + 1 FROM jsonb_each($1) AS listed \
                 WHERE payment_id = value ->> 'payment_id' AND revision = value ->> 'over'",
        postgres: "UPDATE payments SET state = listed.state, decline_reason = listed.decline_reason, processor_reference = \
                   listed.reference, update_us = listed.update_us, expire_us = listed.expire_us, attempt = listed.attempt, \
                   due_us = listed.due_us, revision = revision + 1 FROM json_to_recordset($1::json) AS listed(state bigint, \
                   decline_reason bigint, update_us bigint, expire_us bigint, attempt bigint, due_us bigint, over bigint, \
                   reference text, payment_id text) WHERE payments.payment_id = listed.payment_id AND revision = listed.over",
    },
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

/// A row of [`INSERT`].
#[derive(Serialize)]
struct Inserted<'a> {
    payment_id: &'a str,
    state: i64,
    card_token: Option<&'a str>,
    currency: Option<&'static str>,
    amount_minor: Option<i64>,
    create_us: i64,
    due_us: i64,
}

/// A row of [`UPDATE`].
#[derive(Serialize)]
struct Updated<'a> {
    payment_id: &'a str,
    state: i64,
    decline_reason: i64,
    reference: &'a str,
    update_us: i64,
    expire_us: Option<i64>,
    attempt: i64,
    due_us: Option<i64>,
    over: i64,
}

/// What units of a payment lock.
pub(super) fn key(id: &Capability) -> String {
    format!("payment/{}", id.as_str())
}

/// What finds a payment.
pub(super) fn lookup(id: &Capability) -> Lookup {
    Lookup::new(LOAD, id.as_str())
}

pub(super) async fn load(tx: &mut Transaction, id: &Capability) -> Result<Option<Payment>, StoreError> {
    found(&tx.look_up(&lookup(id)).await?)
}

pub(super) async fn read(mut connection: Connection, id: Capability) -> Result<Option<Payment>, Error> {
    Ok(found(&connection.look_up(&lookup(&id)).await?)?)
}

/// Makes a payment, in doubt from its first moment on.
pub(super) fn insert(tx: &mut Transaction, payment: &Payment, patience: Duration) -> Result<(), StoreError> {
    let content = payment.content.as_ref();
    let row = Inserted {
        payment_id: payment.id.as_str(),
        state: row::state_number(payment.state),
        card_token: content.map(|content| content.token.as_str()),
        currency: content.map(|content| content.amount.currency().code()),
        amount_minor: content.map(|content| content.amount.minor()),
        create_us: payment.create_us,
        due_us: payment.create_us.saturating_add(micros(patience)),
    };
    tx.put(&INSERT, &row)
}

/// Writes what changed of a payment, if anything did, and gives it as it is now.
pub(super) async fn save(
    tx: &mut Transaction,
    old: &Payment,
    mut new: Payment,
    patience: Duration,
) -> Result<Payment, StoreError> {
    if *old == new {
        return Ok(new);
    }
    let now_us = tx.now_us();
    new.update_us = now_us.max(old.update_us);
    new.revision = old.revision + 1;
    let row = Updated {
        payment_id: new.id.as_str(),
        state: row::state_number(new.state),
        decline_reason: row::decline_number(new.state),
        reference: &new.reference,
        update_us: new.update_us,
        expire_us: new.expire_us,
        attempt: new.attempt,
        due_us: new.is_in_doubt().then(|| now_us.saturating_add(micros(patience))),
        over: old.revision,
    };
    tx.put(&UPDATE, &row)?;
    if old.state == State::Authorizing && new.state != State::Authorizing {
        super::card::erase_code(tx, &new)?;
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

fn found(rows: &[Row]) -> Result<Option<Payment>, StoreError> {
    let Some(first) = rows.first() else { return Ok(None) };
    let mut payment = row::payment(first)?;
    if let Some(content) = &payment.content {
        let currency = content.amount.currency();
        let refunds = rows.iter().map(|found| row::refund(found, currency));
        payment.refunds = refunds.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    }
    Ok(Some(payment))
}

//! Cards: kept sealed, used once, their codes erased.

use ::store::{Connection, Dialect, Error as StoreError, Lookup, Row, Statement, Transaction, Unit, now};
use rpc::Capability;
use serde::Serialize;

use super::{NewCard, SWEPT_MAX, TOKEN_LIFE_US, row};
use crate::card::Summary;
use crate::error::Error;
use crate::payment::Payment;

const INSERT: Statement = Statement::dialect(
    "INSERT cards",
    Dialect {
        sqlite: "INSERT INTO cards (card_token, brand, last_four, expiry_year, expiry_month, number_sealed, code_sealed, \
                 create_us, expire_us) SELECT value ->> 'card_token', value ->> 'brand', value ->> 'last_four', \
                 value ->> 'expiry_year', value ->> 'expiry_month', unhex(value ->> 'number_sealed'), \
                 unhex(value ->> 'code_sealed'), value ->> 'create_us', value ->> 'expire_us' FROM jsonb_each($1)",
        postgres: "INSERT INTO cards (card_token, brand, last_four, expiry_year, expiry_month, number_sealed, code_sealed, \
                   create_us, expire_us) SELECT listed.card_token, listed.brand, listed.last_four, listed.expiry_year, \
                   listed.expiry_month, decode(listed.number_sealed, 'hex'), decode(listed.code_sealed, 'hex'), \
                   listed.create_us, listed.expire_us FROM json_to_recordset($1::json) AS listed(brand bigint, expiry_year \
                   bigint, expiry_month bigint, create_us bigint, expire_us bigint, card_token text, last_four text, \
                   number_sealed text, code_sealed text)",
    },
);

macro_rules! columns {
    () => {
        "cards.brand, cards.last_four, cards.expiry_year, cards.expiry_month, cards.number_sealed, cards.code_sealed, \
         cards.payment_id, cards.expire_us"
    };
}

const LOAD: Statement = Statement::dialect(
    "SELECT cards",
    Dialect {
        sqlite: concat!(
            "SELECT wanted.key AS wanted, ",
            columns!(),
            " FROM json_each($1) AS wanted CROSS JOIN cards ON cards.card_token = wanted.value"
        ),
        postgres: concat!(
            "SELECT wanted.number - 1 AS wanted, ",
            columns!(),
            " FROM json_array_elements_text($1::json) WITH ORDINALITY AS wanted(value, number) \
             JOIN LATERAL (SELECT * FROM cards WHERE card_token = wanted.value OFFSET 0) AS cards ON true"
        ),
    },
);

/// Once.
const TAKE: Statement = Statement::dialect(
    "UPDATE cards take",
    Dialect {
        sqlite: "UPDATE cards SET payment_id = value ->> 'payment_id' FROM jsonb_each($1) AS listed \
                 WHERE card_token = value ->> 'card_token' AND cards.payment_id IS NULL",
        postgres: "UPDATE cards SET payment_id = listed.payment_id FROM json_to_recordset($1::json) AS listed(payment_id \
                   text, card_token text) WHERE cards.card_token = listed.card_token AND cards.payment_id IS NULL",
    },
);

const RELEASE: Statement = Statement::new(
    "UPDATE cards release",
    "UPDATE cards SET payment_id = NULL WHERE card_token = $1 AND payment_id = $2",
);

const ERASE: Statement = Statement::dialect(
    "UPDATE cards erase",
    Dialect {
        sqlite: "UPDATE cards SET code_sealed = NULL FROM jsonb_each($1) AS listed \
                 WHERE card_token = value ->> 'card_token'",
        postgres: "UPDATE cards SET code_sealed = NULL FROM json_to_recordset($1::json) AS listed(card_token text) WHERE \
                   cards.card_token = listed.card_token",
    },
);

macro_rules! over {
    ($before:expr, $what:expr, $now:expr, $locked:expr) => {
        concat!(
            $before,
            " WHERE card_token IN (SELECT card_token FROM cards WHERE ",
            $what,
            " AND expire_us <= ",
            $now,
            " ORDER BY expire_us LIMIT $1",
            $locked,
            ")"
        )
    };
}

/// Those that a payment used: their codes. The two conditions together are the index's.
const ERASE_OVER: Statement = Statement::dialect(
    "UPDATE cards over",
    Dialect {
        sqlite: over!("UPDATE cards SET code_sealed = NULL", "code_sealed IS NOT NULL", now!(sqlite), ""),
        postgres: over!(
            "UPDATE cards SET code_sealed = NULL",
            "code_sealed IS NOT NULL",
            now!(postgres),
            " FOR UPDATE SKIP LOCKED"
        ),
    },
);

const DELETE_OVER: Statement = Statement::dialect(
    "DELETE cards over",
    Dialect {
        sqlite: over!("DELETE FROM cards", "payment_id IS NULL", now!(sqlite), ""),
        postgres: over!("DELETE FROM cards", "payment_id IS NULL", now!(postgres), " FOR UPDATE SKIP LOCKED"),
    },
);

/// What is sealed of a card.
#[derive(Clone)]
pub(crate) struct Sealed {
    pub(crate) number: Vec<u8>,
    /// `None`: it is erased.
    pub(crate) code: Option<Vec<u8>>,
}

impl std::fmt::Debug for Sealed {
    /// Sealed or not, it is nothing for a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealed").finish_non_exhaustive()
    }
}

/// What units of a card lock.
pub(super) fn key(token: &Capability) -> String {
    format!("card/{}", token.as_str())
}

/// What finds a card.
pub(super) fn lookup(token: &Capability) -> Lookup {
    Lookup::new(LOAD, token.as_str())
}

pub(super) async fn read(mut connection: Connection, token: Capability) -> Result<Option<Sealed>, Error> {
    let found = connection.look_up(&lookup(&token)).await?;
    Ok(found.first().map(sealed).transpose()?)
}

/// A row of [`TAKE`] and of [`ERASE`].
#[derive(Serialize)]
struct Used<'a> {
    card_token: &'a str,
    payment_id: &'a str,
}

/// Uses a card for this payment, once and while its time is not over; `None` where it cannot be.
pub(super) async fn take(
    tx: &mut Transaction,
    token: &Capability,
    payment: &Capability,
) -> Result<Option<(Summary, Sealed)>, StoreError> {
    let Some(found) = tx.look_up_optional(&lookup(token)).await? else { return Ok(None) };
    let (used, expire_us): (Option<String>, i64) = (found.get("payment_id")?, found.get("expire_us")?);
    let sealed = sealed(&found)?;
    if used.is_some() || expire_us <= tx.now_us() || sealed.code.is_none() {
        return Ok(None);
    }
    tx.put(&TAKE, &Used { card_token: token.as_str(), payment_id: payment.as_str() })?;
    Ok(Some((row::summary(&found)?, sealed)))
}

fn sealed(found: &Row) -> Result<Sealed, StoreError> {
    Ok(Sealed { number: found.get("number_sealed")?, code: found.get("code_sealed")? })
}

/// Gives a card back that was used for a payment that never was.
pub(super) async fn release(tx: &mut Transaction, payment: &Payment) -> Result<(), StoreError> {
    let Some(content) = &payment.content else { return Ok(()) };
    tx.execute(&RELEASE, [content.token.as_str().into(), payment.id.as_str().into()]).await.map(drop)
}

pub(super) fn erase_code(tx: &mut Transaction, payment: &Payment) -> Result<(), StoreError> {
    let Some(content) = &payment.content else { return Ok(()) };
    tx.put(&ERASE, &Used { card_token: content.token.as_str(), payment_id: payment.id.as_str() })
}

/// A row of [`INSERT`]. What is sealed is hexadecimal digits.
#[derive(Serialize)]
struct Inserted<'a> {
    card_token: &'a str,
    brand: i64,
    last_four: &'a str,
    expiry_year: u32,
    expiry_month: u32,
    number_sealed: String,
    code_sealed: Option<String>,
    create_us: i64,
    expire_us: i64,
}

/// Keeps a card.
pub(super) struct Keep {
    pub(super) card: NewCard,
}

impl Unit for Keep {
    const NAME: &'static str = "TokenizeCard";
    type Output = Vec<u8>;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        self.card.requests.first().map(::store::Request::key).into_iter().collect()
    }

    fn lookups(&self) -> Vec<Lookup> {
        self.card.requests.iter().map(::store::Request::lookup).collect()
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Vec<u8>, Error> {
        let NewCard { token, summary, sealed, now_us, answer, requests } = &self.card;
        let mut reused = None;
        for request in requests {
            match tx.remembered(request).await {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => {}
                // Another card, or this one remembered by another key.
                Err(error @ StoreError::RequestReused { .. }) => reused = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(reused) = reused {
            return Err(reused.into());
        }
        let row = Inserted {
            card_token: token.as_str(),
            brand: row::brand_number(summary.brand),
            last_four: &summary.last_four,
            expiry_year: summary.expiry.year,
            expiry_month: summary.expiry.month,
            number_sealed: hex::encode(&sealed.number),
            code_sealed: sealed.code.as_ref().map(hex::encode),
            create_us: *now_us,
            expire_us: now_us.saturating_add(TOKEN_LIFE_US),
        };
        tx.put(&INSERT, &row)?;
        if let Some(newest) = requests.first() {
            tx.remember(newest, answer)?;
        }
        Ok(answer.clone())
    }
}

/// Erases what is over.
pub(super) struct Sweep;

impl Unit for Sweep {
    const NAME: &'static str = "SweepCards";
    type Output = u64;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec!["cards/over".to_owned()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<u64, Error> {
        let deleted = tx.execute(&DELETE_OVER, [SWEPT_MAX.into()]).await?;
        let erased = tx.execute(&ERASE_OVER, [SWEPT_MAX.into()]).await?;
        Ok(deleted.max(erased))
    }
}

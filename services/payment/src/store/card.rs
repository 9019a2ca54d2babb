//! Cards: kept sealed, used once, their codes erased.

use ::store::{Connection, Dialect, Error as StoreError, Statement, Transaction, Unit, now};
use rpc::Capability;

use super::{NewCard, SWEPT_MAX, TOKEN_LIFE_US, row};
use crate::card::Summary;
use crate::error::Error;
use crate::payment::Payment;

const INSERT: Statement = Statement::new(
    "INSERT cards",
    "INSERT INTO cards (card_token, brand, last_four, expiry_year, expiry_month, number_sealed, code_sealed, create_us, \
     expire_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
);

const SEALED: Statement =
    Statement::new("SELECT cards", "SELECT number_sealed, code_sealed FROM cards WHERE card_token = $1");

/// Once, and while its time is not over.
const TAKE: Statement = Statement::new(
    "UPDATE cards take",
    "UPDATE cards SET payment_id = $2 WHERE card_token = $1 AND payment_id IS NULL AND expire_us > $3 \
     AND code_sealed IS NOT NULL RETURNING brand, last_four, expiry_year, expiry_month",
);

const RELEASE: Statement = Statement::new(
    "UPDATE cards release",
    "UPDATE cards SET payment_id = NULL WHERE card_token = $1 AND payment_id = $2",
);

const ERASE: Statement =
    Statement::new("UPDATE cards erase", "UPDATE cards SET code_sealed = NULL WHERE card_token = $1");

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

pub(super) async fn read(mut connection: Connection, token: Capability) -> Result<Option<Sealed>, Error> {
    let Some(found) = connection.fetch_optional(&SEALED, [token.as_str().into()]).await? else { return Ok(None) };
    Ok(Some(Sealed { number: found.get("number_sealed")?, code: found.get("code_sealed")? }))
}

/// Uses a card for this payment; `None` where it cannot be.
pub(super) async fn take(
    tx: &mut Transaction,
    token: &Capability,
    payment: &Capability,
    now_us: i64,
) -> Result<Option<Summary>, StoreError> {
    let values = [token.as_str().into(), payment.as_str().into(), now_us.into()];
    let taken = tx.fetch_optional(&TAKE, values).await?;
    taken.map(|found| row::summary(&found)).transpose()
}

/// Gives a card back that was used for a payment that never was.
pub(super) async fn release(tx: &mut Transaction, payment: &Payment) -> Result<(), StoreError> {
    let Some(content) = &payment.content else { return Ok(()) };
    tx.execute(&RELEASE, [content.token.as_str().into(), payment.id.as_str().into()]).await.map(drop)
}

pub(super) async fn erase_code(tx: &mut Transaction, payment: &Payment) -> Result<(), StoreError> {
    let Some(content) = &payment.content else { return Ok(()) };
    tx.execute(&ERASE, [content.token.as_str().into()]).await.map(drop)
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
        let values = [
            token.as_str().into(),
            row::brand_number(summary.brand).into(),
            summary.last_four.as_str().into(),
            summary.expiry.year.into(),
            summary.expiry.month.into(),
            sealed.number.as_slice().into(),
            sealed.code.as_deref().into(),
            (*now_us).into(),
            now_us.saturating_add(TOKEN_LIFE_US).into(),
        ];
        tx.execute(&INSERT, values).await?;
        if let Some(newest) = requests.first() {
            tx.remember(newest, answer).await?;
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

//! Payments that are in doubt for too long, each given to one replica at a time.

use std::time::Duration;

use ::store::{Dialect, Statement, Transaction, Unit, now};
use rpc::Capability;

use super::{micros, row};
use crate::error::Error;

/// The most payments that are given at a time.
pub(crate) const DUE_MAX: u32 = 32;

macro_rules! claim {
    ($now:expr, $locked:expr) => {
        concat!(
            "UPDATE payments SET due_us = ",
            $now,
            " + $1 WHERE payment_id IN (SELECT payment_id FROM payments WHERE due_us <= ",
            $now,
            " ORDER BY due_us LIMIT $2",
            $locked,
            ") AND due_us <= ",
            $now,
            " RETURNING payment_id"
        )
    };
}

const CLAIM: Statement = Statement::dialect(
    "UPDATE payments due",
    Dialect { sqlite: claim!(now!(sqlite), ""), postgres: claim!(now!(postgres), " FOR UPDATE SKIP LOCKED") },
);

/// Gives some, which are due again only after as long.
pub(super) struct Claim {
    pub(super) patience: Duration,
}

impl Unit for Claim {
    const NAME: &'static str = "ClaimPayments";
    type Output = Vec<Capability>;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec!["payments/due".to_owned()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Vec<Capability>, Error> {
        let mut claimed = Vec::new();
        for found in tx.fetch_all(&CLAIM, [micros(self.patience).into(), DUE_MAX.into()]).await? {
            let id: String = found.get("payment_id")?;
            claimed.push(row::capability("payment_id", &id)?);
        }
        Ok(claimed)
    }
}

//! Who follows the feed now.

use std::sync::Arc;

use super::Core;
use super::consume::Refused;
use super::effect::Effect;
use crate::Error;
use crate::now;
use crate::statement::{Dialect, Statement};
use crate::transaction::{Transaction, micros};
use crate::unit::Unit;

macro_rules! acquire {
    ($clock:expr) => {
        concat!(
            "INSERT INTO store_inbox (source, cursor, position, snapshot, lease_holder, lease_number, lease_until_us, \
             update_us) VALUES ($1, '', 0, 0, $2, 1, ",
            $clock,
            " + $3, ",
            $clock,
            ") ON CONFLICT (source) DO UPDATE SET lease_holder = excluded.lease_holder, \
             lease_number = store_inbox.lease_number + 1, lease_until_us = excluded.lease_until_us \
             WHERE store_inbox.lease_holder IS NULL OR store_inbox.lease_holder = excluded.lease_holder \
             OR store_inbox.lease_until_us <= excluded.update_us \
             RETURNING lease_number, cursor, position, snapshot"
        )
    };
}

const ACQUIRE: Statement = Statement::dialect(
    "UPSERT store_inbox lease",
    Dialect { sqlite: acquire!(now!(sqlite)), postgres: acquire!(now!(postgres)) },
);

macro_rules! renew {
    ($clock:expr) => {
        concat!(
            "UPDATE store_inbox SET lease_until_us = ",
            $clock,
            " + $4 WHERE source = $1 AND lease_holder = $2 AND lease_number = $3"
        )
    };
}

const RENEW: Statement = Statement::dialect(
    "UPDATE store_inbox lease",
    Dialect { sqlite: renew!(now!(sqlite)), postgres: renew!(now!(postgres)) },
);

macro_rules! mark {
    ($clock:expr) => {
        concat!(
            "UPDATE store_inbox SET cursor = $5, position = COALESCE($6, position), update_us = ",
            $clock,
            ", lease_until_us = ",
            $clock,
            " + $4 WHERE source = $1 AND lease_holder = $2 AND lease_number = $3"
        )
    };
}

const MARK: Statement =
    Statement::dialect("UPDATE store_inbox", Dialect { sqlite: mark!(now!(sqlite)), postgres: mark!(now!(postgres)) });

const RELEASE: Statement = Statement::new(
    "UPDATE store_inbox release",
    "UPDATE store_inbox SET lease_holder = NULL, lease_until_us = 0 \
     WHERE source = $1 AND lease_holder = $2 AND lease_number = $3",
);

impl<E> Core<E> {
    /// What every unit of this feed locks.
    pub(super) fn key(&self) -> String {
        format!("store/inbox/{}", self.source)
    }

    /// Makes sure that the lease is still ours, and ours for longer: first in every unit.
    pub(super) async fn fence(&self, tx: &mut Transaction, number: i64) -> Result<(), Refused> {
        let values = [self.source.into(), self.holder.as_str().into(), number.into(), micros(self.lease).into()];
        fenced(tx.execute(&RENEW, values).await?)
    }

    /// The same, and moves the cursor, to a position if it is known.
    pub(super) async fn mark(
        &self,
        tx: &mut Transaction,
        number: i64,
        cursor: &str,
        position: Option<u64>,
    ) -> Result<(), Refused> {
        let position = position.map(|position| i64::try_from(position).unwrap_or(i64::MAX));
        let (holder, lease) = (self.holder.as_str(), micros(self.lease));
        let values = [self.source.into(), holder.into(), number.into(), lease.into(), cursor.into(), position.into()];
        fenced(tx.execute(&MARK, values).await?)
    }
}

fn fenced(rows: u64) -> Result<(), Refused> {
    if rows == 1 { Ok(()) } else { Err(Refused::Fenced) }
}

/// Takes the lease if it is free, ours or has run out.
pub(super) struct Acquire<E> {
    pub(super) core: Arc<Core<E>>,
}

pub(super) struct Acquired {
    pub(super) number: i64,
    pub(super) cursor: String,
    pub(super) position: u64,
    pub(super) snapshot: i64,
}

impl<E: Effect> Unit for Acquire<E> {
    const NAME: &'static str = "AcquireFeed";
    type Output = Option<Acquired>;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![self.core.key()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Option<Acquired>, Error> {
        let Core { source, holder, lease, .. } = &*self.core;
        let values = [(*source).into(), holder.as_str().into(), micros(*lease).into()];
        let Some(row) = tx.fetch_optional(&ACQUIRE, values).await? else { return Ok(None) };
        Ok(Some(Acquired {
            number: row.get("lease_number")?,
            cursor: row.get("cursor")?,
            position: row.get("position")?,
            snapshot: row.get("snapshot")?,
        }))
    }
}

/// Keeps the lease while nothing happens.
pub(super) struct Renew<E> {
    pub(super) core: Arc<Core<E>>,
    pub(super) number: i64,
}

impl<E: Effect> Unit for Renew<E> {
    const NAME: &'static str = "RenewFeed";
    type Output = ();
    type Error = Refused;

    fn keys(&self) -> Vec<String> {
        vec![self.core.key()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<(), Refused> {
        self.core.fence(tx, self.number).await
    }
}

/// Moves the cursor alone.
pub(super) struct Mark<E> {
    pub(super) core: Arc<Core<E>>,
    pub(super) number: i64,
    pub(super) cursor: String,
    pub(super) position: Option<u64>,
}

impl<E: Effect> Unit for Mark<E> {
    const NAME: &'static str = "MarkFeed";
    type Output = ();
    type Error = Refused;

    fn keys(&self) -> Vec<String> {
        vec![self.core.key()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<(), Refused> {
        self.core.mark(tx, self.number, &self.cursor, self.position).await
    }
}

/// Gives the lease back, so that another replica need not wait until it runs out.
pub(super) struct Release<E> {
    pub(super) core: Arc<Core<E>>,
    pub(super) number: i64,
}

impl<E: Effect> Unit for Release<E> {
    const NAME: &'static str = "ReleaseFeed";
    type Output = ();
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![self.core.key()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<(), Error> {
        let Core { source, holder, .. } = &*self.core;
        tx.execute(&RELEASE, [(*source).into(), holder.as_str().into(), self.number.into()]).await?;
        Ok(())
    }
}

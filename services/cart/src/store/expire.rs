//! Deletes carts whose time is over.

use ::store::{Dialect, Statement, Transaction, Unit, now};

use crate::cart::LIFE_US;
use crate::error::Error;

/// The most carts that one unit deletes.
pub(crate) const EXPIRED_MAX: u32 = 256;
/// How long a cart stays after its time: a unit that found it just before that still finds it when it writes. Microseconds.
const GRACE_US: i64 = 60 * 1_000_000;

/// Replicas do not wait for each other, and what changed meanwhile is looked at again.
const DELETE: Statement = Statement::dialect(
    "DELETE carts",
    Dialect {
        sqlite: concat!(
            "DELETE FROM carts WHERE cart_id IN (SELECT cart_id FROM carts WHERE update_us <= ",
            now!(sqlite),
            " - $1 ORDER BY update_us LIMIT $2)"
        ),
        postgres: concat!(
            "DELETE FROM carts WHERE cart_id IN (SELECT cart_id FROM carts WHERE update_us <= ",
            now!(postgres),
            " - $1 ORDER BY update_us LIMIT $2 FOR UPDATE SKIP LOCKED) AND update_us <= ",
            now!(postgres),
            " - $1"
        ),
    },
);

/// Deletes some; how many.
pub(super) struct Expire;

impl Unit for Expire {
    const NAME: &'static str = "ExpireCarts";
    type Output = u64;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec!["carts/expired".to_owned()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<u64, Error> {
        Ok(tx.execute(&DELETE, [(LIFE_US + GRACE_US).into(), EXPIRED_MAX.into()]).await?)
    }
}

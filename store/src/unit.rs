//! One write, as the service states it.

use std::future::Future;

use crate::error::Error;
use crate::together::Lookup;
use crate::transaction::Transaction;

/// A write that succeeds or fails alone, although it shares its commit with others.
///
/// One struct a write: its fields are what the write needs. The future may run more than once (a lost connection, a
/// deadlock), each time on a state in which the earlier run never happened; so it changes nothing but the database. It
/// awaits nothing but `tx`, because everyone behind it waits.
pub trait Unit: Send + Sync + 'static {
    /// Names the write in spans and errors, such as `CreateProduct`.
    const NAME: &'static str;
    /// What the write gives back, once it is durable.
    type Output: Send + 'static;
    /// Why the write is refused: the service's own error. It undoes this unit and no other.
    type Error: From<Error> + Send + 'static;

    /// What is written, such as `product/42`. Units with a key in common never run at the same time, in any replica.
    fn keys(&self) -> Vec<String>;

    /// What it will look up: found for all units of a batch by one statement each. It may ask for less, or for more later.
    fn lookups(&self) -> Vec<Lookup> {
        Vec::new()
    }

    /// Does the write.
    fn run(&self, tx: &mut Transaction) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send;
}

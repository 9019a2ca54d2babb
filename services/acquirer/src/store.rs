//! Charges and the ledger in their database: every read and every write.
//!
//! A write of a charge adds its line to the ledger in the same unit, so that the two never differ.

pub mod audit;
mod charge;
mod entry;
mod fault;
mod write;

use ::store::{Migration, Store, migration};
use rpc::Capability;
use rpc::money::Money;

use crate::charge::{Charge, Content, Reason};
use crate::error::Error;
use crate::fault::Plan;

pub(crate) use entry::Entry;
pub(crate) use fault::Said;

/// The schema of this service.
pub(crate) const MIGRATIONS: &[Migration] = &[
    migration!(1, "0001_ledger"),
    migration!(2, "0002_entries_of_a_payment"),
    migration!(3, "0003_rows_in_order_of_insertion"),
];

/// Charges, the ledger, and what is to go wrong.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    store: Store,
}

impl Ledger {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// A charge as it is.
    pub(crate) async fn find(&self, payment: &Capability) -> Result<Option<Charge>, Error> {
        let payment = payment.clone();
        let read = self.store.read("GetCharge", |connection| async move { charge::read(connection, &payment).await });
        Ok(read.await?)
    }

    /// Authorizes or declines a charge, or gives it as it is where it has this content.
    pub(crate) async fn authorize(
        &self,
        payment: Capability,
        content: Content,
        declined: Option<Reason>,
        now_us: i64,
    ) -> Result<Charge, Error> {
        self.store.write(write::Authorize { payment, content, declined, now_us }).await
    }

    /// Takes what was set aside.
    pub(crate) async fn capture(&self, payment: Capability, now_us: i64) -> Result<Charge, Error> {
        self.store.write(write::Capture { payment, now_us }).await
    }

    /// Gives back what was set aside, and closes a charge that there is not yet.
    pub(crate) async fn void(&self, payment: Capability, now_us: i64) -> Result<Charge, Error> {
        self.store.write(write::Void { payment, now_us }).await
    }

    /// Gives back what was taken, or records that it is refused, and why.
    pub(crate) async fn refund(
        &self,
        payment: Capability,
        id: String,
        amount: Money,
        refused: Option<&'static str>,
        now_us: i64,
    ) -> Result<Charge, Error> {
        self.store.write(write::Refund { payment, id, amount, refused, now_us }).await
    }

    /// The lines of the ledger after this one.
    pub(crate) async fn entries(&self, after: i64, limit: u32) -> Result<Vec<Entry>, Error> {
        let read = self
            .store
            .read("ListEntries", move |connection| async move { entry::read(connection, after, limit).await });
        Ok(read.await?)
    }

    /// What is to go wrong.
    pub(crate) async fn said(&self) -> Result<Said, Error> {
        let read = self.store.read("GetFaults", |connection| async move { fault::read(connection).await });
        Ok(read.await?)
    }

    /// Says what is to go wrong.
    pub(crate) async fn say(&self, plan: Plan) -> Result<(), Error> {
        Ok(self.store.write(fault::Say { plan }).await?)
    }
}

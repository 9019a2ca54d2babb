//! Orders in their database: every read and every write.
//!
//! An order is taken up by whoever finds it due: that counts its lease, and puts off for the time of the lease when it is due
//! again. Whatever is written then fits only onto the same state under the same lease, so whoever was overtaken writes
//! nothing. All times are the database's: replicas' own clocks differ.

mod advance;
pub mod audit;
mod claim;
mod feed;
mod list;
mod load;
mod measure;
mod place;
mod row;
mod tell;

use std::sync::Arc;

use ::store::feed::Message;
use ::store::{Migration, Request, Store, WatchError, migration};
use futures_util::Stream;

use crate::command::Command;
use crate::error::Error;
use crate::order::{Order, Placed, State};
use crate::saga::{Limits, Outcome, Tale};
use rpc::Capability;

pub(crate) use advance::Told;
pub(crate) use list::{Page, Query};
pub(crate) use measure::Unfinished;

/// The schema of this service.
pub(crate) const MIGRATIONS: &[Migration] =
    &[migration!(1, "0001_orders"), migration!(2, "0002_rows_in_order_of_insertion")];

/// What places orders; its answers are remembered for ever.
pub(crate) const PLACE_ORDER: &str = "souk.checkout.v1.CheckoutService/PlaceOrder";

/// How orders are written for others; the composing file joins it with the contract.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire {
    /// Encodes an event.
    pub(crate) event: fn(&Order, &Tale) -> Vec<u8>,
    /// The full name of an event.
    pub(crate) event_type: fn(&Tale) -> &'static str,
}

/// Encodes the answer to a command, to be given again.
pub(crate) type Answer = fn(&Order) -> Vec<u8>;

/// What an order that is placed has.
#[derive(Clone, Debug)]
pub(crate) struct NewOrder {
    pub(crate) id: Capability,
    pub(crate) placed: Arc<Placed>,
    pub(crate) card_token: Capability,
}

/// An order that the caller has taken up.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) order: Order,
    pub(crate) lease: i64,
    /// The database's clock.
    pub(crate) now_us: i64,
}

/// What became of placing an order.
#[derive(Debug)]
pub(crate) enum Placing {
    /// It is there now, and the caller's to carry on.
    Now(Taken),
    /// The request was answered before.
    Before(Order),
}

/// What came of what was due.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    /// Of the step.
    pub(crate) step: Option<Outcome>,
    /// Of emptying the cart: done, or to be tried again after so long.
    pub(crate) clearing: Option<Option<i64>>,
}

/// How somebody tells an order something.
#[derive(Clone, Debug)]
pub(crate) struct Telling {
    pub(crate) order: Capability,
    /// The version that is meant. `None`: whatever it is.
    pub(crate) etag: Option<String>,
    pub(crate) request: Request,
    pub(crate) command: Command,
    pub(crate) answer: Answer,
    pub(crate) traceparent: Option<String>,
}

/// Orders.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    store: Store,
    wire: Wire,
    limits: Limits,
    lease_us: i64,
}

impl Orders {
    pub(crate) fn new(store: Store, wire: Wire, limits: Limits, lease_us: i64) -> Self {
        Self { store, wire, limits, lease_us }
    }

    /// Places an order, or gives the one that this request placed before.
    pub(crate) async fn place(&self, new: NewOrder, request: Request) -> Result<Placing, Error> {
        self.store.write(place::Place { new, request, lease_us: self.lease_us }).await
    }

    /// The order that this request placed before, if it did.
    pub(crate) async fn placed(&self, request: Request) -> Result<Option<Order>, Error> {
        self.store.write(place::Seek { request }).await
    }

    /// An order as it is.
    pub(crate) async fn get(&self, id: &Capability) -> Result<Order, Error> {
        let id = id.clone();
        let found = self.store.read("GetOrder", move |connection| load::read(connection, id)).await?;
        found.ok_or(Error::OrderNotFound)
    }

    /// Orders that are due, the longest first, at most so many.
    pub(crate) async fn due(&self, most: u32) -> Result<Vec<Capability>, Error> {
        self.store.read("FindDueOrders", move |connection| claim::due(connection, most)).await
    }

    /// Takes an order up, if it is due still.
    pub(crate) async fn claim(&self, id: Capability) -> Result<Option<Taken>, Error> {
        self.store.write(claim::Claim { id, lease_us: self.lease_us }).await
    }

    /// Takes in what came of what was due. `None`: somebody else has taken the order up, and nothing was written.
    pub(crate) async fn advance(&self, taken: &Taken, done: Done) -> Result<Option<Taken>, Error> {
        let (taken, wire, limits, lease_us) = (taken.clone(), self.wire, self.limits, self.lease_us);
        self.store.write(advance::Advance { taken, done, wire, limits, lease_us }).await
    }

    /// Tells an order something, or gives the first answer to this request again, encoded.
    pub(crate) async fn tell(&self, telling: Telling) -> Result<Told, Error> {
        self.store.write(advance::Tell { telling, wire: self.wire }).await
    }

    /// A page of orders.
    pub(crate) async fn list(&self, query: Query, size_of: fn(&Order) -> usize) -> Result<Page, Error> {
        self.store.read("ListOrders", move |connection| list::page(connection, query, size_of)).await
    }

    /// Orders that are not at rest, by state.
    pub(crate) async fn unfinished(&self) -> Result<Vec<(State, Unfinished)>, Error> {
        self.store.read("CountOrders", measure::unfinished).await
    }

    /// What quotes are signed with.
    pub(crate) async fn secret(&self) -> Result<String, Error> {
        self.store.read("GetQuoteKey", load::secret).await
    }

    /// The feed from this cursor on; empty: from a snapshot on.
    pub(crate) async fn watch(
        &self,
        cursor: &str,
    ) -> Result<impl Stream<Item = Result<Message, WatchError>> + Send + use<>, Error> {
        let wire = self.wire;
        let watch = self.store.watch(cursor, move |connection, after| feed::states(connection, wire, after)).await?;
        Ok(watch.into_stream())
    }

    /// How long somebody may work on an order before another takes it up. Microseconds.
    pub(crate) fn lease_us(&self) -> i64 {
        self.lease_us
    }

    /// The limits of the saga.
    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }
}

/// What units of this order lock.
fn key(id: &Capability) -> String {
    format!("order/{}", id.as_str())
}

/// What an event is about.
fn subject(id: &str) -> String {
    format!("orders/{id}")
}

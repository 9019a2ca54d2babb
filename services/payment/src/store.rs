//! Cards and payments in their database: every read and every write.
//!
//! Nobody tells the processor anything that is not written here first. [`begin`] writes what it is about to be told, and
//! [`settle`] what became of it; what lies between them and is never settled is found by [`due`].

pub mod audit;
mod begin;
mod card;
mod due;
mod list;
mod payment;
mod row;
mod settle;

use std::time::Duration;

use ::store::{Migration, Request, Store, migration};
use rpc::Capability;
use rpc::money::Money;

use crate::card::Summary;
use crate::error::Error;
use crate::page_token::Place;
use crate::payment::{Payment, State};

pub(crate) use begin::{Begun, Wish};
pub(crate) use card::Sealed;
pub(crate) use due::DUE_MAX;
pub(crate) use settle::News;

/// The schema of this service.
pub(crate) const MIGRATIONS: &[Migration] =
    &[migration!(1, "0001_payments"), migration!(2, "0002_rows_in_order_of_insertion")];

/// How long a card's token is good, and its code kept at most: 15 minutes, in microseconds.
pub(crate) const TOKEN_LIFE_US: i64 = 15 * 60 * 1_000_000;
/// The most cards that one look of the sweeper ends.
pub(crate) const SWEPT_MAX: u32 = 256;

/// A card to be kept, sealed already, with the answer that gives its token.
#[derive(Clone, Debug)]
pub(crate) struct NewCard {
    pub(crate) token: Capability,
    pub(crate) summary: Summary,
    pub(crate) sealed: Sealed,
    pub(crate) now_us: i64,
    pub(crate) answer: Vec<u8>,
    /// One a key, the newest first: the first answer may have been remembered with an older one.
    pub(crate) requests: Vec<Request>,
}

/// Cards and payments.
#[derive(Clone, Debug)]
pub(crate) struct Payments {
    store: Store,
    /// After this time without an end a payment in doubt is looked into.
    patience: Duration,
}

impl Payments {
    pub(crate) fn new(store: Store, patience: Duration) -> Self {
        Self { store, patience }
    }

    /// Keeps a card, or gives the first answer to this request again.
    pub(crate) async fn keep(&self, card: NewCard) -> Result<Vec<u8>, Error> {
        self.store.write(card::Keep { card }).await
    }

    /// What is sealed of a card.
    pub(crate) async fn sealed(&self, token: &Capability) -> Result<Option<Sealed>, Error> {
        let token = token.clone();
        self.store.read("GetCard", move |connection| card::read(connection, token)).await
    }

    /// Erases codes, and cards that nobody used, whose time is over; how many.
    pub(crate) async fn sweep(&self) -> Result<u64, Error> {
        self.store.write(card::Sweep).await
    }

    /// A payment as it is.
    pub(crate) async fn find(&self, id: &Capability) -> Result<Option<Payment>, Error> {
        let id = id.clone();
        self.store.read("GetPayment", move |connection| payment::read(connection, id)).await
    }

    /// Payments before this place, the newest first.
    pub(crate) async fn list(
        &self,
        states: Vec<State>,
        before: Option<Place>,
        limit: u32,
    ) -> Result<Vec<Payment>, Error> {
        self.store.read("ListPayments", move |connection| list::read(connection, states, before, limit)).await
    }

    /// Writes that the processor is about to be told to set an amount aside.
    pub(crate) async fn authorize(&self, id: Capability, token: Capability, amount: Money) -> Result<Begun, Error> {
        self.store.write(begin::Authorize { id, token, amount, patience: self.patience }).await
    }

    /// Writes that the processor is about to be told to take an amount or to give it back.
    pub(crate) async fn begin(&self, id: Capability, wish: Wish) -> Result<Begun, Error> {
        self.store.write(begin::Begin { id, wish, patience: self.patience }).await
    }

    /// Writes that the processor is about to be told to give back what was taken.
    pub(crate) async fn refund(&self, id: Capability, refund_id: String, amount: Money) -> Result<Begun, Error> {
        self.store.write(begin::Refund { id, refund_id, amount, patience: self.patience }).await
    }

    /// Writes what became of it, and gives the payment as it is then; none where none is left.
    pub(crate) async fn settle(&self, id: Capability, news: News) -> Result<Option<Payment>, Error> {
        self.store.write(settle::Settle { id, news, patience: self.patience }).await
    }

    /// Payments that have been in doubt for too long. Nobody else is given them for a while.
    pub(crate) async fn due(&self) -> Result<Vec<Capability>, Error> {
        self.store.write(due::Claim { patience: self.patience }).await
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

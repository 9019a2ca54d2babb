//! A payment processor as payments see it: what it can be told, and what it can say.
//!
//! Whoever implements this for a real one has to be sure of one thing: [`Failure::NotDone`] is a proof that nothing was done
//! and nothing will be. Everything else that is no answer is [`Failure::Unknown`].

use std::future::Future;

use rpc::Capability;
use rpc::money::Money;

use crate::card::{Code, Expiry, Number};
use crate::payment::{Decline, Refund};

/// Tells a processor what to do. Each call names the payment, by which it is idempotent at the processor.
pub(crate) trait Processor: Clone + Send + Sync + 'static {
    /// Sets an amount aside.
    fn authorize(&self, order: Authorization<'_>) -> impl Future<Output = Answer> + Send;
    /// Takes what was set aside.
    fn capture(&self, payment: &Capability) -> impl Future<Output = Answer> + Send;
    /// Gives back what was set aside, and closes a payment that it has never heard of.
    fn void(&self, payment: &Capability) -> impl Future<Output = Answer> + Send;
    /// Gives back what was taken.
    fn refund(&self, payment: &Capability, refund: &Refund) -> impl Future<Output = Answer> + Send;
    /// What it did; `None` where it has never heard of the payment.
    fn look_up(&self, payment: &Capability) -> impl Future<Output = Result<Option<Seen>, Failure>> + Send;
}

/// What it did.
pub(crate) type Answer = Result<Seen, Failure>;

/// An amount to be set aside. It has a card in it, so it cannot be printed.
pub(crate) struct Authorization<'a> {
    pub(crate) payment: &'a Capability,
    pub(crate) amount: Money,
    pub(crate) number: &'a Number,
    pub(crate) code: &'a Code,
    pub(crate) holder: &'a str,
    pub(crate) expiry: Expiry,
}

/// A payment as the processor has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) reference: String,
    pub(crate) state: SeenState,
    pub(crate) refunds: Vec<SeenRefund>,
}

/// Where it stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeenState {
    Authorized { expire_us: Option<i64> },
    Declined(Decline),
    Captured,
    Voided,
}

/// A refund as the processor has it. It is over, one way or the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenRefund {
    pub(crate) id: String,
    /// Why it was refused.
    pub(crate) refused: Option<String>,
}

/// It did not say what it did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// Nothing was done, for certain: it was not reached, or it says so.
    #[error("it was not reached, and nothing was done: {0}")]
    NotDone(String),
    /// Nobody knows what it did.
    #[error("its answer was lost: {0}")]
    Unknown(String),
    /// It refuses, and will do so again: why, at most 100 characters.
    #[error("it refuses: {0}")]
    Refused(String),
}

//! What the processor is about to be told, written before it is told.
//!
//! Whoever begins something in doubt already joins it, and counts as one more attempt: so nobody who was proved to have done
//! nothing takes back what another may have done.

use std::time::Duration;

use ::store::{Lookup, Transaction, Unit};
use rpc::Capability;
use rpc::money::Money;

use super::card::{self, Sealed};
use super::payment;
use crate::error::Error;
use crate::payment::{Content, Payment, Refund as Given, RefundState, State};

/// What is begun.
#[derive(Debug)]
pub(crate) enum Begun {
    /// Nothing: this is how the payment stands.
    Already(Payment),
    /// It is written, and nobody has told the processor anything of it before. `before` is where the payment stood, and an
    /// authorization has what is sealed of its card.
    New { payment: Payment, before: Option<State>, sealed: Option<Sealed> },
    /// It is in doubt: the processor has to be asked first.
    InDoubt(Payment),
}

/// What a whole payment is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Capture,
    Void,
}

/// Begins an authorization.
pub(super) struct Authorize {
    pub(super) id: Capability,
    pub(super) token: Capability,
    pub(super) amount: Money,
    pub(super) patience: Duration,
}

impl Unit for Authorize {
    const NAME: &'static str = "BeginAuthorization";
    type Output = Begun;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![payment::key(&self.id), card::key(&self.token)]
    }

    fn lookups(&self) -> Vec<Lookup> {
        vec![payment::lookup(&self.id), card::lookup(&self.token)]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Begun, Error> {
        let payment = payment::load(tx, &self.id).await?;
        if let Some(known) = payment {
            known.authorized_again(&self.token, self.amount)?;
            return match known.state {
                State::Authorizing => join(tx, known, self.patience).await.map(Begun::InDoubt),
                _ => Ok(Begun::Already(known)),
            };
        }
        let (card, sealed) = card::take(tx, &self.token, &self.id).await?.ok_or(Error::TokenInvalid)?;
        let content = Some(Content { amount: self.amount, token: self.token.clone(), card });
        let payment = new(&self.id, State::Authorizing, content, tx.now_us());
        payment::insert(tx, &payment, self.patience)?;
        Ok(Begun::New { payment, before: None, sealed: Some(sealed) })
    }
}

/// Begins a capture or a void.
pub(super) struct Begin {
    pub(super) id: Capability,
    pub(super) wish: Wish,
    pub(super) patience: Duration,
}

impl Unit for Begin {
    const NAME: &'static str = "BeginSettlement";
    type Output = Begun;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![payment::key(&self.id)]
    }

    fn lookups(&self) -> Vec<Lookup> {
        vec![payment::lookup(&self.id)]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Begun, Error> {
        let payment = payment::load(tx, &self.id).await?;
        let Some(known) = payment else {
            if self.wish == Wish::Capture {
                return Err(Error::NotFound);
            }
            let payment = new(&self.id, State::Voiding, None, tx.now_us());
            payment::insert(tx, &payment, self.patience)?;
            return Ok(Begun::New { payment, before: None, sealed: None });
        };
        let state = match (self.wish, known.state) {
            (Wish::Capture, State::Captured) | (Wish::Void, State::Voided | State::Declined(_)) => {
                return Ok(Begun::Already(known));
            }
            (Wish::Capture, State::Capturing) | (Wish::Void, State::Voiding) => {
                return join(tx, known, self.patience).await.map(Begun::InDoubt);
            }
            (Wish::Capture, State::Authorized) => State::Capturing,
            (Wish::Capture, State::Authorizing | State::Declined(_) | State::Voiding | State::Voided) => {
                return Err(Error::NotAuthorized);
            }
            // Whoever voids what is in doubt has asked the processor just before.
            (Wish::Void, State::Authorizing | State::Authorized | State::Capturing) => State::Voiding,
            (Wish::Void, State::Captured) => return Err(Error::Captured),
        };
        let before = Some(known.state);
        let payment = Payment { state, attempt: known.attempt + 1, ..known.clone() };
        let payment = payment::save(tx, &known, payment, self.patience).await?;
        Ok(Begun::New { payment, before, sealed: None })
    }
}

/// Begins a refund.
pub(super) struct Refund {
    pub(super) id: Capability,
    pub(super) refund_id: String,
    pub(super) amount: Money,
    pub(super) patience: Duration,
}

impl Unit for Refund {
    const NAME: &'static str = "BeginRefund";
    type Output = Begun;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![payment::key(&self.id)]
    }

    fn lookups(&self) -> Vec<Lookup> {
        vec![payment::lookup(&self.id)]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Begun, Error> {
        let payment = payment::load(tx, &self.id).await?;
        let known = payment.ok_or(Error::NotFound)?;
        if let Some(refund) = known.refund(&self.refund_id) {
            return match &refund.state {
                _ if refund.amount != self.amount => Err(Error::RefundMismatch),
                RefundState::Done => Ok(Begun::Already(known)),
                RefundState::Failed(why) => Err(Error::RefundRefused(why.clone())),
                RefundState::Pending => join(tx, known, self.patience).await.map(Begun::InDoubt),
            };
        }
        known.can_refund(self.amount)?;
        let mut payment = known.clone();
        let (id, amount, state) = (self.refund_id.clone(), self.amount, RefundState::Pending);
        payment.refunds.push(Given { id, amount, state, create_us: tx.now_us(), attempt: 1 });
        let before = Some(known.state);
        let payment = payment::save(tx, &known, payment, self.patience).await?;
        Ok(Begun::New { payment, before, sealed: None })
    }
}

/// One more who may tell the processor what is in doubt.
pub(super) async fn join(tx: &mut Transaction, known: Payment, patience: Duration) -> Result<Payment, Error> {
    let mut joined = Payment { attempt: known.attempt + 1, ..known.clone() };
    for refund in joined.refunds.iter_mut().filter(|refund| refund.state == RefundState::Pending) {
        refund.attempt += 1;
    }
    Ok(payment::save(tx, &known, joined, patience).await?)
}

fn new(id: &Capability, state: State, content: Option<Content>, now_us: i64) -> Payment {
    Payment {
        id: id.clone(),
        state,
        content,
        reference: String::new(),
        refunds: Vec::new(),
        create_us: now_us,
        update_us: now_us,
        expire_us: None,
        revision: 1,
        attempt: 1,
    }
}

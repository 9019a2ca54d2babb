//! What moves money: each a unit that changes a charge and adds the line that says so.

use ::store::{Lookup, Transaction, Unit};
use rpc::Capability;
use rpc::money::Money;

use super::{charge, entry};
use crate::charge::{Charge, Content, LIFE_US, Operation, Reason, Refund as Given, State, Step};
use crate::error::{Error, unexpected};

/// Authorizes or declines a charge.
pub(super) struct Authorize {
    pub(super) payment: Capability,
    pub(super) content: Content,
    pub(super) declined: Option<Reason>,
    pub(super) now_us: i64,
}

impl Unit for Authorize {
    const NAME: &'static str = "AuthorizeCharge";
    type Output = Charge;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![charge::key(&self.payment)]
    }

    fn lookups(&self) -> Vec<Lookup> {
        vec![charge::lookup(&self.payment)]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Charge, Error> {
        if let Some(known) = charge::load(tx, &self.payment).await? {
            known.authorized_again(&self.content)?;
            return Ok(known);
        }
        let made = Charge {
            payment: self.payment.clone(),
            reference: reference(),
            state: self.declined.map_or(State::Authorized, State::Declined),
            content: Some(self.content.clone()),
            create_us: self.now_us,
            expire_us: self.declined.is_none().then(|| self.now_us.saturating_add(LIFE_US)),
            refunds: Vec::new(),
        };
        charge::insert(tx, &made)?;
        if self.declined.is_none() {
            entry::add(tx, &self.payment, (Operation::Authorize, ""), self.content.amount, self.now_us)?;
        }
        Ok(made)
    }
}

/// Takes what was set aside.
pub(super) struct Capture {
    pub(super) payment: Capability,
    pub(super) now_us: i64,
}

impl Unit for Capture {
    const NAME: &'static str = "CaptureCharge";
    type Output = Charge;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![charge::key(&self.payment)]
    }

    fn lookups(&self) -> Vec<Lookup> {
        vec![charge::lookup(&self.payment)]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Charge, Error> {
        let known = charge::load(tx, &self.payment).await?.ok_or(Error::NotFound)?;
        let step = known.capture(self.now_us)?;
        step_to(tx, known, step, Operation::Capture, self.now_us)
    }
}

/// Gives back what was set aside.
pub(super) struct Void {
    pub(super) payment: Capability,
    pub(super) now_us: i64,
}

impl Unit for Void {
    const NAME: &'static str = "VoidCharge";
    type Output = Charge;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![charge::key(&self.payment)]
    }

    fn lookups(&self) -> Vec<Lookup> {
        vec![charge::lookup(&self.payment)]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Charge, Error> {
        if let Some(known) = charge::load(tx, &self.payment).await? {
            let step = known.void()?;
            return step_to(tx, known, step, Operation::Void, self.now_us);
        }
        // A void that came before its authorization closes the charge. No money was set aside, so the ledger has no line.
        let closed = Charge {
            payment: self.payment.clone(),
            reference: reference(),
            state: State::Voided,
            content: None,
            create_us: self.now_us,
            expire_us: None,
            refunds: Vec::new(),
        };
        charge::insert(tx, &closed)?;
        Ok(closed)
    }
}

/// Gives back what was taken, or says that it will not.
pub(super) struct Refund {
    pub(super) payment: Capability,
    pub(super) id: String,
    pub(super) amount: Money,
    pub(super) refused: Option<&'static str>,
    pub(super) now_us: i64,
}

impl Unit for Refund {
    const NAME: &'static str = "RefundCharge";
    type Output = Charge;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![charge::key(&self.payment)]
    }

    fn lookups(&self) -> Vec<Lookup> {
        vec![charge::lookup(&self.payment)]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Charge, Error> {
        let mut known = charge::load(tx, &self.payment).await?.ok_or(Error::NotFound)?;
        if !known.refund(&self.id, self.amount)? {
            return Ok(known);
        }
        known.refunds.push(Given {
            id: self.id.clone(),
            amount: self.amount,
            refused: self.refused.map(str::to_owned),
        });
        charge::insert_refund(tx, &known).await?;
        if self.refused.is_none() {
            entry::add(tx, &self.payment, (Operation::Refund, &self.id), self.amount, self.now_us)?;
        }
        Ok(known)
    }
}

fn step_to(
    tx: &mut Transaction,
    mut known: Charge,
    step: Step,
    operation: Operation,
    now_us: i64,
) -> Result<Charge, Error> {
    let Step::To(state) = step else { return Ok(known) };
    let Some(content) = &known.content else {
        return Err(unexpected("UPDATE charges", "an authorized charge has no amount").into());
    };
    known.state = state;
    charge::update(tx, &known)?;
    entry::add(tx, &known.payment, (operation, ""), content.amount, now_us)?;
    Ok(known)
}

/// The processor's own name for a charge.
fn reference() -> String {
    format!("ch_{}", uuid::Uuid::new_v4().simple())
}

//! What an order may be told, and what it makes of it.

use crate::order::{Order, Refund, RefundState, State, Step, Tracking, Units};
use crate::refund::{Excess, REFUNDS_MAX};
use crate::saga::{Change, Tale};

/// What somebody wants of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// That it be undone. Some only an operator may.
    Cancel { operator: bool },
    /// That money be given back: all that is left where no units are named.
    Refund { id: String, units: Vec<Units>, return_units: bool, comment: String },
    /// That it was sent.
    Fulfill(Option<Tracking>),
    /// That its next step be tried now.
    Retry,
}

/// Why an order does not do what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Fulfilled,
    Failed,
    NeedsAttention,
    NotCaptured,
    Cancelling,
    TooManyRefunds,
    Excess(Excess),
}

impl Order {
    /// Does what it is told.
    ///
    /// # Errors
    /// Why it does not. It is as it was.
    pub(crate) fn obey(&mut self, command: &Command, now_us: i64) -> Result<Change, Refused> {
        match command {
            Command::Cancel { operator } => self.cancel(*operator, now_us),
            Command::Refund { id, units, return_units, comment } => {
                let refund = self.refund_of(id, units, *return_units, comment, now_us)?;
                self.add_refund(refund);
                self.plan(now_us);
                Ok(Change::Changed)
            }
            Command::Fulfill(tracking) => self.fulfill(tracking.as_ref(), now_us),
            Command::Retry => Ok(self.retry(now_us)),
        }
    }

    fn cancel(&mut self, operator: bool, now_us: i64) -> Result<Change, Refused> {
        match self.state {
            State::Fulfilled => return Err(Refused::Fulfilled),
            State::Failed => return Err(Refused::Failed),
            State::NeedsAttention if !operator => return Err(Refused::NeedsAttention),
            State::Cancelling | State::Cancelled | State::Refunded => return Ok(Change::None),
            State::Confirmed | State::Captured if self.progress.cancel_requested => return Ok(Change::None),
            State::Pending | State::Reserved | State::Authorized => {
                self.progress.card_token = None;
                self.enter(State::Cancelling, now_us);
            }
            State::Confirmed => self.progress.cancel_requested = true,
            State::Captured => {
                self.progress.cancel_requested = true;
                self.give_everything_back(now_us);
                self.plan(now_us);
            }
            State::NeedsAttention if self.progress.before_attention == Some(State::Captured) => self.try_again(now_us),
            State::NeedsAttention => {
                self.progress.before_attention = None;
                self.enter(State::Cancelling, now_us);
            }
        }
        Ok(Change::Changed)
    }

    /// Leaves `NeedsAttention` for the state before it.
    fn try_again(&mut self, now_us: i64) {
        let Some(state) = self.progress.before_attention.take() else { return };
        // A refund that was refused for good is refused for ever; another one may not be.
        if state == State::Captured && self.pending_refund().is_none() {
            self.give_everything_back(now_us);
        }
        self.progress.step = None;
        self.enter(state, now_us);
    }

    /// Whoever works on it meanwhile sees by the change that its tries count from zero again.
    fn retry(&mut self, now_us: i64) -> Change {
        let before = self.progress.clone();
        if let Some(clearing) = &mut self.progress.clearing {
            clearing.next_us = None;
        }
        if self.state == State::NeedsAttention {
            self.try_again(now_us);
            return Change::Changed;
        }
        if let Some(step) = &mut self.progress.step {
            step.attempts = 0;
            step.next_us = None;
        }
        if self.progress == before { Change::None } else { Change::Changed }
    }

    fn fulfill(&mut self, tracking: Option<&Tracking>, now_us: i64) -> Result<Change, Refused> {
        match self.state {
            State::Captured if self.progress.cancel_requested => Err(Refused::Cancelling),
            State::Captured => {
                self.progress.tracking = tracking.cloned();
                self.enter(State::Fulfilled, now_us);
                Ok(Change::Told(Tale::Fulfilled))
            }
            State::Fulfilled if self.progress.tracking.as_ref() == tracking => Ok(Change::None),
            State::Fulfilled => {
                self.progress.tracking = tracking.cloned();
                Ok(Change::Changed)
            }
            State::Pending
            | State::Reserved
            | State::Authorized
            | State::Confirmed
            | State::Failed
            | State::Cancelling
            | State::Cancelled
            | State::Refunded
            | State::NeedsAttention => Err(Refused::NotCaptured),
        }
    }

    fn refund_of(
        &self,
        id: &str,
        units: &[Units],
        return_units: bool,
        comment: &str,
        now_us: i64,
    ) -> Result<Refund, Refused> {
        if !matches!(self.state, State::Captured | State::Fulfilled) || self.left() == 0 {
            return Err(Refused::NotCaptured);
        }
        if self.standing_refunds() >= REFUNDS_MAX {
            return Err(Refused::TooManyRefunds);
        }
        let (amount, units) = if units.is_empty() {
            (self.left(), self.units_left())
        } else {
            (self.amount_of(units).map_err(Refused::Excess)?, units.to_vec())
        };
        let (id, comment) = (id.to_owned(), comment.to_owned());
        Ok(Refund { id, state: RefundState::Pending, amount, units, return_units, comment, create_us: now_us })
    }

    /// Whether somebody else has to take it up, now that it is as it is and was as it was.
    pub(crate) fn is_another_task_than(&self, before: &Self) -> bool {
        let task = |order: &Self| order.progress.step.as_ref().map(|step: &Step| (step.kind, step.since_us));
        let waits = |order: &Self| order.progress.step.as_ref().is_some_and(|step| step.next_us.is_some());
        let clearing_waits =
            |order: &Self| order.progress.clearing.as_ref().is_some_and(|clearing| clearing.next_us.is_some());
        let hurried = (waits(before) && !waits(self)) || (clearing_waits(before) && !clearing_waits(self));
        let left_attention = before.state == State::NeedsAttention && self.state != before.state;
        task(self) != task(before) || hurried || left_attention
    }
}

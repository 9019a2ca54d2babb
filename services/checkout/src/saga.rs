//! How an order goes on: which step is next, and what its outcome makes of the order.
//!
//! Before the units are sold a failure undoes what was done; after it steps are only tried again, and what cannot be done needs
//! attention. Whoever was asked to give something up is asked until it has said so: `Failed` and `Cancelled` are never
//! written on a guess.

use crate::order::{Card, Clearing, Failure, Order, RefundState, State, Step, StepKind, TRANSITIONS_MAX};

/// The limits of a saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// How long an order has to be confirmed.
    pub(crate) confirm_within_us: i64,
    /// Tries of a step after which the order needs attention.
    pub(crate) attempts_max: u32,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The units are held.
    Reserved,
    /// These products have too few units.
    Short(Vec<String>),
    /// What this order reserves or authorizes was closed before: its time is over.
    Closed,
    /// The money is set aside.
    Authorized(Card),
    /// The issuer said no: the number of payment's `DeclineReason`.
    Declined(i32),
    /// The card's token is of no use.
    TokenInvalid,
    /// The units are sold.
    Sold,
    /// The money is taken.
    Captured,
    /// It cannot be taken, for good: a code and a reason.
    CaptureRefused(String),
    /// Nothing is held, sold or set aside any more.
    Undone,
    /// The units turned out to be sold already.
    FoundSold,
    /// The money turned out to be taken already.
    FoundCaptured,
    /// A refund is done: the money is given back, and its units are.
    Refunded(String),
    /// A refund is refused for good: its id, a code and a reason.
    RefundRefused(String, String),
    /// Nobody knows, or it could not be done now: a code and a reason, and how long to wait.
    Later { error: String, wait_us: i64 },
}

/// What an outcome or a command did to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is the same order as before, tried once more or not even that.
    None,
    /// It changed.
    Changed,
    /// It changed, and others are told.
    Told(Tale),
}

/// What others are told of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tale {
    Placed,
    Paid,
    Fulfilled,
    Failed,
    Cancelled,
    /// The refund of this id is done.
    Refunded(String),
    NeedsAttention,
}

/// What is due for an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) step: Option<StepKind>,
    pub(crate) clearing: bool,
}

impl Due {
    pub(crate) const fn is_nothing(self) -> bool {
        self.step.is_none() && !self.clearing
    }
}

impl StepKind {
    /// Whether it may be tried before it is written that it is next: whoever finds the order as it was asks for this again, or
    /// undoes it.
    pub(crate) const fn may_be_ahead(self) -> bool {
        matches!(self, Self::Authorize | Self::Commit)
    }
}

impl Order {
    /// What is to be done now, by whoever has taken the order up.
    pub(crate) fn due(&self) -> Due {
        let step = self.progress.step.as_ref().filter(|_| self.state != State::NeedsAttention);
        let step = step.filter(|step| step.next_us.is_none()).map(|step| step.kind);
        let clearing = self.progress.clearing.as_ref().is_some_and(|clearing| clearing.next_us.is_none());
        Due { step, clearing }
    }

    /// Somebody takes it up: what has waited long enough is done now.
    pub(crate) fn take_up(&mut self, now_us: i64) {
        let over = |next_us: &mut Option<i64>| {
            if next_us.is_some_and(|next_us| next_us <= now_us) {
                *next_us = None;
            }
        };
        if let Some(step) = &mut self.progress.step {
            over(&mut step.next_us);
        }
        if let Some(clearing) = &mut self.progress.clearing {
            over(&mut clearing.next_us);
        }
    }

    /// Whether the step would come too late to be tried at all.
    pub(crate) fn is_late(&self, now_us: i64, limits: Limits) -> bool {
        now_us >= self.create_us.saturating_add(limits.confirm_within_us)
    }

    /// Takes in what came of the step that was due.
    pub(crate) fn take_in(&mut self, outcome: Outcome, now_us: i64, limits: Limits) -> Change {
        match outcome {
            Outcome::Reserved => self.go(State::Reserved, now_us),
            Outcome::Short(products) => self.fail(Failure::OutOfStock(products), now_us),
            Outcome::Closed => self.fail(Failure::Expired, now_us),
            Outcome::Authorized(card) => {
                self.progress.card = Some(card);
                self.progress.card_token = None;
                self.go(State::Authorized, now_us)
            }
            Outcome::Declined(reason) => self.fail(Failure::CardDeclined(reason), now_us),
            Outcome::TokenInvalid => self.fail(Failure::CardTokenInvalid, now_us),
            Outcome::Sold => self.confirm(now_us),
            Outcome::Captured => self.captured(now_us),
            Outcome::CaptureRefused(error) => self.give_up(error, now_us),
            Outcome::Undone => {
                self.progress.sold = false;
                match self.progress.failure {
                    Some(_) => self.tell(State::Failed, Tale::Failed, now_us),
                    None => self.tell(State::Cancelled, Tale::Cancelled, now_us),
                }
            }
            Outcome::FoundSold => {
                // Whoever cancelled gets the money back; an order that was merely late is not late after all.
                self.progress.cancel_requested = self.progress.failure.take().is_none();
                self.confirm(now_us)
            }
            Outcome::FoundCaptured => {
                self.progress.cancel_requested = true;
                self.captured(now_us)
            }
            Outcome::Refunded(id) => self.refunded(id, now_us),
            Outcome::RefundRefused(id, error) => self.refund_refused(&id, error, now_us),
            Outcome::Later { error, wait_us } => self.later(error, wait_us, now_us, limits),
        }
    }

    /// Takes in what came of emptying the cart. It is given up after as many tries as a step.
    pub(crate) fn take_in_clearing(&mut self, wait_us: Option<i64>, now_us: i64, limits: Limits) {
        let Some(clearing) = &mut self.progress.clearing else { return };
        clearing.attempts += 1;
        match wait_us {
            Some(wait_us) if clearing.attempts < limits.attempts_max => {
                clearing.next_us = Some(now_us.saturating_add(wait_us));
            }
            Some(_) | None => self.progress.clearing = None,
        }
    }

    /// Goes into a state, and on to its step.
    pub(crate) fn enter(&mut self, state: State, now_us: i64) {
        self.state = state;
        let transitions = &mut self.progress.transitions;
        transitions.push((state, now_us.max(self.update_us)));
        let surplus = transitions.len().saturating_sub(TRANSITIONS_MAX);
        transitions.drain(..surplus);
        self.plan(now_us);
    }

    /// Finds what is to be done next. A step that goes on to be the next keeps its tries.
    pub(crate) fn plan(&mut self, now_us: i64) {
        let next = match self.state {
            State::Pending => Some(StepKind::Reserve),
            State::Reserved => Some(StepKind::Authorize),
            State::Authorized => Some(StepKind::Commit),
            State::Confirmed => Some(StepKind::Capture),
            State::Cancelling => Some(StepKind::Undo),
            State::Captured | State::Fulfilled => self.pending_refund().map(|_| StepKind::Refund),
            State::Failed | State::Cancelled | State::Refunded => None,
            // What could not be done is what somebody has to look at.
            State::NeedsAttention => return,
        };
        if next != self.progress.step.as_ref().map(|step| step.kind) {
            self.progress.step = next.map(|kind| begin(kind, now_us));
        }
    }

    /// The same, with the tries at zero.
    pub(crate) fn plan_anew(&mut self, now_us: i64) {
        self.progress.step = None;
        self.plan(now_us);
    }

    pub(crate) fn fail(&mut self, failure: Failure, now_us: i64) -> Change {
        self.progress.failure = Some(failure);
        self.progress.card_token = None;
        self.go(State::Cancelling, now_us)
    }

    fn go(&mut self, state: State, now_us: i64) -> Change {
        self.enter(state, now_us);
        Change::Changed
    }

    fn tell(&mut self, state: State, tale: Tale, now_us: i64) -> Change {
        self.enter(state, now_us);
        Change::Told(tale)
    }

    fn confirm(&mut self, now_us: i64) -> Change {
        self.progress.sold = true;
        self.progress.clearing = Some(Clearing { attempts: 0, next_us: None });
        self.tell(State::Confirmed, Tale::Placed, now_us)
    }

    fn captured(&mut self, now_us: i64) -> Change {
        if self.progress.cancel_requested {
            self.give_everything_back(now_us);
        }
        self.tell(State::Captured, Tale::Paid, now_us)
    }

    fn refunded(&mut self, id: String, now_us: i64) -> Change {
        self.settle_refund(&id, RefundState::Done);
        if self.is_given_back() {
            return self.tell(State::Refunded, Tale::Refunded(id), now_us);
        }
        if self.progress.cancel_requested && self.pending_refund().is_none() && self.left() > 0 {
            self.give_everything_back(now_us);
        }
        self.plan_anew(now_us);
        Change::Told(Tale::Refunded(id))
    }

    fn refund_refused(&mut self, id: &str, error: String, now_us: i64) -> Change {
        self.settle_refund(id, RefundState::Failed);
        if self.progress.cancel_requested && self.pending_refund().is_none() {
            return self.give_up(error, now_us);
        }
        self.plan_anew(now_us);
        Change::Changed
    }

    /// Nothing is tried any more.
    fn give_up(&mut self, error: String, now_us: i64) -> Change {
        self.progress.before_attention = Some(self.state);
        if let Some(step) = &mut self.progress.step {
            step.attempts += 1;
            step.last_error = error;
            step.next_us = None;
        }
        self.tell(State::NeedsAttention, Tale::NeedsAttention, now_us)
    }

    fn later(&mut self, error: String, wait_us: i64, now_us: i64, limits: Limits) -> Change {
        let late = self.is_late(now_us, limits);
        let Some(step) = &mut self.progress.step else { return Change::None };
        let attempts = step.attempts + 1;
        match step.kind {
            StepKind::Reserve | StepKind::Authorize | StepKind::Commit if late => {
                return self.fail(Failure::Expired, now_us);
            }
            StepKind::Capture if attempts >= limits.attempts_max => return self.give_up(error, now_us),
            StepKind::Refund if attempts >= limits.attempts_max && self.progress.cancel_requested => {
                return self.give_up(error, now_us);
            }
            // An undo and an operator's refund are asked for until they are answered.
            StepKind::Reserve
            | StepKind::Authorize
            | StepKind::Commit
            | StepKind::Capture
            | StepKind::Undo
            | StepKind::Refund => {}
        }
        step.attempts = attempts;
        step.last_error = error;
        step.next_us = Some(now_us.saturating_add(wait_us));
        Change::None
    }
}

fn begin(kind: StepKind, now_us: i64) -> Step {
    Step { kind, attempts: 0, last_error: String::new(), since_us: now_us, next_us: None }
}

#[cfg(test)]
mod tests;

//! What may become of a payment.
//!
//! ```text
//! (none) ─▶ AUTHORIZING ─▶ AUTHORIZED ─▶ CAPTURING ─▶ CAPTURED      AUTHORIZING ─▶ DECLINED
//! (none), AUTHORIZING, AUTHORIZED, CAPTURING ─▶ VOIDING ─▶ VOIDED   VOIDING ─▶ CAPTURED, DECLINED: it was so all along
//! ```
//!
//! A state that ends in -ING is one in doubt: the processor was told, and nobody knows what it did. What it has done is a fact,
//! so a payment learns it whenever it hears of it, and what is final never changes.

use rpc::Capability;
use rpc::money::Money;

use crate::card::Summary;
use crate::error::Error;
use crate::processor::{Seen, SeenState};

/// The most refunds that did not fail, and the most in all.
pub(crate) const REFUNDS_MAX: usize = 100;
pub(crate) const TRIED_MAX: usize = 1_000;
/// How many of those that failed are shown.
pub(crate) const FAILED_SHOWN_MAX: usize = 20;

/// Where a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Authorizing,
    Authorized,
    Declined(Decline),
    Capturing,
    Captured,
    Voiding,
    Voided,
}

/// Why a card was declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decline {
    Generic,
    InsufficientFunds,
    ExpiredCard,
    IncorrectCode,
    SuspectedFraud,
    CardNotAccepted,
}

/// A payment. Times are microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    pub(crate) id: Capability,
    pub(crate) state: State,
    /// `None`: it was voided before it was authorized.
    pub(crate) content: Option<Content>,
    pub(crate) reference: String,
    /// The oldest first.
    pub(crate) refunds: Vec<Refund>,
    pub(crate) create_us: i64,
    pub(crate) update_us: i64,
    pub(crate) expire_us: Option<i64>,
    pub(crate) revision: i64,
    /// Counts who was allowed to tell the processor.
    pub(crate) attempt: i64,
}

/// What is paid, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) amount: Money,
    pub(crate) token: Capability,
    pub(crate) card: Summary,
}

/// Money given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) amount: Money,
    pub(crate) state: RefundState,
    pub(crate) create_us: i64,
    /// As the payment's.
    pub(crate) attempt: i64,
}

/// Where a refund stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RefundState {
    Pending,
    Done,
    /// Why.
    Failed(String),
}

impl State {
    /// Whether the processor was told, and nobody knows what it did.
    pub(crate) fn is_in_doubt(self) -> bool {
        matches!(self, Self::Authorizing | Self::Capturing | Self::Voiding)
    }
}

impl Payment {
    /// Whether the processor has to be asked about something.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.state.is_in_doubt() || self.refunds.iter().any(|refund| refund.state == RefundState::Pending)
    }

    /// What a repeated authorization of this content finds.
    pub(crate) fn authorized_again(&self, token: &Capability, amount: Money) -> Result<(), Error> {
        match (self.state, &self.content) {
            (State::Voiding | State::Voided, _) | (_, None) => Err(Error::Closed),
            (_, Some(known)) if known.token == *token && known.amount == amount => Ok(()),
            _ => Err(Error::Mismatch),
        }
    }

    /// A refund of this id.
    pub(crate) fn refund(&self, id: &str) -> Option<&Refund> {
        self.refunds.iter().find(|refund| refund.id == id)
    }

    /// Whether a new refund of so much can be made.
    pub(crate) fn can_refund(&self, amount: Money) -> Result<(), Error> {
        let content = self.content.as_ref().filter(|_| self.state == State::Captured).ok_or(Error::NotCaptured)?;
        if amount.currency() != content.amount.currency() {
            let currency = content.amount.currency();
            return Err(mesh::Violations::one("amount.currency_code", format!("must be {currency}")).into());
        }
        let kept = self.refunds.iter().filter(|refund| !matches!(refund.state, RefundState::Failed(_))).count();
        if kept >= REFUNDS_MAX || self.refunds.len() >= TRIED_MAX {
            return Err(Error::TooManyRefunds);
        }
        let left = content.amount.minor().saturating_sub(self.refunded_minor());
        if amount.minor() > left {
            return Err(Error::RefundExceedsCapture(Money::new(content.amount.currency(), left)));
        }
        Ok(())
    }

    /// What went back or is going back, in minor units.
    pub(crate) fn refunded_minor(&self) -> i64 {
        let kept = self.refunds.iter().filter(|refund| !matches!(refund.state, RefundState::Failed(_)));
        kept.map(|refund| refund.amount.minor()).fold(0, i64::saturating_add)
    }

    /// The same, knowing what the processor did.
    pub(crate) fn learn(mut self, seen: &Seen) -> Self {
        self.state = match (self.state, seen.state) {
            (State::Declined(_) | State::Captured | State::Voided, _) => self.state,
            (_, SeenState::Declined(decline)) => State::Declined(decline),
            (_, SeenState::Captured) => State::Captured,
            (_, SeenState::Voided) => State::Voided,
            (State::Authorizing, SeenState::Authorized { expire_us }) => {
                self.expire_us = expire_us;
                State::Authorized
            }
            // It was told to do more, which it has not done, or has yet to.
            (State::Authorized | State::Capturing | State::Voiding, SeenState::Authorized { .. }) => self.state,
        };
        if self.reference.is_empty() {
            self.reference.clone_from(&seen.reference);
        }
        for refund in self.refunds.iter_mut().filter(|refund| refund.state == RefundState::Pending) {
            if let Some(seen) = seen.refunds.iter().find(|seen| seen.id == refund.id) {
                refund.state = seen.refused.clone().map_or(RefundState::Done, RefundState::Failed);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use rpc::money::Currency;

    use super::*;
    use crate::card::{Brand, Expiry};
    use crate::processor::SeenRefund;

    fn euros(minor: i64) -> Money {
        Money::new(Currency::parse("EUR").unwrap(), minor)
    }

    fn payment(state: State) -> Payment {
        let id = Capability::parse("0123456789abcdef0123456789abcdef").unwrap();
        let card = Summary { brand: Brand::Visa, last_four: "4242".into(), expiry: Expiry { year: 2030, month: 1 } };
        Payment {
            content: Some(Content { amount: euros(1000), token: id.clone(), card }),
            id,
            state,
            reference: String::new(),
            refunds: Vec::new(),
            create_us: 1,
            update_us: 1,
            expire_us: None,
            revision: 1,
            attempt: 1,
        }
    }

    fn refund(id: &str, minor: i64, state: RefundState) -> Refund {
        Refund { id: id.into(), amount: euros(minor), state, create_us: 1, attempt: 1 }
    }

    fn seen(state: SeenState) -> Seen {
        Seen { reference: "ch_1".into(), state, refunds: Vec::new() }
    }

    #[test]
    fn what_the_processor_did_is_learned_and_what_is_final_stays() {
        const AUTHORIZED: SeenState = SeenState::Authorized { expire_us: Some(9) };
        let doubts = [State::Authorizing, State::Capturing, State::Voiding];
        for state in doubts.into_iter().chain([State::Authorized]) {
            assert_eq!(payment(state).learn(&seen(SeenState::Captured)).state, State::Captured);
            assert_eq!(payment(state).learn(&seen(SeenState::Voided)).state, State::Voided);
        }
        let learned = payment(State::Authorizing).learn(&seen(AUTHORIZED));
        assert_eq!((learned.state, learned.expire_us, &*learned.reference), (State::Authorized, Some(9), "ch_1"));
        for state in [State::Authorized, State::Capturing, State::Voiding] {
            assert_eq!(payment(state).learn(&seen(AUTHORIZED)).state, state);
        }
        for state in [State::Declined(Decline::Generic), State::Captured, State::Voided] {
            for other in [AUTHORIZED, SeenState::Captured, SeenState::Voided, SeenState::Declined(Decline::Generic)] {
                assert_eq!(payment(state).learn(&seen(other)).state, state);
            }
        }
    }

    #[test]
    fn a_pending_refund_learns_its_end_and_no_other_does() {
        let mut captured = payment(State::Captured);
        captured.refunds = ["a", "b", "c"].map(|id| refund(id, 1, RefundState::Pending)).to_vec();
        captured.refunds.push(refund("d", 1, RefundState::Failed("no".into())));
        let ended = |id: &str, refused: Option<&str>| SeenRefund { id: id.into(), refused: refused.map(str::to_owned) };
        let refunds = vec![ended("a", None), ended("b", Some("why")), ended("d", None)];
        let learned = captured.learn(&Seen { refunds, ..seen(SeenState::Captured) });
        let states: Vec<_> = learned.refunds.iter().map(|refund| refund.state.clone()).collect();
        let failed = |why: &str| RefundState::Failed(why.to_owned());
        assert_eq!(states, [RefundState::Done, failed("why"), RefundState::Pending, failed("no")]);
        assert!(learned.is_in_doubt());
    }

    #[test]
    fn refunds_never_exceed_the_capture_and_failed_ones_do_not_count() {
        let mut captured = payment(State::Captured);
        captured.can_refund(euros(1000)).unwrap();
        captured.refunds.push(refund("a", 900, RefundState::Failed(String::new())));
        captured.refunds.push(refund("b", 300, RefundState::Pending));
        captured.refunds.push(refund("c", 300, RefundState::Done));
        captured.can_refund(euros(400)).unwrap();
        assert!(
            matches!(captured.can_refund(euros(401)), Err(Error::RefundExceedsCapture(left)) if left == euros(400))
        );
        let dollars = Money::new(Currency::parse("USD").unwrap(), 1);
        assert!(matches!(captured.can_refund(dollars), Err(Error::Invalid(_))));
        assert!(matches!(payment(State::Authorized).can_refund(euros(1)), Err(Error::NotCaptured)));
        captured.refunds = (0..100).map(|number| refund(&number.to_string(), 1, RefundState::Done)).collect();
        assert!(matches!(captured.can_refund(euros(1)), Err(Error::TooManyRefunds)));
    }

    #[test]
    fn a_repeated_authorization_has_the_same_content_and_what_is_voided_never_comes_back() {
        let token = payment(State::Authorized).id;
        let again = |state, minor| payment(state).authorized_again(&token, euros(minor));
        for state in [State::Authorizing, State::Authorized, State::Captured, State::Declined(Decline::Generic)] {
            again(state, 1000).unwrap();
            assert!(matches!(again(state, 999), Err(Error::Mismatch)));
        }
        for state in [State::Voiding, State::Voided] {
            assert!(matches!(again(state, 1000), Err(Error::Closed)));
        }
    }
}

//! What may become of a charge: authorized or declined, then captured or voided, and refunded up to what was captured.

use rpc::Capability;
use rpc::money::Money;

use crate::card::Trace;
use crate::error::Error;

/// How long an authorization can be captured, in microseconds: 7 days.
pub(crate) const LIFE_US: i64 = 7 * 24 * 60 * 60 * 1_000_000;
/// The most refunds of a charge, refused ones included.
pub(crate) const REFUNDS_MAX: usize = 1_000;

/// Where a charge stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Authorized,
    Declined(Reason),
    Captured,
    Voided,
}

/// Why an issuer says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Reason {
    Generic,
    InsufficientFunds,
    ExpiredCard,
    IncorrectCode,
    StolenCard,
    NotAccepted,
}

/// What moves money, or frees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Operation {
    Authorize,
    Capture,
    Void,
    Refund,
}

/// A charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Charge {
    pub(crate) payment: Capability,
    pub(crate) reference: String,
    pub(crate) state: State,
    /// How much, and of which card. `None`: it was voided before it was authorized.
    pub(crate) content: Option<Content>,
    pub(crate) create_us: i64,
    /// From when on it can no longer be captured.
    pub(crate) expire_us: Option<i64>,
    /// The oldest first.
    pub(crate) refunds: Vec<Refund>,
}

/// What an authorization is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) amount: Money,
    pub(crate) card: Trace,
}

/// Money given back, or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) amount: Money,
    /// Why it was refused.
    pub(crate) refused: Option<String>,
}

/// What a call comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The charge is in this state from now on.
    To(State),
    /// Nothing changes.
    Stay,
}

impl Charge {
    /// A repeated authorization with this content.
    pub(crate) fn authorized_again(&self, content: &Content) -> Result<(), Error> {
        match (self.state, &self.content) {
            (State::Voided, _) | (_, None) => Err(Error::Closed),
            (_, Some(known)) if known == content => Ok(()),
            _ => Err(Error::Mismatch),
        }
    }

    /// A capture now.
    pub(crate) fn capture(&self, now_us: i64) -> Result<Step, Error> {
        match self.state {
            State::Captured => Ok(Step::Stay),
            State::Authorized if self.expire_us.is_some_and(|expire_us| expire_us <= now_us) => Err(Error::Expired),
            State::Authorized => Ok(Step::To(State::Captured)),
            State::Declined(_) | State::Voided => Err(Error::NotAuthorized),
        }
    }

    /// A void.
    pub(crate) fn void(&self) -> Result<Step, Error> {
        match self.state {
            State::Captured => Err(Error::Captured),
            State::Authorized => Ok(Step::To(State::Voided)),
            State::Declined(_) | State::Voided => Ok(Step::Stay),
        }
    }

    /// A refund of so much: whether it is a new one.
    pub(crate) fn refund(&self, id: &str, amount: Money) -> Result<bool, Error> {
        let content = self.content.as_ref().filter(|_| self.state == State::Captured).ok_or(Error::NotCaptured)?;
        if let Some(known) = self.refunds.iter().find(|refund| refund.id == id) {
            return if known.amount == amount { Ok(false) } else { Err(Error::RefundMismatch) };
        }
        if self.refunds.len() >= REFUNDS_MAX {
            return Err(Error::TooManyRefunds);
        }
        let refunded = self.refunded_minor().checked_add(amount.minor());
        let covered = refunded.is_some_and(|refunded| refunded <= content.amount.minor());
        if amount.currency() != content.amount.currency() || !covered {
            return Err(Error::RefundExceedsCapture);
        }
        Ok(true)
    }

    /// What went back, in minor units.
    pub(crate) fn refunded_minor(&self) -> i64 {
        let done = self.refunds.iter().filter(|refund| refund.refused.is_none());
        done.map(|refund| refund.amount.minor()).fold(0, i64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use rpc::money::Currency;

    use super::*;

    fn euros(minor: i64) -> Money {
        Money::new(Currency::parse("EUR").unwrap(), minor)
    }

    fn charge(state: State) -> Charge {
        let card = Trace { last_four: "4242".into(), fingerprint: [7; 32] };
        Charge {
            payment: Capability::parse("0123456789abcdef0123456789abcdef").unwrap(),
            reference: "r".into(),
            state,
            content: Some(Content { amount: euros(1000), card }),
            create_us: 10,
            expire_us: Some(20),
            refunds: Vec::new(),
        }
    }

    #[test]
    fn an_authorization_is_captured_or_voided_once_and_not_after_its_time() {
        assert_eq!(charge(State::Authorized).capture(19).unwrap(), Step::To(State::Captured));
        assert!(matches!(charge(State::Authorized).capture(20), Err(Error::Expired)));
        assert_eq!(charge(State::Captured).capture(99).unwrap(), Step::Stay);
        assert!(matches!(charge(State::Voided).capture(11), Err(Error::NotAuthorized)));
        assert_eq!(charge(State::Authorized).void().unwrap(), Step::To(State::Voided));
        assert_eq!(charge(State::Voided).void().unwrap(), Step::Stay);
        assert_eq!(charge(State::Declined(Reason::Generic)).void().unwrap(), Step::Stay);
        assert!(matches!(charge(State::Captured).void(), Err(Error::Captured)));
    }

    #[test]
    fn refunds_never_exceed_the_capture_and_refused_ones_do_not_count() {
        let mut captured = charge(State::Captured);
        assert!(captured.refund("a", euros(1000)).unwrap());
        assert!(matches!(captured.refund("a", euros(1001)), Err(Error::RefundExceedsCapture)));
        assert!(matches!(captured.refund("a", euros(i64::MAX)), Err(Error::RefundExceedsCapture)));
        captured.refunds.push(Refund { id: "a".into(), amount: euros(900), refused: Some("no".into()) });
        captured.refunds.push(Refund { id: "b".into(), amount: euros(400), refused: None });
        assert!(captured.refund("c", euros(600)).unwrap());
        assert!(matches!(captured.refund("c", euros(601)), Err(Error::RefundExceedsCapture)));
        assert!(!captured.refund("b", euros(400)).unwrap());
        assert!(matches!(captured.refund("b", euros(401)), Err(Error::RefundMismatch)));
        assert!(matches!(charge(State::Authorized).refund("a", euros(1)), Err(Error::NotCaptured)));
    }

    #[test]
    fn a_repeated_authorization_has_the_same_content() {
        let (authorized, content) = (charge(State::Authorized), charge(State::Authorized).content.unwrap());
        authorized.authorized_again(&content).unwrap();
        let other = Content { amount: euros(999), ..content.clone() };
        assert!(matches!(authorized.authorized_again(&other), Err(Error::Mismatch)));
        assert!(matches!(charge(State::Voided).authorized_again(&content), Err(Error::Closed)));
    }
}

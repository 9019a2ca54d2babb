//! What became of what the processor was told.

use std::time::Duration;

use ::store::{Lookup, Transaction, Unit};
use rpc::Capability;

use super::payment;
use crate::error::Error;
use crate::payment::{Payment, RefundState, State};
use crate::processor::Seen;

/// What is known now. Attempts say who knows it: a proof that one did nothing says nothing of another.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// What the processor did.
    Seen(Seen),
    /// This attempt did nothing, and the payment stood so before it; none where there was none.
    Undone { attempt: i64, before: Option<State> },
    /// This refund's first attempt did nothing.
    RefundUndone { refund_id: String },
    /// The processor refuses for good to capture.
    CaptureRefused { attempt: i64 },
    /// The processor refuses for good to authorize, which no issuer had a say in.
    AuthorizationRefused { attempt: i64 },
    /// The processor refuses for good to refund.
    RefundRefused { refund_id: String, why: String },
}

/// Writes the news.
pub(super) struct Settle {
    pub(super) id: Capability,
    pub(super) news: News,
    pub(super) patience: Duration,
}

impl Unit for Settle {
    const NAME: &'static str = "SettlePayment";
    type Output = Option<Payment>;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![payment::key(&self.id)]
    }

    fn lookups(&self) -> Vec<Lookup> {
        vec![payment::lookup(&self.id)]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Option<Payment>, Error> {
        let Some(known) = payment::load(tx, &self.id).await? else { return Ok(None) };
        let new = known.clone();
        let own = |attempt: i64| known.state.is_in_doubt() && known.attempt == attempt;
        let new = match &self.news {
            News::Seen(seen) => new.learn(seen),
            News::Undone { attempt, before } if own(*attempt) => match before {
                Some(state) => Payment { state: *state, ..new },
                None => {
                    payment::delete(tx, &known).await?;
                    return Ok(None);
                }
            },
            News::CaptureRefused { attempt } if own(*attempt) && known.state == State::Capturing => {
                Payment { state: State::Authorized, ..new }
            }
            News::AuthorizationRefused { attempt } if own(*attempt) && known.state == State::Authorizing => {
                Payment { state: State::Declined(crate::payment::Decline::Generic), ..new }
            }
            News::Undone { .. } | News::CaptureRefused { .. } | News::AuthorizationRefused { .. } => new,
            News::RefundUndone { refund_id } => without(new, refund_id),
            News::RefundRefused { refund_id, why } => failed(new, refund_id, why),
        };
        Ok(Some(payment::save(tx, &known, new, self.patience).await?))
    }
}

fn without(mut payment: Payment, refund_id: &str) -> Payment {
    let undone = |refund: &crate::payment::Refund| {
        refund.id == refund_id && refund.attempt == 1 && refund.state == RefundState::Pending
    };
    payment.refunds.retain(|refund| !undone(refund));
    payment
}

fn failed(mut payment: Payment, refund_id: &str, why: &str) -> Payment {
    let mut pending = payment.refunds.iter_mut().filter(|refund| refund.state == RefundState::Pending);
    if let Some(refund) = pending.find(|refund| refund.id == refund_id) {
        refund.state = RefundState::Failed(why.to_owned());
    }
    payment
}

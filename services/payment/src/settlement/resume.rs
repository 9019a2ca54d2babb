//! What is in doubt is asked about first, and only then told again.

use rpc::Capability;

use super::{Settlement, Step, Teller};
use crate::error::Error;
use crate::payment::{Payment, RefundState, State};
use crate::processor::Processor;
use crate::store::{Begun, Wish};

impl<P: Processor> Settlement<P> {
    /// Ends a doubt about one step.
    pub(super) async fn resume(&self, payment: Payment, step: &Step) -> Result<Payment, Error> {
        let known = self.ask(&payment).await?;
        if !step.is_open(&known) {
            return Ok(known);
        }
        if matches!(step, Step::Authorize(_)) && !self.can_authorize(&known).await? {
            return self.give_up(known).await;
        }
        self.tell(known, step.clone(), Teller::Again).await
    }

    /// Ends the doubts about payments that have been in doubt for too long, at most as many as are given at a time; how many
    /// there were. What cannot be ended now is found again.
    pub(crate) async fn reconcile(&self) -> Result<u64, Error> {
        let due = self.payments.due().await?;
        let found = due.len() as u64;
        for ended in futures_util::future::join_all(due.iter().map(|id| self.reconcile_one(id))).await {
            match ended {
                // One that the processor keeps in doubt is no reason to stop looking at others.
                Ok(()) | Err(Error::OutcomeUnknown(_) | Error::ProcessorUnavailable(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    async fn reconcile_one(&self, id: &Capability) -> Result<(), Error> {
        let Some(payment) = self.payments.find(id).await? else { return Ok(()) };
        for step in open_steps(&payment) {
            match self.again(id, &payment, &step).await {
                // Refused for good, or decided by somebody else: an end as well.
                Ok(())
                | Err(
                    Error::CaptureRefused(_)
                    | Error::RefundRefused(_)
                    | Error::NotAuthorized
                    | Error::Captured
                    | Error::Closed
                    | Error::NotFound,
                ) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The same call that left the doubt.
    async fn again(&self, id: &Capability, payment: &Payment, step: &Step) -> Result<(), Error> {
        match (step, &payment.content) {
            (Step::Authorize(_), Some(content)) => {
                self.authorize(id.clone(), content.token.clone(), content.amount).await.map(drop)
            }
            (Step::Authorize(_), None) => Ok(()),
            (Step::Capture, _) => self.capture(id.clone()).await.map(drop),
            (Step::Void, _) => self.void(id.clone()).await.map(drop),
            (Step::Refund(refund_id), _) => match payment.refund(refund_id) {
                Some(refund) => self.refund(id.clone(), refund_id.clone(), refund.amount).await.map(drop),
                None => Ok(()),
            },
        }
    }

    async fn can_authorize(&self, payment: &Payment) -> Result<bool, Error> {
        let Some(content) = &payment.content else { return Ok(false) };
        let sealed = self.payments.sealed(&content.token).await?;
        Ok(self.open(content, sealed)?.is_some())
    }

    /// An authorization that never reached the processor, and whose code is erased: nothing can come of it any more, so it is
    /// closed, here and there.
    async fn give_up(&self, payment: Payment) -> Result<Payment, Error> {
        match self.payments.begin(payment.id.clone(), Wish::Void).await? {
            Begun::Already(payment) => Ok(payment),
            Begun::New { payment, .. } | Begun::InDoubt(payment) => self.tell(payment, Step::Void, Teller::Again).await,
        }
    }
}

fn open_steps(payment: &Payment) -> Vec<Step> {
    let whole = match payment.state {
        State::Authorizing => Some(Step::Authorize(None)),
        State::Capturing => Some(Step::Capture),
        State::Voiding => Some(Step::Void),
        State::Authorized | State::Declined(_) | State::Captured | State::Voided => None,
    };
    let pending = payment.refunds.iter().filter(|refund| refund.state == RefundState::Pending);
    whole.into_iter().chain(pending.map(|refund| Step::Refund(refund.id.clone()))).collect()
}

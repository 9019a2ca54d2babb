//! The steps of a saga: what is asked of whom, and what the answer means for the order.
//!
//! Each names its order, so that it may be repeated, after a crash or by two replicas at once, and does its work once.

use super::{Driver, Stopped};
use crate::clients::{Authorizing, Capturing, Cleared, Closing, Committing, Refunding, Reserving, Unanswered, Voiding};
use crate::derived;
use crate::faults::{Faults, Point};
use crate::order::{Order, Refund, StepKind};
use crate::saga::Outcome;
use crate::store::Taken;

impl<F: Faults> Driver<F> {
    /// Tries an order's step.
    pub(super) async fn step(&self, kind: StepKind, taken: &Taken) -> Result<Outcome, Stopped> {
        let order = &taken.order;
        let late = order.is_late(taken.now_us, self.orders.limits());
        let outcome = match kind {
            // What was not begun in time is not begun; what was, is undone.
            StepKind::Reserve | StepKind::Authorize if late => Outcome::Closed,
            StepKind::Reserve => self.reserve(order).await,
            StepKind::Authorize => self.authorize(order).await,
            StepKind::Commit => self.commit(order).await,
            StepKind::Capture => self.capture(order).await,
            StepKind::Undo if order.progress.sold => self.undo_sale(order).await?,
            StepKind::Undo => self.undo(order).await?,
            StepKind::Refund => self.refund(order).await?,
        };
        self.reached(Point::Answered(kind.name()))?;
        Ok(outcome)
    }

    /// Empties the cart, if that is due: done, or to be tried again after so long.
    pub(super) async fn clearing(&self, due: bool, taken: &Taken) -> Result<Option<Option<i64>>, Stopped> {
        let order = &taken.order;
        let Some(clearing) = order.progress.clearing.as_ref().filter(|_| due) else { return Ok(None) };
        let cleared = self.clients.clear_cart(&order.id, &order.placed.cart, &order.placed.cart_etag).await;
        self.reached(Point::CartCleared)?;
        Ok(Some(match cleared {
            Cleared::Done => None,
            Cleared::Unknown(Unanswered(error)) => {
                let attempts = clearing.attempts + 1;
                if attempts >= self.orders.limits().attempts_max {
                    tracing::warn!(order = ?order.id, attempts, error, "the cart of an order stays as it is");
                }
                Some(self.backoff.wait_us(clearing.attempts))
            }
        }))
    }

    async fn reserve(&self, order: &Order) -> Outcome {
        let hold_us = self.orders.limits().confirm_within_us;
        match self.clients.reserve(&order.id, &order.placed.lines, hold_us).await {
            Reserving::Held => Outcome::Reserved,
            Reserving::Short(products) => Outcome::Short(products),
            Reserving::Closed => Outcome::Closed,
            Reserving::Unknown(unanswered) => self.later(order, unanswered),
        }
    }

    /// Where nobody knows what the issuer said, the same call makes payment look it up first.
    async fn authorize(&self, order: &Order) -> Outcome {
        // It is there until it is authorized.
        let Some(card_token) = &order.progress.card_token else { return Outcome::TokenInvalid };
        let amount = order.placed.money(order.placed.amounts.total);
        match self.clients.authorize(&order.id, card_token, amount).await {
            Authorizing::Authorized(card) => Outcome::Authorized(card),
            Authorizing::Declined(reason) => Outcome::Declined(reason),
            Authorizing::TokenInvalid => Outcome::TokenInvalid,
            Authorizing::Closed => Outcome::Closed,
            Authorizing::Unknown(unanswered) => self.later(order, unanswered),
        }
    }

    async fn commit(&self, order: &Order) -> Outcome {
        match self.clients.commit(&order.id).await {
            Committing::Sold => Outcome::Sold,
            Committing::Closed => Outcome::Closed,
            Committing::Unknown(unanswered) => self.later(order, unanswered),
        }
    }

    async fn capture(&self, order: &Order) -> Outcome {
        match self.clients.capture(&order.id).await {
            Capturing::Captured => Outcome::Captured,
            Capturing::Refused(error) => Outcome::CaptureRefused(error),
            Capturing::Unknown(unanswered) => self.later(order, unanswered),
        }
    }

    /// The units first: if they are sold already, the money stays.
    async fn undo(&self, order: &Order) -> Result<Outcome, Stopped> {
        match self.clients.release(&order.id).await {
            Closing::Closed => {}
            Closing::Sold => return Ok(Outcome::FoundSold),
            Closing::Unknown(unanswered) => return Ok(self.later(order, unanswered)),
        }
        self.reached(Point::Released)?;
        Ok(match self.clients.void(&order.id).await {
            Voiding::Voided => Outcome::Undone,
            // Nothing is captured whose units were never sold.
            Voiding::Captured => self.later(order, Unanswered("FAILED_PRECONDITION PAYMENT_CAPTURED".to_owned())),
            Voiding::Unknown(unanswered) => self.later(order, unanswered),
        })
    }

    /// The money first: if it is taken after all, the order goes on to give it back.
    async fn undo_sale(&self, order: &Order) -> Result<Outcome, Stopped> {
        match self.clients.void(&order.id).await {
            Voiding::Voided => {}
            Voiding::Captured => return Ok(Outcome::FoundCaptured),
            Voiding::Unknown(unanswered) => return Ok(self.later(order, unanswered)),
        }
        self.reached(Point::Voided)?;
        // Whatever is sold and not back yet.
        let returned = self.clients.take_back(&order.id, &[], derived::request_id(&order.id, "return")).await;
        Ok(returned.map_or_else(|unanswered| self.later(order, unanswered), |()| Outcome::Undone))
    }

    async fn refund(&self, order: &Order) -> Result<Outcome, Stopped> {
        let Some(refund) = order.pending_refund() else {
            return Ok(self.later(order, Unanswered("INTERNAL NO_REFUND".to_owned())));
        };
        let Refund { id, amount, units, return_units, .. } = refund;
        // What was free is not asked for.
        if *amount > 0 {
            match self.clients.refund(&order.id, id, order.placed.money(*amount)).await {
                Refunding::Refunded => {}
                Refunding::Refused(error) => return Ok(Outcome::RefundRefused(id.clone(), error)),
                Refunding::Unknown(unanswered) => return Ok(self.later(order, unanswered)),
            }
            self.reached(Point::Refunded)?;
        }
        if *return_units && !units.is_empty() {
            let returned = self.clients.take_back(&order.id, units, id.clone()).await;
            if let Err(unanswered) = returned {
                return Ok(self.later(order, unanswered));
            }
        }
        Ok(Outcome::Refunded(id.clone()))
    }

    fn later(&self, order: &Order, Unanswered(error): Unanswered) -> Outcome {
        let attempts = order.progress.step.as_ref().map_or(0, |step| step.attempts);
        Outcome::Later { error, wait_us: self.backoff.wait_us(attempts) }
    }
}

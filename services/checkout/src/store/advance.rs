//! Carries an order on: by what came of a step, or by what somebody tells it.

use ::store::{Lookup, Transaction, Unit};

use super::{Done, Taken, Telling, Wire, key, load, tell};
use crate::error::Error;
use crate::order::State;
use crate::saga::{Change, Limits};

/// Takes in what came of what was due.
pub(super) struct Advance {
    /// As it was taken up.
    pub(super) taken: Taken,
    pub(super) done: Done,
    pub(super) wire: Wire,
    pub(super) limits: Limits,
    pub(super) lease_us: i64,
}

impl Unit for Advance {
    const NAME: &'static str = "AdvanceOrder";
    type Output = Option<Taken>;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![key(&self.taken.order.id)]
    }

    fn lookups(&self) -> Vec<Lookup> {
        vec![load::version(&self.taken.order.id)]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Option<Taken>, Error> {
        let (now_us, Taken { order: known, lease, .. }) = (tx.now_us(), &self.taken);
        // Whoever was overtaken, by another replica or by a cancel, has nothing to say any more.
        let over = load::find_version(tx, &known.id).await?;
        let Some(over) = over.filter(|over| over.lease == *lease && over.state == known.state) else { return Ok(None) };
        let mut order = if over.revision == known.revision {
            known.clone()
        } else {
            // It was told something that leaves the step as it is.
            load::load_known(tx, &known.id).await?
        };
        if let Some(wait_us) = self.done.clearing {
            order.take_in_clearing(wait_us, now_us, self.limits);
        }
        let change = match &self.done.step {
            Some(outcome) => order.take_in(outcome.clone(), now_us, self.limits),
            None => Change::None,
        };
        if change != Change::None {
            order.stamp(now_us);
            tell::tell(tx, &order, &change, self.wire, order.placed.traceparent.clone())?;
        }
        order.take_up(now_us);
        // Who has more to do keeps it for as long again; else it is anybody's, when it is due.
        let wake_us =
            if order.due().is_nothing() { order.wake_us() } else { Some(now_us.saturating_add(self.lease_us)) };
        load::save(tx, &order, over, (wake_us, *lease))?;
        Ok(Some(Taken { order, lease: *lease, now_us }))
    }
}

/// Tells an order something, and remembers the answer.
pub(super) struct Tell {
    pub(super) telling: Telling,
    pub(super) wire: Wire,
}

/// What an order answered.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// Encoded.
    pub(crate) answer: Vec<u8>,
    /// The state that it came into.
    pub(crate) entered: Option<State>,
}

impl Unit for Tell {
    const NAME: &'static str = "ChangeOrder";
    type Output = Told;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![key(&self.telling.order), self.telling.request.key()]
    }

    fn lookups(&self) -> Vec<Lookup> {
        vec![self.telling.request.lookup()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Told, Error> {
        let Telling { order, etag, request, command, answer, traceparent } = &self.telling;
        // Before the etag: the first try changed it.
        if let Some(answer) = tx.remembered(request).await? {
            return Ok(Told { answer, entered: None });
        }
        let now_us = tx.now_us();
        let found = load::load(tx, order).await?.ok_or(Error::OrderNotFound)?;
        let (over, before) = (found.version(), &found.order);
        if etag.as_ref().is_some_and(|etag| *etag != before.etag()) {
            return Err(Error::EtagMismatch);
        }
        let mut order = before.clone();
        let change = order.obey(command, now_us).map_err(Error::Refused)?;
        if change != Change::None {
            order.stamp(now_us);
            tell::tell(tx, &order, &change, self.wire, traceparent.clone())?;
        }
        if order != *before {
            // Whoever works on what it was is overtaken; whoever works on what it still is goes on.
            let schedule = if order.is_another_task_than(before) {
                (order.wake_us().map(|wake_us| wake_us.max(now_us)), found.lease + 1)
            } else {
                (found.wake_us, found.lease)
            };
            load::save(tx, &order, over, schedule)?;
        }
        let answer = answer(&order);
        tx.remember(request, &answer)?;
        Ok(Told { answer, entered: (order.state != before.state).then_some(order.state) })
    }
}

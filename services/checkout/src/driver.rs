//! Carries orders on, step by step, in tasks that the service owns: no caller's deadline ends them.
//!
//! An order is worked on by whoever holds its lease. When nothing is due any more the work ends; what is due later is found by
//! [`Driver::look`], here or in another replica, as is what a replica left behind that died.

mod step;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use store::Request;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tracing::Instrument as _;

use crate::clients::Clients;
use crate::error::{Error, unexpected};
use crate::faults::{Faults, Point};
use crate::metrics::Metrics;
use crate::order::{Order, StepKind};
use crate::saga::{Due, Outcome};
use crate::store::{Done, NewOrder, Orders, Placing, Taken, Telling};
use rpc::Capability;

/// Orders that are placed at once; one more is refused before anything is stored.
const PLACING_MAX: usize = 1_024;
/// Orders at once that were found due, or told something.
const TAKEN_UP_MAX: usize = 256;
/// The most orders that one look finds.
pub(crate) const LOOK_MAX: u32 = 64;
/// Between two looks at an order that somebody else carries on.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);
/// Between two tries to write what a step came to.
const WRITE_AGAIN: Duration = Duration::from_millis(100);

/// How long to wait after a step that has to be tried again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) min: Duration,
    pub(crate) max: Duration,
}

/// Carries orders on. Cloning shares everything.
#[derive(Clone, Debug)]
pub(crate) struct Driver<F> {
    orders: Orders,
    clients: Clients,
    backoff: Backoff,
    metrics: Metrics,
    faults: F,
    background: Handle,
    placing: Arc<Semaphore>,
    taken_up: Arc<Semaphore>,
}

/// The work on an order stopped at a point where a test wanted it to.
struct Stopped;

/// An order, and how it goes on here.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) order: Order,
    /// `None`: it is carried on elsewhere, if at all.
    here: Option<watch::Receiver<Order>>,
}

impl Followed {
    /// An order that is not placed by this call.
    pub(crate) fn elsewhere(order: Order) -> Self {
        Self { order, here: None }
    }
}

impl<F: Faults> Driver<F> {
    pub(crate) fn new(
        orders: Orders,
        clients: Clients,
        backoff: Backoff,
        metrics: Metrics,
        faults: F,
        background: Handle,
    ) -> Self {
        let (placing, taken_up) = (Arc::new(Semaphore::new(PLACING_MAX)), Arc::new(Semaphore::new(TAKEN_UP_MAX)));
        Self { orders, clients, backoff, metrics, faults, background, placing, taken_up }
    }

    /// Places an order and begins to carry it on. A caller that gives up stops neither.
    pub(crate) async fn place(&self, new: NewOrder, request: Request) -> Result<Followed, Error> {
        let permit = Arc::clone(&self.placing).try_acquire_owned().map_err(|_full| Error::Overloaded)?;
        let (reply, answer) = oneshot::channel();
        let driver = self.clone();
        self.background.spawn(async move {
            let _permit = permit;
            let (taken, answered) = match driver.orders.place(new, request).await {
                Ok(Placing::Now(taken)) => {
                    driver.metrics.entered(taken.order.state);
                    let (seen, here) = watch::channel(taken.order.clone());
                    let order = taken.order.clone();
                    (Some((taken, seen)), Ok(Followed { order, here: Some(here) }))
                }
                Ok(Placing::Before(order)) => (None, Ok(Followed::elsewhere(order))),
                Err(error) => (None, Err(error)),
            };
            // A caller that is gone has no use for it.
            let _gone = reply.send(answered);
            if let Some((taken, seen)) = taken {
                driver.carry_on(taken, Some(&seen)).await;
            }
        });
        answer.await.unwrap_or_else(|_| Err(unexpected("place an order", "its task ended").into()))
    }

    /// The order once it is confirmed or came to an end, or as it stands at `until`.
    pub(crate) async fn outcome(&self, followed: Followed, until: Instant) -> Order {
        let Followed { mut order, here } = followed;
        if let Some(mut here) = here {
            let settled = timeout_at(until, here.wait_for(|order| order.state.answers_placing())).await;
            if let Ok(Ok(settled)) = settled.map(|seen| seen.map(|order| order.clone())) {
                return settled;
            }
            order = here.borrow().clone();
        }
        while !order.state.answers_placing() && Instant::now() < until {
            sleep_until(until.min(Instant::now() + WATCH_INTERVAL)).await;
            // A database that is away is no outcome.
            if let Ok(Ok(now)) = timeout_at(until, self.orders.get(&order.id)).await {
                order = now;
            }
        }
        order
    }

    /// Tells an order something, and goes on with it at once. The answer is encoded.
    pub(crate) async fn tell(&self, telling: Telling) -> Result<Vec<u8>, Error> {
        let order = telling.order.clone();
        let told = self.orders.tell(telling).await?;
        if let Some(state) = told.entered {
            self.metrics.entered(state);
        }
        if self.faults.reached(Point::Told) {
            return Ok(told.answer);
        }
        // Where all hands are full it is found when it is looked for.
        if let Ok(permit) = Arc::clone(&self.taken_up).try_acquire_owned() {
            let driver = self.clone();
            self.background.spawn(async move {
                // An order that cannot be taken up now is found when it is looked for.
                if let Ok(Some(taken)) = driver.orders.claim(order).await {
                    driver.carry_on(taken, None).await;
                }
                drop(permit);
            });
        }
        Ok(told.answer)
    }

    /// Takes up orders that are due, and says how many it found.
    pub(crate) async fn look(&self) -> Result<u64, Error> {
        let free = u32::try_from(self.taken_up.available_permits()).unwrap_or(u32::MAX).min(LOOK_MAX);
        if free == 0 {
            return Ok(0);
        }
        let due = self.orders.due(free).await?;
        let claimed = join_all(due.into_iter().map(|id| self.claim(id))).await;
        let claimed: Vec<_> = claimed.into_iter().collect::<Result<_, Error>>()?;
        let mut found = 0;
        for (taken, permit) in claimed.into_iter().flatten() {
            found += 1;
            let driver = self.clone();
            self.background.spawn(async move {
                driver.carry_on(taken, None).await;
                drop(permit);
            });
        }
        Ok(found)
    }

    async fn claim(&self, id: Capability) -> Result<Option<(Taken, OwnedSemaphorePermit)>, Error> {
        let Ok(permit) = Arc::clone(&self.taken_up).try_acquire_owned() else { return Ok(None) };
        Ok(self.orders.claim(id).await?.map(|taken| (taken, permit)))
    }

    /// Works on an order until nothing is due, or somebody else has taken it up.
    async fn carry_on(&self, taken: Taken, seen: Option<&watch::Sender<Order>>) {
        let span = tracing::info_span!("order", otel.kind = "internal", order = ?taken.order.id);
        if let Some(traceparent) = &taken.order.placed.traceparent {
            // What goes on from the call that placed it is one trace with it; what is taken up later points there.
            let relate = if seen.is_some() { mesh::telemetry::adopt } else { mesh::telemetry::link };
            relate(&span, traceparent);
        }
        // Whoever stopped it wants it left as it is.
        let _stopped = Box::pin(self.work(taken, seen)).instrument(span).await.is_err();
    }

    async fn work(&self, mut taken: Taken, seen: Option<&watch::Sender<Order>>) -> Result<(), Stopped> {
        // Only who places an order is seen to carry it on.
        self.reached(if seen.is_some() { Point::Placed } else { Point::TakenUp })?;
        let mut ahead = None;
        loop {
            let due = taken.order.due();
            if due.is_nothing() {
                return Ok(());
            }
            let begun = Instant::now();
            let done = match ahead.take() {
                Some(outcome) => Done { step: Some(outcome), clearing: None },
                None => self.done(due, &taken).await?,
            };
            let expected = self.expected(&taken, &done, begun.elapsed());
            let written = async {
                let next = self.write(&taken, done).await?;
                if next.order.state != taken.order.state {
                    self.metrics.entered(next.order.state);
                }
                if let Some(seen) = seen {
                    seen.send_replace(next.order.clone());
                }
                Some(next)
            };
            let next = match &expected {
                None => written.await,
                // It dies with the call made.
                Some((kind, expected)) if self.faults.reached(Point::Ahead(kind.name())) => {
                    self.tried(*kind, expected).await?;
                    return Err(Stopped);
                }
                Some((kind, expected)) => {
                    let (next, outcome) = join(written, self.tried(*kind, expected)).await;
                    ahead = Some(outcome?);
                    next
                }
            };
            let Some(next) = next else { return Ok(()) };
            taken = next;
            // Where it was told something else meanwhile, what was tried is asked for again or undone.
            ahead = ahead.filter(|_| expected.is_some_and(|(kind, _)| taken.order.due().step == Some(kind)));
            self.reached(Point::Written(taken.order.state.name()))?;
        }
    }

    /// Does what is due: the step, and emptying the cart. Neither waits for the other's answer.
    async fn done(&self, due: Due, taken: &Taken) -> Result<Done, Stopped> {
        let step = async {
            let Some(kind) = due.step else { return Ok(None) };
            self.tried(kind, taken).await.map(Some)
        };
        let (step, clearing) = join(step, self.clearing(due.clearing, taken)).await;
        Ok(Done { step: step?, clearing: clearing? })
    }

    async fn tried(&self, kind: StepKind, taken: &Taken) -> Result<Outcome, Stopped> {
        let begun = Instant::now();
        let outcome = self.step(kind, taken).await?;
        self.metrics.step(kind, begun.elapsed(), matches!(outcome, Outcome::Later { .. }));
        Ok(outcome)
    }

    /// The order as it will be once this is written, and its next step, where that may be tried meanwhile: whatever is done
    /// before the sale is undone as a whole, whether it was written that it was the next thing or not.
    fn expected(&self, taken: &Taken, done: &Done, elapsed: Duration) -> Option<(StepKind, Taken)> {
        let outcome = done.step.as_ref()?;
        let elapsed_us = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX);
        let (mut order, now_us) = (taken.order.clone(), taken.now_us.saturating_add(elapsed_us));
        order.take_in(outcome.clone(), now_us, self.orders.limits());
        let kind = order.due().step.filter(|kind| kind.may_be_ahead())?;
        Some((kind, Taken { order, lease: taken.lease, now_us }))
    }

    /// Writes what a step came to, for as long as the lease is sure to hold. `None`: it is somebody else's now.
    async fn write(&self, taken: &Taken, done: Done) -> Option<Taken> {
        let lease = Duration::from_micros(self.orders.lease_us().unsigned_abs());
        let until = Instant::now() + lease / 2;
        loop {
            match self.orders.advance(taken, done.clone()).await {
                Ok(next) => return next,
                Err(error) if Instant::now() >= until => {
                    // Every step may be repeated, so whoever takes it up next finds out.
                    tracing::warn!(error = store::chain(&error), "what a step came to is not written");
                    return None;
                }
                Err(_) => sleep(WRITE_AGAIN).await,
            }
        }
    }

    fn reached(&self, point: Point) -> Result<(), Stopped> {
        if self.faults.reached(point) { Err(Stopped) } else { Ok(()) }
    }
}

impl Backoff {
    /// The wait after as many tries as these before, a quarter more or less. Microseconds.
    fn wait_us(self, attempts: u32) -> i64 {
        let grown = self.min.saturating_mul(2_u32.saturating_pow(attempts.min(30))).min(self.max);
        let spread = grown.mul_f64(0.75 + fastrand::f64() / 2.0);
        i64::try_from(spread.as_micros()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_backoff_grows_and_stays_within_its_bounds(attempts in 0..u32::MAX) {
            let backoff = Backoff { min: Duration::from_millis(200), max: Duration::from_secs(60) };
            let wait_us = backoff.wait_us(attempts);
            prop_assert!((150_000..=75_000_000).contains(&wait_us));
            prop_assert!(attempts < 10 || wait_us >= 45_000_000);
        }
    }
}

//! A queued unit, without its type.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tracing::{Instrument as _, Span};

use crate::error::{Error, because};
use crate::together::Lookup;
use crate::transaction::{Fault, Transaction};
use crate::unit::Unit;

/// What the writer does with a unit.
pub(crate) trait Job: Send {
    fn name(&self) -> &'static str;

    fn span(&self) -> &Span;

    fn keys(&self) -> &[String];

    /// What it will look up.
    fn lookups(&self) -> Vec<Lookup>;

    /// Runs the unit and keeps its outcome; true if it succeeded. May be called again.
    fn run<'a>(&'a mut self, tx: &'a mut Transaction) -> BoxFuture<'a, bool>;

    /// Sends the outcome, or this error in its place.
    fn answer(self: Box<Self>, error: Option<&Error>);
}

/// A unit, its outcome, and who waits for it.
pub(crate) struct Pending<U: Unit> {
    unit: U,
    keys: Vec<String>,
    outcome: Option<Result<U::Output, U::Error>>,
    reply: oneshot::Sender<Result<U::Output, U::Error>>,
    span: Span,
}

impl<U: Unit> Pending<U> {
    pub(crate) fn new(unit: U, reply: oneshot::Sender<Result<U::Output, U::Error>>, span: Span) -> Self {
        Self { keys: unit.keys(), unit, outcome: None, reply, span }
    }
}

impl<U: Unit> Job for Pending<U> {
    fn name(&self) -> &'static str {
        U::NAME
    }

    fn span(&self) -> &Span {
        &self.span
    }

    fn keys(&self) -> &[String] {
        &self.keys
    }

    fn lookups(&self) -> Vec<Lookup> {
        self.unit.lookups()
    }

    fn run<'a>(&'a mut self, tx: &'a mut Transaction) -> BoxFuture<'a, bool> {
        let Self { unit, outcome, span, .. } = self;
        *outcome = None;
        let work = async move {
            // A panic is one failed call: the transaction does not outlive it, and the unit is not used again.
            let done = AssertUnwindSafe(unit.run(tx)).catch_unwind().await;
            let result = match done {
                Ok(Ok(_)) if tx.fault.is_some() => {
                    let source = because("the unit ignored a failed statement");
                    Err(Error::Internal { attempted: U::NAME, source }.into())
                }
                Ok(result) => result,
                Err(_panic) => Err(Error::Internal { attempted: U::NAME, source: because("the unit panicked") }.into()),
            };
            if result.is_err() && tx.raw.is_none() && tx.fault.is_none() {
                // A statement was dropped half way: the connection is in the middle of something.
                tx.fault = Some(Fault::Lost(because("a unit dropped a statement while it ran")));
            }
            let succeeded = result.is_ok();
            *outcome = Some(result);
            succeeded
        };
        work.instrument(span.clone()).boxed()
    }

    fn answer(self: Box<Self>, error: Option<&Error>) {
        let result = match (error, self.outcome) {
            (Some(error), _) => Err(error.clone().into()),
            (None, Some(outcome)) => outcome,
            (None, None) => Err(Error::Closed { attempted: U::NAME }.into()),
        };
        // The caller may have given up; the unit is committed all the same.
        drop(self.reply.send(result));
    }
}

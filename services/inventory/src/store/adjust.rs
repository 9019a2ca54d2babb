//! Changes what was received: all lines or none.

use std::sync::Arc;

use ::store::{Lookup, Request, Transaction, Unit};

use super::{Outlet, hold, level};
use crate::error::{Error, Preconditions};
use crate::stock::{Change, ProductId, RECEIVED_MAX};

/// Changes what was received.
#[derive(Clone)]
pub(super) struct Adjust {
    pub(super) outlet: Outlet,
    /// Each of another product.
    pub(super) lines: Arc<[(ProductId, Change)]>,
    pub(super) request: Request,
}

/// What became of it.
pub(super) enum Adjusted {
    /// The answer to give, and the products that changed now.
    Done { answer: Vec<u8>, changed: Vec<ProductId> },
    /// Lines that cannot be, and whether units may be held longer than they should.
    Refused { refused: Preconditions, overdue: bool },
}

impl Unit for Adjust {
    const NAME: &'static str = "AdjustStock";
    type Output = Adjusted;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        self.lines.iter().map(|(product, _)| level::key(product)).chain([self.request.key()]).collect()
    }

    fn lookups(&self) -> Vec<Lookup> {
        vec![self.request.lookup(), self.held()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Adjusted, Error> {
        if let Some(answer) = tx.remembered(&self.request).await? {
            return Ok(Adjusted::Done { answer, changed: Vec::new() });
        }
        let hold::Held { mut levels, .. } = hold::load(tx, None, &self.held()).await?;
        let now_us = tx.now_us();
        let mut refused = Preconditions::default();
        for (index, (product, change)) in self.lines.iter().enumerate() {
            let old = levels.get(product);
            match old.adjusted(*change) {
                None => refused.add(format!("lines[{index}]"), why(*change)),
                // A product is known from its first line on, also one that says that there is nothing of it.
                Some(new) if new != old || !old.is_known() => levels.set(product, new, now_us),
                Some(_) => {}
            }
        }
        if let Err(refused) = refused.check() {
            return Ok(Adjusted::Refused { refused, overdue: hold::any_overdue(tx).await? });
        }
        let stock = self.lines.iter().map(|(product, _)| (product.clone(), levels.get(product)));
        let answer = (self.outlet.wire.adjusted)(&stock.collect::<Vec<_>>());
        let changed = levels.save(tx, &self.outlet)?;
        tx.remember(&self.request, &answer)?;
        Ok(Adjusted::Done { answer, changed })
    }
}

impl Adjust {
    /// What finds the levels.
    fn held(&self) -> Lookup {
        hold::lookup(None, self.lines.iter().map(|(product, _)| product))
    }
}

fn why(change: Change) -> String {
    match change {
        Change::Delta(delta) if delta > 0 => format!("more than {RECEIVED_MAX} would be received"),
        Change::Delta(_) => "less than nothing would be on hand".to_owned(),
        Change::Received(_) => "less was received than is reserved and sold".to_owned(),
    }
}

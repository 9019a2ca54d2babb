//! Takes sold units of an order back.

use ::store::{Lookup, Request, Transaction, Unit};

use super::{Outlet, hold, level};
use crate::error::{Error, Preconditions};
use crate::reservation::{Excess, OrderId, State, Units};
use crate::stock::{Move, ProductId};

/// Takes units back.
pub(super) struct Restock {
    pub(super) outlet: Outlet,
    pub(super) order: OrderId,
    /// Each of another product; none means all that are left.
    pub(super) units: Vec<Units>,
    /// The products of the reservation, as far as they are known.
    pub(super) products: Vec<ProductId>,
    pub(super) request: Request,
}

/// What became of it.
pub(super) enum Restocked {
    /// The answer to give, and the products that changed now.
    Done { answer: Vec<u8>, changed: Vec<ProductId> },
    /// The reservation has other products than those that were locked: these.
    Unplanned(Vec<ProductId>),
}

impl Unit for Restock {
    const NAME: &'static str = "ReturnStock";
    type Output = Restocked;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        let own = [hold::key(&self.order), self.request.key()];
        self.products.iter().map(level::key).chain(own).collect()
    }

    fn lookups(&self) -> Vec<Lookup> {
        vec![self.request.lookup(), self.held()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Restocked, Error> {
        if let Some(answer) = tx.remembered(&self.request).await? {
            return Ok(Restocked::Done { answer, changed: Vec::new() });
        }
        let hold::Held { reservation, mut levels } = hold::load(tx, Some(&self.order), &self.held()).await?;
        let now_us = tx.now_us();
        let sold = reservation.ok_or(Error::ReservationNotFound)?;
        if sold.state != State::Committed {
            return Err(Error::NotCommitted);
        }
        if !levels.cover(sold.lines.iter().map(|line| &line.product)) {
            return Ok(Restocked::Unplanned(sold.products()));
        }
        let units = if self.units.is_empty() { sold.outstanding() } else { self.units.clone() };
        let mut returned = sold.clone().returned(&units).map_err(|excess| refused(&excess))?;
        for Units { product, quantity } in &units {
            levels.r#move(product, Move::TakeBack, *quantity, now_us)?;
        }
        if !units.is_empty() {
            returned = returned.become_at(State::Committed, now_us);
            hold::give_back(tx, &sold, &returned)?;
        }
        let changed = levels.save(tx, &self.outlet)?;
        let answer = (self.outlet.wire.restocked)(&returned);
        tx.remember(&self.request, &answer)?;
        Ok(Restocked::Done { answer, changed })
    }
}

impl Restock {
    /// What finds the reservation and the levels.
    fn held(&self) -> Lookup {
        hold::lookup(Some(&self.order), &self.products)
    }
}

fn refused(excess: &Excess) -> Error {
    let mut refused = Preconditions::default();
    for (index, left) in excess {
        refused.add(format!("lines[{index}]"), format!("of this product {left} of the order can still come back"));
    }
    Error::ReturnExceedsSold(refused)
}

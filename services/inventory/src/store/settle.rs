//! Commit, release and expiry: whichever comes first ends the reservation, and the others are told which it was.

use ::store::{Lookup, Transaction, Unit};

use super::{Outlet, hold, level};
use crate::error::Error;
use crate::reservation::{OrderId, Reservation, State};
use crate::stock::{Move, ProductId};

/// How somebody wishes an active reservation to end. One whose time is over ends as expired, whatever the wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Commit,
    /// Where there is no reservation, none will ever be.
    Release,
    /// Only if its time is over.
    Expire,
}

/// Ends a reservation.
pub(super) struct Settle {
    pub(super) outlet: Outlet,
    pub(super) order: OrderId,
    /// The products of its lines, as far as they are known.
    pub(super) products: Vec<ProductId>,
    pub(super) wish: Wish,
}

/// What became of it.
pub(super) enum Settled {
    /// It ended now.
    Changed(Reservation),
    /// Nothing changed: this is how it stands, if there is one.
    As(Option<Reservation>),
    /// It has other products than those that were locked: these.
    Unplanned(Vec<ProductId>),
}

impl Unit for Settle {
    const NAME: &'static str = "SettleReservation";
    type Output = Settled;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        self.products.iter().map(level::key).chain([hold::key(&self.order)]).collect()
    }

    fn lookups(&self) -> Vec<Lookup> {
        vec![self.held()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Settled, Error> {
        let hold::Held { reservation, mut levels } = hold::load(tx, Some(&self.order), &self.held()).await?;
        let now_us = tx.now_us();
        let Some(reservation) = reservation else {
            return self.unseen(tx, now_us);
        };
        let state = match self.wish {
            _ if reservation.state != State::Active => return Ok(Settled::As(Some(reservation))),
            _ if reservation.is_overdue(now_us) => State::Expired,
            Wish::Commit => State::Committed,
            Wish::Release => State::Released,
            Wish::Expire => return Ok(Settled::As(Some(reservation))),
        };
        if !levels.cover(reservation.lines.iter().map(|line| &line.product)) {
            return Ok(Settled::Unplanned(reservation.products()));
        }
        let r#move = if state == State::Committed { Move::Sell } else { Move::Free };
        for line in &reservation.lines {
            levels.r#move(&line.product, r#move, line.quantity, now_us)?;
        }
        let reservation = reservation.become_at(state, now_us);
        hold::settle(tx, &reservation)?;
        levels.save(tx, &self.outlet)?;
        Ok(Settled::Changed(reservation))
    }
}

impl Settle {
    /// What finds the reservation and the levels.
    fn held(&self) -> Lookup {
        hold::lookup(Some(&self.order), &self.products)
    }

    /// A release that came before its reservation closes the order.
    fn unseen(&self, tx: &mut Transaction, now_us: i64) -> Result<Settled, Error> {
        if self.wish != Wish::Release {
            return Ok(Settled::As(None));
        }
        let closed = Reservation {
            order: self.order.clone(),
            state: State::Released,
            lines: Vec::new(),
            create_us: now_us,
            update_us: now_us,
            expire_us: None,
        };
        hold::insert(tx, &closed)?;
        Ok(Settled::Changed(closed))
    }
}

//! Reserves an order's units: all of them or none.

use std::sync::Arc;

use ::store::{Lookup, Transaction, Unit};

use super::{Outlet, hold, level};
use crate::error::{Error, Preconditions};
use crate::reservation::{Line, OrderId, Reservation, State, Units};
use crate::stock::Move;

/// Makes a reservation.
#[derive(Clone)]
pub(super) struct Reserve {
    pub(super) outlet: Outlet,
    pub(super) order: OrderId,
    /// Each of another product.
    pub(super) lines: Arc<[Units]>,
    pub(super) ttl_us: i64,
}

/// What became of it.
pub(super) enum Reserved {
    /// It was made now.
    Made(Reservation),
    /// It was there.
    Already(Reservation),
    /// It was there and its time is over; it has yet to be ended.
    Overdue,
    /// There are too few units, and whether some may be held longer than they should.
    Short { short: Preconditions, overdue: bool },
}

impl Unit for Reserve {
    const NAME: &'static str = "ReserveStock";
    type Output = Reserved;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        self.lines.iter().map(|units| level::key(&units.product)).chain([hold::key(&self.order)]).collect()
    }

    fn lookups(&self) -> Vec<Lookup> {
        vec![self.held()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Reserved, Error> {
        let hold::Held { reservation, mut levels } = hold::load(tx, Some(&self.order), &self.held()).await?;
        let now_us = tx.now_us();
        if let Some(reservation) = reservation {
            return self.repeated(reservation, now_us);
        }
        let mut short = Preconditions::default();
        for Units { product, quantity } in &*self.lines {
            let level = levels.get(product);
            match level.moved(Move::Reserve, *quantity) {
                Some(level) => levels.set(product, level, now_us),
                None if level.is_known() => {
                    short.add(format!("products/{product}"), format!("{quantity} wanted, {} on hand", level.on_hand));
                }
                None => short.add(format!("products/{product}"), "none of it was ever received"),
            }
        }
        if let Err(short) = short.check() {
            return Ok(Reserved::Short { short, overdue: hold::any_overdue(tx).await? });
        }
        let line =
            |Units { product, quantity }: &Units| Line { product: product.clone(), quantity: *quantity, returned: 0 };
        let reservation = Reservation {
            order: self.order.clone(),
            state: State::Active,
            lines: self.lines.iter().map(line).collect(),
            create_us: now_us,
            update_us: now_us,
            expire_us: Some(now_us.saturating_add(self.ttl_us)),
        };
        hold::insert(tx, &reservation)?;
        levels.save(tx, &self.outlet)?;
        Ok(Reserved::Made(reservation))
    }
}

impl Reserve {
    /// What finds the reservation and the levels.
    fn held(&self) -> Lookup {
        hold::lookup(Some(&self.order), self.lines.iter().map(|units| &units.product))
    }

    fn repeated(&self, reservation: Reservation, now_us: i64) -> Result<Reserved, Error> {
        match reservation.state {
            State::Released | State::Expired => Err(Error::ReservationClosed),
            State::Active if reservation.is_overdue(now_us) => Ok(Reserved::Overdue),
            State::Active | State::Committed if reservation.is_of(&self.lines) => Ok(Reserved::Already(reservation)),
            State::Active | State::Committed => Err(Error::ReservationMismatch),
        }
    }
}

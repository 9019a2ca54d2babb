//! Places an order, once for each request.

use ::store::{Lookup, Request, Transaction, Unit};

use super::{NewOrder, Placing, Taken, key, load, row};
use crate::error::Error;
use crate::order::Order;

/// Places an order, and takes it up.
pub(super) struct Place {
    pub(super) new: NewOrder,
    pub(super) request: Request,
    pub(super) lease_us: i64,
}

impl Unit for Place {
    const NAME: &'static str = "PlaceOrder";
    type Output = Placing;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![key(&self.new.id), self.request.key()]
    }

    fn lookups(&self) -> Vec<Lookup> {
        vec![self.request.lookup()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Placing, Error> {
        if let Some(order) = placed(tx, &self.request).await? {
            return Ok(Placing::Before(order));
        }
        let NewOrder { id, placed, card_token } = self.new.clone();
        let now_us = tx.now_us();
        let (order, lease) = (Order::new(id, placed, card_token, now_us), 1);
        load::insert(tx, &order, now_us.saturating_add(self.lease_us), lease)?;
        tx.remember(&self.request, order.id.as_str().as_bytes())?;
        Ok(Placing::Now(Taken { order, lease, now_us }))
    }
}

/// Finds the order that a request placed. A unit, so that it waits for a try that is being written.
pub(super) struct Seek {
    pub(super) request: Request,
}

impl Unit for Seek {
    const NAME: &'static str = "FindPlacedOrder";
    type Output = Option<Order>;
    type Error = Error;

    fn keys(&self) -> Vec<String> {
        vec![self.request.key()]
    }

    fn lookups(&self) -> Vec<Lookup> {
        vec![self.request.lookup()]
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Option<Order>, Error> {
        placed(tx, &self.request).await
    }
}

async fn placed(tx: &mut Transaction, request: &Request) -> Result<Option<Order>, Error> {
    let Some(answer) = tx.remembered(request).await? else { return Ok(None) };
    let id = row::id(&String::from_utf8_lossy(&answer))?;
    load::load_known(tx, &id).await.map(Some)
}

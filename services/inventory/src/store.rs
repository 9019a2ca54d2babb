//! Stock and reservations in their database: every read and every write.
//!
//! A write that follows a reservation has to lock the products of its lines, and the request names only the order. So it is
//! planned: the products are looked up first, the unit that locks them looks whether they are still all, and says so where
//! they are not. The lines of a reservation never change, so that happens at most when it was made in between.

mod adjust;
pub mod audit;
mod feed;
mod follow;
mod hold;
mod level;
mod read;
mod reserve;
mod restock;
mod row;
mod settle;

use std::sync::Arc;

use ::store::feed::Message;
use ::store::{Migration, Request, Store, WatchError, migration};
use futures_util::Stream;
use futures_util::future::join_all;

use crate::cache::Cache;
use crate::error::{Error, unexpected};
use crate::reservation::{OrderId, Reservation, Units};
use crate::stock::{Change, Level, ProductId};

pub(crate) use follow::follow;

use adjust::Adjusted;
use reserve::Reserved;
use restock::Restocked;
use settle::{Settled, Wish};

/// The schema of this service.
pub(crate) const MIGRATIONS: &[Migration] =
    &[migration!(1, "0001_inventory"), migration!(2, "0002_rows_in_order_of_insertion")];

/// The most expired reservations that one search finds.
pub(crate) const OVERDUE_MAX: u32 = 64;
/// Times a write is planned. Once is enough, but where its reservation is made meanwhile; that happens once.
const PLANS_MAX: usize = 3;
/// Reservations whose products are kept in memory until they end, some 200 bytes each.
const PLANS_KEPT: usize = 4_096;
/// Times that somebody who is short of units looks for some that are held too long, before the answer is no.
const SWEEPS_MAX: usize = 4;

/// How things are written for others; the composing file joins it with the contract.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire {
    /// Encodes the event that a stock changed.
    pub(crate) changed: fn(&ProductId, &Level) -> Vec<u8>,
    /// The full name of that event.
    pub(crate) changed_type: &'static str,
    /// Encodes the answer to a change of what was received.
    pub(crate) adjusted: fn(&[(ProductId, Level)]) -> Vec<u8>,
    /// Encodes the answer to a return.
    pub(crate) restocked: fn(&Reservation) -> Vec<u8>,
}

/// What a write goes out with: how events are encoded, and the trace of the call that makes it.
#[derive(Clone, Debug)]
pub(crate) struct Outlet {
    wire: Wire,
    traceparent: Option<String>,
}

/// Stock and reservations.
#[derive(Clone, Debug)]
pub(crate) struct Inventory {
    store: Store,
    wire: Wire,
    cache: Arc<Cache>,
    /// The products of reservations that were made here lately, which never change.
    plans: Arc<quick_cache::sync::Cache<OrderId, Vec<ProductId>>>,
}

/// What became of a reservation that somebody wished to end.
type Ended = Result<Option<Reservation>, Error>;

impl Inventory {
    pub(crate) fn new(store: Store, wire: Wire, cache: Arc<Cache>) -> Self {
        Self { store, wire, cache, plans: Arc::new(quick_cache::sync::Cache::new(PLANS_KEPT)) }
    }

    /// The levels of these products, in their order.
    pub(crate) async fn levels(&self, products: Vec<ProductId>) -> Result<Vec<(ProductId, Level)>, Error> {
        let mut known: Vec<Option<Level>> = products.iter().map(|product| self.cache.get(product)).collect();
        let unknown = products.iter().zip(&known).filter(|(_, known)| known.is_none());
        let unknown: Vec<_> = unknown.map(|(product, _)| (product.clone(), self.cache.generation(product))).collect();
        if !unknown.is_empty() {
            let ids: Vec<ProductId> = unknown.iter().map(|(product, _)| product.clone()).collect();
            let found = self.store.read("GetStock", move |connection| read::levels(connection, ids)).await?;
            let missing = known.iter_mut().filter(|known| known.is_none());
            for ((product, generation), known) in unknown.iter().zip(missing) {
                let level = found.get(product).copied().unwrap_or_default();
                self.cache.keep(product, *generation, level);
                *known = Some(level);
            }
        }
        Ok(products.into_iter().zip(known.into_iter().map(Option::unwrap_or_default)).collect())
    }

    /// Changes what was received, or gives the first answer to this request again, encoded.
    pub(crate) async fn adjust(
        &self,
        lines: Vec<(ProductId, Change)>,
        request: Request,
        traceparent: Option<String>,
    ) -> Result<Vec<u8>, Error> {
        let unit = adjust::Adjust { outlet: self.outlet(traceparent), lines: lines.into(), request };
        let mut sweeps = 0;
        loop {
            match self.store.write(unit.clone()).await? {
                Adjusted::Done { answer, changed } => {
                    self.cache.forget(&changed);
                    return Ok(answer);
                }
                Adjusted::Refused { overdue: true, .. } if sweeps < SWEEPS_MAX => sweeps += 1,
                Adjusted::Refused { refused, .. } => return Err(Error::OutOfRange(refused)),
            }
            self.sweep().await?;
        }
    }

    /// Reserves an order's units for so long, or gives the reservation as it is.
    pub(crate) async fn reserve(
        &self,
        order: &OrderId,
        lines: Vec<Units>,
        ttl_us: i64,
        traceparent: Option<String>,
    ) -> Result<Reservation, Error> {
        let outlet = self.outlet(traceparent.clone());
        let unit = reserve::Reserve { outlet, order: order.clone(), lines: lines.into(), ttl_us };
        let mut sweeps = 0;
        loop {
            match self.store.write(unit.clone()).await? {
                Reserved::Made(reservation) => {
                    self.cache.forget(reservation.lines.iter().map(|line| &line.product));
                    self.plans.insert(order.clone(), reservation.products());
                    return Ok(reservation);
                }
                Reserved::Already(reservation) => return Ok(reservation),
                Reserved::Overdue => {
                    self.end(order, Wish::Expire, traceparent).await?;
                    return Err(Error::ReservationClosed);
                }
                Reserved::Short { overdue: true, .. } if sweeps < SWEEPS_MAX => sweeps += 1,
                Reserved::Short { short, .. } => return Err(Error::Insufficient(short)),
            }
            self.sweep().await?;
        }
    }

    /// Sells what an order reserved; gives what became of it, and nothing where there is no reservation.
    pub(crate) async fn commit(&self, order: &OrderId, traceparent: Option<String>) -> Ended {
        self.end(order, Wish::Commit, traceparent).await
    }

    /// Gives up what an order reserved, or what it may yet try to; gives what became of it.
    pub(crate) async fn release(&self, order: &OrderId, traceparent: Option<String>) -> Ended {
        self.end(order, Wish::Release, traceparent).await
    }

    /// Takes sold units back, all where none are named, or gives the first answer to this request again, encoded.
    pub(crate) async fn restock(
        &self,
        order: &OrderId,
        units: Vec<Units>,
        request: Request,
        traceparent: Option<String>,
    ) -> Result<Vec<u8>, Error> {
        let mut products = self.plan(order).await?;
        for _ in 0..PLANS_MAX {
            let (outlet, order) = (self.outlet(traceparent.clone()), order.clone());
            let unit = restock::Restock { outlet, order, units: units.clone(), products, request: request.clone() };
            match self.store.write(unit).await? {
                Restocked::Done { answer, changed } => {
                    self.cache.forget(&changed);
                    return Ok(answer);
                }
                Restocked::Unplanned(held) => products = held,
            }
        }
        Err(unexpected("ReturnStock", "the lines of the reservation changed").into())
    }

    /// The feed from this cursor on; empty: from a snapshot on.
    pub(crate) async fn watch(
        &self,
        cursor: &str,
    ) -> Result<impl Stream<Item = Result<Message, WatchError>> + Send + use<>, Error> {
        let wire = self.wire;
        let watch = self.store.watch(cursor, move |connection, after| feed::states(connection, wire, after)).await?;
        Ok(watch.into_stream())
    }

    /// Ends reservations whose time is over, the oldest first, at most [`OVERDUE_MAX`]; how many it found.
    pub(crate) async fn sweep(&self) -> Result<u64, Error> {
        let overdue = self.store.read("ExpireReservations", read::overdue).await?;
        let found = overdue.len() as u64;
        // Together, so that they share commits. Each is decided by its own row: another replica may be doing the same.
        let ends = overdue.into_iter().map(|(order, products)| async move {
            self.end_planned(&order, products, Wish::Expire, None).await.map(drop)
        });
        join_all(ends).await.into_iter().collect::<Result<(), Error>>()?;
        Ok(found)
    }

    async fn end(&self, order: &OrderId, wish: Wish, traceparent: Option<String>) -> Ended {
        let products = self.plan(order).await?;
        self.end_planned(order, products, wish, traceparent).await
    }

    async fn end_planned(
        &self,
        order: &OrderId,
        mut products: Vec<ProductId>,
        wish: Wish,
        traceparent: Option<String>,
    ) -> Ended {
        for _ in 0..PLANS_MAX {
            let (outlet, order) = (self.outlet(traceparent.clone()), order.clone());
            match self.store.write(settle::Settle { outlet, order, products, wish }).await? {
                Settled::Changed(reservation) => {
                    self.cache.forget(reservation.lines.iter().map(|line| &line.product));
                    return Ok(Some(reservation));
                }
                Settled::As(reservation) => return Ok(reservation),
                Settled::Unplanned(held) => products = held,
            }
        }
        Err(unexpected("SettleReservation", "the lines of the reservation changed").into())
    }

    /// The products of an order's reservation, as it is now; none where there is no reservation.
    async fn plan(&self, order: &OrderId) -> Result<Vec<ProductId>, Error> {
        if let Some((_, products)) = self.plans.remove(order) {
            return Ok(products);
        }
        let order = order.clone();
        self.store.read("PlanReservation", move |connection| read::products(connection, order)).await
    }

    fn outlet(&self, traceparent: Option<String>) -> Outlet {
        Outlet { wire: self.wire, traceparent }
    }
}

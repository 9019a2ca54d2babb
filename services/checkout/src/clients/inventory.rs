//! The inventory as checkout sees it: units that are held, sold, given up and taken back.

use contracts::inventory::v1 as pb;
use prost_types::Duration;
use tonic_types::StatusExt as _;

use super::{Clients, Unanswered, incomplete, reason, unanswered};
use crate::order::{Line, Units};
use rpc::Capability;

/// What came of holding units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reserving {
    Held,
    /// These products have too few, the first 20 of them.
    Short(Vec<String>),
    /// The order gave up its reservation, or its time is over.
    Closed,
    Unknown(Unanswered),
}

/// What came of selling what is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Committing {
    Sold,
    /// It is not held any more.
    Closed,
    Unknown(Unanswered),
}

/// What came of giving up what is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    Closed,
    /// It was sold before.
    Sold,
    Unknown(Unanswered),
}

impl Clients {
    /// Holds an order's units for so long.
    pub(crate) async fn reserve(&self, order: &Capability, lines: &[Line], ttl_us: i64) -> Reserving {
        let nanos = i32::try_from(ttl_us % 1_000_000 * 1_000).unwrap_or_default();
        let request = pb::ReserveStockRequest {
            order_id: order.as_str().to_owned(),
            lines: lines.iter().map(|line| stock(&line.product, line.quantity)).collect(),
            ttl: Some(Duration { seconds: ttl_us / 1_000_000, nanos }),
        };
        let Err(status) = self.inventory.clone().reserve_stock(request).await else { return Reserving::Held };
        match reason(&status).as_str() {
            "INSUFFICIENT_STOCK" => {
                let details = status.get_error_details();
                let short = details.precondition_failure().map(|found| found.violations.as_slice()).unwrap_or_default();
                let product = |subject: &str| subject.strip_prefix("products/").map(str::to_owned);
                Reserving::Short(short.iter().filter_map(|found| product(&found.subject)).take(20).collect())
            }
            "RESERVATION_CLOSED" => Reserving::Closed,
            _ => Reserving::Unknown(unanswered(&status)),
        }
    }

    /// Sells what an order holds.
    pub(crate) async fn commit(&self, order: &Capability) -> Committing {
        let request = pb::CommitReservationRequest { order_id: order.as_str().to_owned() };
        match self.inventory.clone().commit_reservation(request).await {
            Ok(answer) => match state(answer.into_inner().reservation) {
                pb::ReservationState::Committed => Committing::Sold,
                pb::ReservationState::Released | pb::ReservationState::Expired => Committing::Closed,
                pb::ReservationState::Active | pb::ReservationState::Unspecified => Committing::Unknown(incomplete()),
            },
            Err(status) if reason(&status) == "RESERVATION_NOT_FOUND" => Committing::Closed,
            Err(status) => Committing::Unknown(unanswered(&status)),
        }
    }

    /// Gives up what an order holds, or may yet try to hold.
    pub(crate) async fn release(&self, order: &Capability) -> Closing {
        let request = pb::ReleaseReservationRequest { order_id: order.as_str().to_owned() };
        match self.inventory.clone().release_reservation(request).await {
            Ok(answer) => match state(answer.into_inner().reservation) {
                pb::ReservationState::Released | pb::ReservationState::Expired => Closing::Closed,
                pb::ReservationState::Committed => Closing::Sold,
                pb::ReservationState::Active | pb::ReservationState::Unspecified => Closing::Unknown(incomplete()),
            },
            Err(status) => Closing::Unknown(unanswered(&status)),
        }
    }

    /// Takes sold units of an order back; all that are left where none are named.
    pub(crate) async fn take_back(
        &self,
        order: &Capability,
        units: &[Units],
        request_id: String,
    ) -> Result<(), Unanswered> {
        let request = pb::ReturnStockRequest {
            order_id: order.as_str().to_owned(),
            lines: units.iter().map(|units| stock(&units.product, units.quantity)).collect(),
            request_id,
        };
        self.inventory.clone().return_stock(request).await.map(drop).map_err(|status| unanswered(&status))
    }
}

fn state(reservation: Option<pb::Reservation>) -> pb::ReservationState {
    reservation.map(|reservation| reservation.state()).unwrap_or_default()
}

fn stock(product: &str, quantity: u32) -> pb::StockLine {
    pb::StockLine { product_id: product.to_owned(), quantity: i32::try_from(quantity).unwrap_or(i32::MAX) }
}

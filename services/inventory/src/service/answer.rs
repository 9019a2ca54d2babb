//! Answers in the contract's terms.

use contracts::inventory::v1 as pb;
use prost::Message as _;
use rpc::timestamp;

use crate::reservation::{Line, Reservation, State};
use crate::stock::{Level, ProductId};
use crate::store::Wire;

/// How things are written for others.
pub(crate) const WIRE: Wire = Wire {
    changed: |product, level| pb::StockChanged { stock: Some(stock(product, level)) }.encode_to_vec(),
    changed_type: "souk.inventory.v1.StockChanged",
    adjusted: |levels| {
        let stock = levels.iter().map(|(product, level)| stock(product, level)).collect();
        pb::AdjustStockResponse { stock }.encode_to_vec()
    },
    restocked: |held| pb::ReturnStockResponse { reservation: Some(reservation(held)) }.encode_to_vec(),
};

pub(super) fn batch(levels: &[(ProductId, Level)]) -> pb::BatchGetStockResponse {
    let mut answer = pb::BatchGetStockResponse::default();
    for (product, level) in levels {
        if level.is_known() {
            answer.stock.push(stock(product, level));
        } else {
            answer.missing_product_ids.push(product.to_string());
        }
    }
    answer
}

pub(super) fn stock(product: &ProductId, level: &Level) -> pb::StockLevel {
    pb::StockLevel {
        product_id: product.to_string(),
        on_hand: level.on_hand,
        reserved: level.reserved,
        sold: level.sold,
        received: level.received,
        update_time: Some(timestamp(level.update_us)),
        revision: i64::try_from(level.revision).unwrap_or(i64::MAX),
    }
}

pub(super) fn reservation(reservation: &Reservation) -> pb::Reservation {
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let line = |line: &Line| pb::ReservationLine {
        product_id: line.product.to_string(),
        quantity: number(line.quantity),
        returned_quantity: number(line.returned),
    };
    pb::Reservation {
        order_id: reservation.order.as_str().to_owned(),
        state: state(reservation.state).into(),
        lines: reservation.lines.iter().map(line).collect(),
        create_time: Some(timestamp(reservation.create_us)),
        update_time: Some(timestamp(reservation.update_us)),
        expire_time: reservation.expire_us.map(timestamp),
    }
}

fn state(state: State) -> pb::ReservationState {
    match state {
        State::Active => pb::ReservationState::Active,
        State::Committed => pb::ReservationState::Committed,
        State::Released => pb::ReservationState::Released,
        State::Expired => pb::ReservationState::Expired,
    }
}

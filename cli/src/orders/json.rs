//! Orders for scripts, with the contract's names: amounts as text, times in RFC 3339.

use contracts::checkout::v1::{
    Address, Order, OrderAmounts, OrderLine, OrderRefund, OrderStep, OrderSummary, OrderSummaryLine,
};
use prost_types::Timestamp;
use serde_json::{Value, json};

use super::text::{money, state};

pub(super) fn summaries(orders: &[OrderSummary]) -> Vec<Value> {
    orders.iter().map(summary).collect()
}

fn summary(order: &OrderSummary) -> Value {
    let line = |line: &OrderSummaryLine| {
        json!({
            "product_id": line.product_id,
            "quantity": line.quantity,
            "unit_price": money(line.unit_price.as_ref()),
            "refunded_quantity": line.refunded_quantity,
        })
    };
    json!({
        "order_id": order.order_id,
        "state": state(order.state()),
        "lines": order.lines.iter().map(line).collect::<Vec<_>>(),
        "amounts": amounts(order.amounts.as_ref()),
        "refunded_amount": money(order.refunded_amount.as_ref()),
        "failure_reason": order.failure_reason().as_str_name().trim_start_matches("ORDER_FAILURE_REASON_"),
        "cancel_requested": order.cancel_requested,
        "step": step(order.step.as_ref()),
        "create_time": time(order.create_time.as_ref()),
        "update_time": time(order.update_time.as_ref()),
        "revision": order.revision,
    })
}

/// One order, whole.
pub(super) fn order(order: &Order) -> Value {
    let line = |line: &OrderLine| {
        json!({
            "product_id": line.product_id,
            "name": line.name,
            "quantity": line.quantity,
            "unit_price": money(line.unit_price.as_ref()),
            "total": money(line.total.as_ref()),
            "refunded_quantity": line.refunded_quantity,
        })
    };
    let transitions = order.transitions.iter();
    let transitions =
        transitions.map(|moved| json!({ "state": state(moved.state()), "time": time(moved.time.as_ref()) }));
    json!({
        "order_id": order.order_id,
        "state": state(order.state()),
        "failure": order.failure.as_ref().map(|failure| json!({
            "reason": failure.reason().as_str_name().trim_start_matches("ORDER_FAILURE_REASON_"),
            "message": failure.message,
        })),
        "step": step(order.step.as_ref()),
        "cancel_requested": order.cancel_requested,
        "lines": order.lines.iter().map(line).collect::<Vec<_>>(),
        "amounts": amounts(order.amounts.as_ref()),
        "shipping_address": order.shipping_address.as_ref().map(address),
        "contact_email": order.contact_email,
        "card": order.card.as_ref().map(|card| json!({ "last_four": card.last_four })),
        "refunded_amount": money(order.refunded_amount.as_ref()),
        "refunds": order.refunds.iter().map(refund).collect::<Vec<_>>(),
        "tracking": order.tracking.as_ref().map(|tracking| json!({
            "carrier": tracking.carrier,
            "tracking_number": tracking.tracking_number,
            "uri": tracking.uri,
        })),
        "transitions": transitions.collect::<Vec<_>>(),
        "create_time": time(order.create_time.as_ref()),
        "update_time": time(order.update_time.as_ref()),
        "etag": order.etag,
        "revision": order.revision,
    })
}

fn step(step: Option<&OrderStep>) -> Value {
    step.map_or(Value::Null, |step| {
        json!({
            "kind": step.kind().as_str_name().trim_start_matches("ORDER_STEP_KIND_"),
            "attempt_count": step.attempt_count,
            "last_error": step.last_error,
            "since_time": time(step.since_time.as_ref()),
            "next_attempt_time": time(step.next_attempt_time.as_ref()),
        })
    })
}

fn refund(refund: &OrderRefund) -> Value {
    let line = |line: &contracts::checkout::v1::RefundLine| json!({ "product_id": line.product_id, "quantity": line.quantity });
    json!({
        "refund_id": refund.refund_id,
        "state": refund.state().as_str_name().trim_start_matches("ORDER_REFUND_STATE_"),
        "amount": money(refund.amount.as_ref()),
        "lines": refund.lines.iter().map(line).collect::<Vec<_>>(),
        "return_units": refund.return_units,
        "comment": refund.comment,
        "create_time": time(refund.create_time.as_ref()),
    })
}

fn amounts(amounts: Option<&OrderAmounts>) -> Value {
    amounts.map_or(Value::Null, |amounts| {
        json!({
            "subtotal": money(amounts.subtotal.as_ref()),
            "shipping": money(amounts.shipping.as_ref()),
            "tax": money(amounts.tax.as_ref()),
            "tax_included": amounts.tax_included,
            "total": money(amounts.total.as_ref()),
        })
    })
}

fn address(address: &Address) -> Value {
    let place = address.destination.clone().unwrap_or_default();
    json!({
        "recipient": address.recipient,
        "lines": address.lines,
        "locality": address.locality,
        "country_code": place.country_code,
        "region": place.region,
        "postal_code": place.postal_code,
        "phone": address.phone,
    })
}

fn time(time: Option<&Timestamp>) -> Value {
    time.map_or(Value::Null, |time| Value::from(time.to_string()))
}

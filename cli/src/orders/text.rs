//! One order, for people.

use std::fmt::Write as _;

use contracts::{
    checkout::v1::{Order, OrderAmounts, OrderRefund, OrderState},
    google::r#type::Money as Wire,
};
use rpc::money::Money;

use super::{options::short, table};

/// Everything that somebody who looks after it wants to know.
pub(super) fn of(order: &Order, now_us: i64, full: bool) -> String {
    let mut text = String::new();
    let mut say = |name: &str, value: &str| {
        // Writing into a string does not fail.
        let _never = writeln!(text, "{name:10} {value}").is_err();
    };
    say("order", if full { &order.order_id } else { short(&order.order_id) });
    let wanted = if order.cancel_requested { ", its cancel is asked for" } else { "" };
    say("state", &format!("{}{wanted}", state(order.state())));
    if let Some(failure) = &order.failure {
        say("failed", &failure.message);
    }
    say("placed", &format!("{} ago", table::age(order.create_time.as_ref(), now_us)));
    say("paid by", &price_and_card(order));
    for line in &order.lines {
        let refunded = match line.refunded_quantity {
            0 => String::new(),
            units => format!(", {units} refunded"),
        };
        say("line", &format!("{} × {} ({}){refunded}", line.quantity, line.product_id, money(line.total.as_ref())));
    }
    order.refunds.iter().for_each(|refund| say("refund", &described(refund)));
    say("waits for", table::waits_for(order.state(), order.step.as_ref()));
    if let Some(step) = &order.step {
        say("tries", &format!("{}, next {}", step.attempt_count, table::next_try(order.state(), step, now_us)));
        if !step.last_error.is_empty() {
            say("last error", &step.last_error);
        }
    }
    for moved in &order.transitions {
        let ago = table::age(moved.time.as_ref(), now_us);
        say("was", &format!("{} {ago} ago", state(moved.state())));
    }
    text
}

fn described(refund: &OrderRefund) -> String {
    let returned = if refund.return_units { "units return" } else { "units do not return" };
    let state = refund.state().as_str_name().trim_start_matches("ORDER_REFUND_STATE_");
    format!("{} {state}, {returned}", money(refund.amount.as_ref()))
}

/// What it costs, and the card.
pub(super) fn price_and_card(order: &Order) -> String {
    let card = order.card.as_ref().map_or_else(|| "no card yet".to_owned(), |card| format!("card …{}", card.last_four));
    format!("{}, {card}", total(order.amounts.as_ref()))
}

pub(super) fn total(amounts: Option<&OrderAmounts>) -> String {
    money(amounts.and_then(|amounts| amounts.total.as_ref()))
}

/// An amount; one that is none is shown as it came.
pub(super) fn money(amount: Option<&Wire>) -> String {
    let Some(amount) = amount else { return "-".to_owned() };
    match Money::try_from(amount) {
        Ok(money) => money.to_string(),
        Err(_) => format!("{}.{:09} {}", amount.units, amount.nanos, amount.currency_code),
    }
}

pub(super) fn state(state: OrderState) -> &'static str {
    state.as_str_name().trim_start_matches("ORDER_STATE_")
}

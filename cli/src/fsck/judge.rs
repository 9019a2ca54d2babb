//! What is wrong with an order, given all that there is of it; and with what one database says alone.

use acquirer::audit::{Entry, Operation};
use checkout::audit::{Audited, State, Unpaired};
use inventory::audit::{Level, Reservation, State as Held};
use payment::audit::{Payment, RefundState, State as Paid};

use super::{orders::Sheet, report::Invariant};

/// What is wrong with a product's units.
pub(super) fn level(level: &Level) -> String {
    let Level { units, held, bought, .. } = level;
    match units {
        None => format!("{held} are reserved and {bought} sold by reservations, and it has no stock"),
        Some([on_hand, reserved, sold, received]) => format!(
            "{on_hand} on hand, {reserved} reserved, {sold} sold, {received} received; its reservations have {held} reserved \
             and {bought} sold"
        ),
    }
}

/// What is wrong between a request and its order, and with which order.
pub(super) fn unpaired(unpaired: Unpaired) -> (Invariant, String, String) {
    match unpaired {
        Unpaired::NoOrder { request_id, order_id } => {
            (Invariant::Orders, order_id, format!("request {request_id} was answered with it, and it is not there"))
        }
        Unpaired::Shared { order_id, requests } => {
            (Invariant::Requests, order_id, format!("{requests} requests were answered with it"))
        }
        Unpaired::NoRequest { order_id } => {
            (Invariant::Requests, order_id, "no remembered request was answered with it".to_owned())
        }
    }
}

/// All that is wrong with an order. What may still become right by itself is not.
pub(super) fn order(sheet: &Sheet) -> Vec<(Invariant, String)> {
    let mut wrong = Vec::new();
    let ledger = Ledger::of(&sheet.entries);
    match &sheet.order {
        None => orphaned(sheet, &mut |what| wrong.push((Invariant::Orders, what))),
        Some(order) => {
            stock(order, sheet.reservation.as_ref(), &mut |what| wrong.push((Invariant::Stock, what)));
            let mut captures = |what| wrong.push((Invariant::Captures, what));
            money(order, sheet.payment.as_ref(), &ledger, &mut captures);
            refunds(order, sheet.payment.as_ref(), &mut captures);
        }
    }
    let mut captures = |what| wrong.push((Invariant::Captures, what));
    match &sheet.payment {
        Some(payment) => settled(payment, &ledger, &mut captures),
        None if !sheet.entries.is_empty() => captures("the acquirer's ledger has it, and payment does not".to_owned()),
        None => {}
    }
    wrong
}

/// The acquirer's lines of one payment.
struct Ledger<'a> {
    set_aside: Vec<&'a Entry>,
    captures: Vec<&'a Entry>,
    voids: usize,
    refunds: Vec<&'a Entry>,
}

impl<'a> Ledger<'a> {
    fn of(entries: &'a [Entry]) -> Self {
        let of = |operation| entries.iter().filter(move |entry| entry.operation == operation);
        Self {
            set_aside: of(Operation::Authorize).collect(),
            captures: of(Operation::Capture).collect(),
            voids: of(Operation::Void).count(),
            refunds: of(Operation::Refund).collect(),
        }
    }
}

/// What is there without an order. Releases and voids of what was never seen close it, and hold nothing.
fn orphaned(sheet: &Sheet, wrong: &mut impl FnMut(String)) {
    if let Some(reservation) = sheet.reservation.as_ref().filter(|reservation| !reservation.lines.is_empty()) {
        wrong(format!("it has a reservation ({:?}), and there is no such order", reservation.state));
    }
    if let Some(payment) = &sheet.payment
        && let Some(amount) = payment.amount
    {
        wrong(format!("it has a payment of {amount} ({:?}), and there is no such order", payment.state));
    }
    if !sheet.entries.is_empty() {
        wrong(format!("it has {} lines in the acquirer's ledger, and there is no such order", sheet.entries.len()));
    }
}

fn stock(order: &Audited, reservation: Option<&Reservation>, wrong: &mut impl FnMut(String)) {
    let state = order.state.name();
    match order.state {
        State::Confirmed | State::Captured | State::Fulfilled | State::Refunded => match reservation {
            Some(reservation) if reservation.state == Held::Committed => {
                let mut sold: Vec<_> = reservation.lines.iter().map(|(product, units, _)| (product, *units)).collect();
                let mut ordered: Vec<_> = order.lines.iter().map(|(product, units)| (product, *units)).collect();
                sold.sort_unstable();
                ordered.sort_unstable();
                if sold != ordered {
                    wrong(format!("it is {state} with {ordered:?}, and its reservation has {sold:?}"));
                }
            }
            Some(reservation) => wrong(format!("it is {state}, and its reservation is {:?}", reservation.state)),
            None => wrong(format!("it is {state}, and has no reservation")),
        },
        State::Failed | State::Cancelled => match reservation {
            Some(Reservation { state: Held::Active, .. }) => {
                wrong(format!("it is {state}, and its units are still held"));
            }
            Some(Reservation { state: Held::Committed, lines, .. })
                if lines.iter().any(|(_, units, returned)| units != returned) =>
            {
                wrong(format!("it is {state}, and its units are sold and not back"));
            }
            _ => {}
        },
        // On the way, or somebody has to look at it: its units may be held, sold or neither.
        State::Pending | State::Reserved | State::Authorized | State::Cancelling | State::NeedsAttention => {}
    }
}

fn money(order: &Audited, payment: Option<&Payment>, ledger: &Ledger<'_>, wrong: &mut impl FnMut(String)) {
    let (state, total) = (order.state.name(), order.total);
    if ledger.captures.len() > 1 {
        wrong(format!("the acquirer has captured it {} times", ledger.captures.len()));
    }
    for capture in ledger.captures.iter().filter(|capture| capture.amount != total) {
        wrong(format!("its total is {total}, and the acquirer has captured {}", capture.amount));
    }
    let paid = payment.filter(|payment| payment.amount.is_some_and(|amount| amount != total));
    if let Some(amount) = paid.and_then(|payment| payment.amount) {
        wrong(format!("its total is {total}, and its payment is of {amount}"));
    }
    let captured = payment.is_some_and(|payment| payment.state == Paid::Captured);
    match order.state {
        State::Captured | State::Fulfilled | State::Refunded => {
            if ledger.captures.is_empty() {
                wrong(format!("it is {state}, and the acquirer has captured nothing"));
            }
            if !captured {
                wrong(format!("it is {state}, and its payment is not captured"));
            }
        }
        State::Pending | State::Reserved | State::Authorized | State::Failed | State::Cancelled => {
            if !ledger.captures.is_empty() {
                wrong(format!("it is {state}, and the acquirer has captured it"));
            }
            if captured {
                wrong(format!("it is {state}, and its payment is captured"));
            }
        }
        // The capture may be under way, or have been when somebody gave up.
        State::Confirmed | State::Cancelling | State::NeedsAttention => {}
    }
    let is_over = matches!(order.state, State::Failed | State::Cancelled);
    if is_over && payment.is_some_and(|payment| matches!(payment.state, Paid::Authorized | Paid::InDoubt)) {
        wrong(format!("it is {state}, and its payment may still be set aside"));
    }
}

/// An order says that a refund is done once payment has said so.
fn refunds(order: &Audited, payment: Option<&Payment>, wrong: &mut impl FnMut(String)) {
    let done = payment.into_iter().flat_map(|payment| &payment.refunds);
    let done: Vec<_> = done.filter(|(_, state, _)| *state == RefundState::Done).collect();
    // What was free was not asked for.
    for (id, amount) in order.refunds.iter().filter(|(_, amount)| *amount > 0) {
        if !done.iter().any(|(known, _, given)| known == id && given == amount) {
            wrong(format!("its refund {id} of {amount} (minor units) is done, and payment has none such"));
        }
    }
    let all: i64 = order.refunds.iter().map(|(_, amount)| amount).sum();
    if order.state == State::Refunded && all != order.total.minor() {
        wrong(format!("it is refunded, and {all} (minor units) of {} are given back", order.total));
    }
}

/// A payment beside the acquirer's ledger. One in doubt is where the processor may know more.
fn settled(payment: &Payment, ledger: &Ledger<'_>, wrong: &mut impl FnMut(String)) {
    let Ledger { set_aside, captures, voids, refunds } = ledger;
    let (taken, given): (i64, i64) = (
        captures.iter().map(|entry| entry.amount.minor()).sum(),
        refunds.iter().map(|entry| entry.amount.minor()).sum(),
    );
    if given > taken {
        wrong(format!("the acquirer has captured {taken} and refunded {given} (minor units)"));
    }
    for entry in set_aside.iter().chain(captures).filter(|entry| Some(entry.amount) != payment.amount) {
        let amount = payment.amount.map_or("nothing".to_owned(), |amount| amount.to_string());
        wrong(format!("its payment is of {amount}, and the acquirer's ledger has {}", entry.amount));
    }
    let agrees = match payment.state {
        Paid::InDoubt => true,
        Paid::Authorized => set_aside.len() == 1 && captures.is_empty() && *voids == 0,
        Paid::Captured => set_aside.len() == 1 && captures.len() == 1 && *voids == 0,
        Paid::Declined => set_aside.is_empty() && captures.is_empty() && *voids == 0,
        Paid::Voided => captures.is_empty() && set_aside.len() == *voids && *voids <= 1,
    };
    if !agrees {
        wrong(format!(
            "its payment is {:?}, and the acquirer's ledger has {} authorizations, {} captures and {voids} voids",
            payment.state,
            set_aside.len(),
            captures.len()
        ));
    }
    for (id, state, amount) in &payment.refunds {
        let lines = refunds.iter().filter(|entry| entry.refund_id == *id && entry.amount.minor() == *amount).count();
        let agrees = match state {
            RefundState::Pending => lines <= 1,
            RefundState::Done => lines == 1,
            RefundState::Failed => lines == 0,
        };
        if !agrees {
            wrong(format!(
                "refund {id} of {amount} (minor units) is {state:?}, and the acquirer's ledger has it {lines} times"
            ));
        }
    }
    for entry in refunds.iter().filter(|entry| !payment.refunds.iter().any(|(id, ..)| *id == entry.refund_id)) {
        wrong(format!(
            "the acquirer has refunded {} as {}, and payment has no such refund",
            entry.amount, entry.refund_id
        ));
    }
}

#[cfg(test)]
mod tests;

//! What is right with an order of 12 EUR, and what is wrong with it once one thing is different.

use rpc::money::{Currency, Money};

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef";

fn eur(minor: i64) -> Money {
    Money::new(Currency::parse("EUR").unwrap(), minor)
}

fn entry(number: i64, operation: Operation, refund_id: &str, minor: i64) -> Entry {
    Entry { payment_id: ID.into(), number, operation, refund_id: refund_id.into(), amount: eur(minor) }
}

/// An order in a state, sold, paid and captured.
fn captured(state: State) -> Sheet {
    let lines = vec![("mug".to_owned(), 2)];
    let order = Audited { order_id: ID.into(), state, total: eur(1_200), lines, refunds: Vec::new() };
    let reservation =
        Reservation { order_id: ID.into(), state: Held::Committed, lines: vec![("mug".to_owned(), 2, 0)] };
    let payment =
        Payment { payment_id: ID.into(), state: Paid::Captured, amount: Some(eur(1_200)), refunds: Vec::new() };
    let entries = vec![entry(1, Operation::Authorize, "", 1_200), entry(2, Operation::Capture, "", 1_200)];
    Sheet { order: Some(order), reservation: Some(reservation), payment: Some(payment), entries }
}

fn refunded() -> Sheet {
    let mut sheet = captured(State::Refunded);
    sheet.order.as_mut().unwrap().refunds.push(("r".to_owned(), 1_200));
    sheet.payment.as_mut().unwrap().refunds.push(("r".to_owned(), RefundState::Done, 1_200));
    sheet.entries.push(entry(3, Operation::Refund, "r", 1_200));
    sheet
}

/// What is wrong once this has happened to it.
#[track_caller]
fn wrong(mut sheet: Sheet, happened: impl FnOnce(&mut Sheet), invariant: Invariant, words: &str) {
    assert_eq!(order(&sheet), [], "it was wrong before");
    happened(&mut sheet);
    let found = order(&sheet);
    assert!(found.iter().any(|(of, what)| *of == invariant && what.contains(words)), "{found:?}");
}

#[test]
fn an_order_is_captured_once_of_its_total() {
    let sheet = || captured(State::Captured);
    let captures = Invariant::Captures;
    wrong(sheet(), |s| s.entries.push(entry(3, Operation::Capture, "", 1_200)), captures, "has captured it 2 times");
    wrong(sheet(), |s| s.entries[1].amount = eur(1_201), captures, "has captured 12.01 EUR");
    wrong(sheet(), |s| drop(s.entries.pop()), captures, "has captured nothing");
    wrong(sheet(), |s| s.payment = None, captures, "payment does not");
    wrong(sheet(), |s| s.payment.as_mut().unwrap().state = Paid::Voided, captures, "its payment is not captured");
    wrong(sheet(), |s| s.order.as_mut().unwrap().state = State::Cancelled, captures, "is cancelled, and the acquirer");
}

#[test]
fn a_refund_is_one_everywhere_and_never_more_than_was_captured() {
    let captures = Invariant::Captures;
    wrong(refunded(), |s| drop(s.entries.pop()), captures, "the acquirer's ledger has it 0 times");
    wrong(refunded(), |s| s.entries[2].amount = eur(1_300), captures, "captured 1200 and refunded 1300");
    wrong(refunded(), |s| s.payment.as_mut().unwrap().refunds.clear(), captures, "payment has none such");
    wrong(refunded(), |s| s.order.as_mut().unwrap().refunds.clear(), captures, "0 (minor units) of 12.00 EUR");
}

#[test]
fn what_was_sold_is_what_was_ordered_and_what_came_to_nothing_holds_nothing() {
    let (sheet, stock) = (|| captured(State::Fulfilled), Invariant::Stock);
    wrong(sheet(), |s| s.reservation = None, stock, "has no reservation");
    wrong(sheet(), |s| s.reservation.as_mut().unwrap().lines[0].1 = 3, stock, "its reservation has");
    wrong(sheet(), |s| s.order.as_mut().unwrap().state = State::Failed, stock, "its units are sold and not back");
    wrong(sheet(), |s| s.order = None, Invariant::Orders, "there is no such order");
}

#[test]
fn what_is_under_way_and_what_was_closed_before_it_was_seen_is_not_wrong() {
    for state in [State::Confirmed, State::Cancelling, State::NeedsAttention] {
        assert_eq!(order(&captured(state)), [], "{state:?}");
        let mut doubtful = captured(state);
        doubtful.payment.as_mut().unwrap().state = Paid::InDoubt;
        assert_eq!(order(&doubtful), [], "{state:?}");
    }
    let reservation = Reservation { order_id: ID.into(), state: Held::Released, lines: Vec::new() };
    let payment = Payment { payment_id: ID.into(), state: Paid::Voided, amount: None, refunds: Vec::new() };
    let closed = Sheet { reservation: Some(reservation), payment: Some(payment), ..Sheet::default() };
    assert_eq!(order(&closed), []);
}

//! Answers in the contract's terms.

use contracts::acquirer::v1 as pb;
use rpc::money::Money;
use rpc::timestamp;

use crate::charge::{Charge, Operation, Reason, Refund, State};
use crate::store::Entry;

pub(super) fn charge(charge: &Charge) -> pb::Charge {
    let (state, issuer_reason) = match charge.state {
        State::Authorized => (pb::ChargeState::Authorized, pb::IssuerReason::Unspecified),
        State::Declined(reason) => (pb::ChargeState::Declined, self::reason(reason)),
        State::Captured => (pb::ChargeState::Captured, pb::IssuerReason::Unspecified),
        State::Voided => (pb::ChargeState::Voided, pb::IssuerReason::Unspecified),
    };
    let content = charge.content.as_ref();
    let refunded = content.map(|content| Money::new(content.amount.currency(), charge.refunded_minor()));
    pb::Charge {
        payment_id: charge.payment.as_str().to_owned(),
        reference: charge.reference.clone(),
        state: state.into(),
        amount: content.map(|content| content.amount.into()),
        refunded_amount: refunded.map(Into::into),
        card_last_four: content.map(|content| content.card.last_four.clone()).unwrap_or_default(),
        issuer_reason: issuer_reason.into(),
        expire_time: charge.expire_us.filter(|_| charge.state == State::Authorized).map(timestamp),
        refunds: charge.refunds.iter().map(refund).collect(),
    }
}

fn refund(refund: &Refund) -> pb::ChargeRefund {
    let state = match refund.refused {
        None => pb::ChargeRefundState::Done,
        Some(_) => pb::ChargeRefundState::Refused,
    };
    pb::ChargeRefund {
        refund_id: refund.id.clone(),
        amount: Some(refund.amount.into()),
        state: state.into(),
        processor_reason: refund.refused.clone().unwrap_or_default(),
    }
}

/// A page that was to have `size` entries.
pub(super) fn page(entries: &[Entry], size: u32) -> pb::ListEntriesResponse {
    let full = u32::try_from(entries.len()).is_ok_and(|found| found >= size);
    let last = entries.last().filter(|_| full).map(|entry| entry.number);
    pb::ListEntriesResponse {
        entries: entries.iter().map(entry).collect(),
        next_page_token: last.map(|number| number.to_string()).unwrap_or_default(),
    }
}

fn entry(entry: &Entry) -> pb::Entry {
    pb::Entry {
        number: entry.number,
        payment_id: entry.payment.as_str().to_owned(),
        operation: operation(entry.operation).into(),
        refund_id: entry.refund_id.clone(),
        amount: Some(entry.amount.into()),
        create_time: Some(timestamp(entry.create_us)),
    }
}

pub(super) fn reason(reason: Reason) -> pb::IssuerReason {
    match reason {
        Reason::Generic => pb::IssuerReason::Generic,
        Reason::InsufficientFunds => pb::IssuerReason::InsufficientFunds,
        Reason::ExpiredCard => pb::IssuerReason::ExpiredCard,
        Reason::IncorrectCode => pb::IssuerReason::IncorrectCode,
        Reason::StolenCard => pb::IssuerReason::StolenCard,
        Reason::NotAccepted => pb::IssuerReason::NotAccepted,
    }
}

pub(super) fn operation(operation: Operation) -> pb::Operation {
    match operation {
        Operation::Authorize => pb::Operation::Authorize,
        Operation::Capture => pb::Operation::Capture,
        Operation::Void => pb::Operation::Void,
        Operation::Refund => pb::Operation::Refund,
    }
}

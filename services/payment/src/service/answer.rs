//! Answers in the contract's terms.

use contracts::payment::v1 as pb;
use prost::Message as _;
use rpc::money::Money;
use rpc::{Capability, timestamp};

use crate::card::{Brand, Summary};
use crate::payment::{Decline, FAILED_SHOWN_MAX, Payment, Refund, RefundState, State};

/// A page ends where its payments reach this many bytes.
const BYTES_MAX: usize = 1024 * 1024;

pub(super) fn token(token: &Capability, card: &Summary, expire_us: i64) -> pb::TokenizeCardResponse {
    pb::TokenizeCardResponse {
        card_token: token.as_str().to_owned(),
        card: Some(summary(card)),
        expire_time: Some(timestamp(expire_us)),
    }
}

pub(super) fn payment(payment: &Payment) -> pb::Payment {
    let content = payment.content.as_ref();
    let refunded = content.map(|content| Money::new(content.amount.currency(), payment.refunded_minor()));
    let is_failed = |refund: &&Refund| matches!(refund.state, RefundState::Failed(_));
    let mut hidden = payment.refunds.iter().filter(is_failed).count().saturating_sub(FAILED_SHOWN_MAX);
    let shown = payment.refunds.iter().filter(|refund| {
        let hide = hidden > 0 && is_failed(refund);
        hidden -= usize::from(hide);
        !hide
    });
    let (state, decline_reason) = state(payment.state);
    pb::Payment {
        payment_id: payment.id.as_str().to_owned(),
        state: state.into(),
        amount: content.map(|content| content.amount.into()),
        refunded_amount: refunded.map(Into::into),
        card: content.map(|content| summary(&content.card)),
        decline_reason: decline_reason.into(),
        processor_reference: payment.reference.clone(),
        refunds: shown.map(refund).collect(),
        create_time: Some(timestamp(payment.create_us)),
        update_time: Some(timestamp(payment.update_us)),
        expire_time: payment.expire_us.filter(|_| payment.state == State::Authorized).map(timestamp),
        revision: payment.revision,
    }
}

/// A page of at most `size` of what was found; `token` gives the next one.
pub(super) fn page(found: &[Payment], size: u32, token: impl Fn(&Payment) -> String) -> pb::ListPaymentsResponse {
    let mut page = pb::ListPaymentsResponse::default();
    let (mut bytes, size) = (0, usize::try_from(size).unwrap_or(usize::MAX));
    for one in found.iter().take(size) {
        if bytes >= BYTES_MAX {
            break;
        }
        let written = payment(one);
        bytes += written.encoded_len();
        page.payments.push(written);
    }
    let taken = page.payments.len();
    if taken < found.len()
        && let Some(last) = found[..taken].last()
    {
        page.next_page_token = token(last);
    }
    page
}

fn refund(refund: &Refund) -> pb::PaymentRefund {
    let state = match refund.state {
        RefundState::Pending => pb::PaymentRefundState::Pending,
        RefundState::Done => pb::PaymentRefundState::Done,
        RefundState::Failed(_) => pb::PaymentRefundState::Failed,
    };
    pb::PaymentRefund {
        refund_id: refund.id.clone(),
        amount: Some(refund.amount.into()),
        state: state.into(),
        create_time: Some(timestamp(refund.create_us)),
    }
}

fn summary(card: &Summary) -> pb::CardSummary {
    let brand = match card.brand {
        Brand::Other => pb::CardBrand::Unspecified,
        Brand::Visa => pb::CardBrand::Visa,
        Brand::Mastercard => pb::CardBrand::Mastercard,
        Brand::AmericanExpress => pb::CardBrand::AmericanExpress,
        Brand::Discover => pb::CardBrand::Discover,
        Brand::Jcb => pb::CardBrand::Jcb,
        Brand::DinersClub => pb::CardBrand::DinersClub,
        Brand::UnionPay => pb::CardBrand::Unionpay,
        Brand::Maestro => pb::CardBrand::Maestro,
    };
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    pb::CardSummary {
        brand: brand.into(),
        last_four: card.last_four.clone(),
        expiry_month: number(card.expiry.month),
        expiry_year: number(card.expiry.year),
    }
}

fn state(state: State) -> (pb::PaymentState, pb::DeclineReason) {
    let none = pb::DeclineReason::Unspecified;
    match state {
        State::Authorizing => (pb::PaymentState::Authorizing, none),
        State::Authorized => (pb::PaymentState::Authorized, none),
        State::Declined(decline) => (pb::PaymentState::Declined, reason(decline)),
        State::Capturing => (pb::PaymentState::Capturing, none),
        State::Captured => (pb::PaymentState::Captured, none),
        State::Voiding => (pb::PaymentState::Voiding, none),
        State::Voided => (pb::PaymentState::Voided, none),
    }
}

fn reason(decline: Decline) -> pb::DeclineReason {
    match decline {
        Decline::Generic => pb::DeclineReason::Generic,
        Decline::InsufficientFunds => pb::DeclineReason::InsufficientFunds,
        Decline::ExpiredCard => pb::DeclineReason::ExpiredCard,
        Decline::IncorrectCode => pb::DeclineReason::IncorrectCode,
        Decline::SuspectedFraud => pb::DeclineReason::SuspectedFraud,
        Decline::CardNotAccepted => pb::DeclineReason::CardNotAccepted,
    }
}

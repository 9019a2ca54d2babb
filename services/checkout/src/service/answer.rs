//! Answers in the contract's terms.

mod part;

use contracts::checkout::v1 as pb;
use contracts::payment::v1::CardSummary;
use prost::Message as _;
use rpc::timestamp;

use crate::order::{Failure, Order, Refund, RefundState, State, Step, StepKind};
use crate::quote::Quote;
use crate::saga::Tale;
use crate::store::Wire;

use part::{address, amounts, destination, number, option, refund_line, tracking};

/// How orders are written for others.
pub(crate) const WIRE: Wire = Wire {
    event: |order, tale| {
        let mut summary = summary(order);
        // It would be over when it is read.
        if *tale != Tale::NeedsAttention {
            summary.step = None;
        }
        let order_ = Some(summary);
        match tale {
            Tale::Placed => pb::OrderPlaced { order: order_ }.encode_to_vec(),
            Tale::Paid => pb::OrderPaid { order: order_ }.encode_to_vec(),
            Tale::Fulfilled => pb::OrderFulfilled { order: order_ }.encode_to_vec(),
            Tale::Failed => pb::OrderFailed { order: order_ }.encode_to_vec(),
            Tale::Cancelled => pb::OrderCancelled { order: order_ }.encode_to_vec(),
            Tale::NeedsAttention => pb::OrderNeedsAttention { order: order_ }.encode_to_vec(),
            Tale::Refunded(id) => {
                let refund = order.progress.refunds.iter().find(|refund| refund.id == *id);
                let refund =
                    refund.map(|refund| pb::OrderRefund { comment: String::new(), ..self::refund(order, refund) });
                pb::OrderRefunded { order: order_, refund }.encode_to_vec()
            }
        }
    },
    event_type: |tale| match tale {
        Tale::Placed => "souk.checkout.v1.OrderPlaced",
        Tale::Paid => "souk.checkout.v1.OrderPaid",
        Tale::Fulfilled => "souk.checkout.v1.OrderFulfilled",
        Tale::Failed => "souk.checkout.v1.OrderFailed",
        Tale::Cancelled => "souk.checkout.v1.OrderCancelled",
        Tale::Refunded(_) => "souk.checkout.v1.OrderRefunded",
        Tale::NeedsAttention => "souk.checkout.v1.OrderNeedsAttention",
    },
};

/// A quote that fits into a refusal.
pub(crate) fn short_quote(quote: &Quote, quote_id: String) -> pb::Quote {
    pb::Quote {
        quote_id,
        cart_id: quote.cart.as_str().to_owned(),
        cart_etag: quote.cart_etag.clone(),
        lines: Vec::new(),
        amounts: Some(amounts(quote.currency, &quote.amounts)),
        shipping_option: Some(option(quote.currency, &quote.shipping)),
        shipping_options: Vec::new(),
        destination: Some(destination(&quote.destination)),
        expire_time: Some(timestamp(quote.expire_us)),
    }
}

pub(super) fn quote(quote: &Quote, quote_id: String) -> pb::Quote {
    pb::Quote {
        lines: quote.lines.iter().map(|line| part::line(quote.currency, line, 0)).collect(),
        shipping_options: quote.options.iter().map(|offered| option(quote.currency, offered)).collect(),
        ..short_quote(quote, quote_id)
    }
}

pub(super) fn order(order: &Order) -> pb::Order {
    let (placed, progress) = (&*order.placed, &order.progress);
    let refunded = order.refunded_units();
    let line = |line| part::line(placed.currency, line, refunded.get(line.product.as_str()).copied().unwrap_or(0));
    let transition = |(was, time_us): &(State, i64)| pb::OrderTransition {
        state: state(*was).into(),
        time: Some(timestamp(*time_us)),
    };
    pb::Order {
        order_id: order.id.as_str().to_owned(),
        state: state(order.state).into(),
        failure: progress.failure.as_ref().map(failure),
        step: progress.step.as_ref().map(step),
        cancel_requested: progress.cancel_requested,
        lines: placed.lines.iter().map(line).collect(),
        amounts: Some(amounts(placed.currency, &placed.amounts)),
        shipping_option: Some(option(placed.currency, &placed.shipping)),
        shipping_address: Some(address(&placed.address)),
        contact_email: placed.contact_email.clone(),
        card: progress.card.as_ref().map(|card| CardSummary {
            brand: card.brand,
            last_four: card.last_four.clone(),
            expiry_month: card.expiry_month,
            expiry_year: card.expiry_year,
        }),
        refunded_amount: Some(placed.money(order.refunded_amount()).into()),
        refunds: progress.refunds.iter().map(|made| refund(order, made)).collect(),
        tracking: progress.tracking.as_ref().map(tracking),
        transitions: progress.transitions.iter().map(transition).collect(),
        create_time: Some(timestamp(order.create_us)),
        update_time: Some(timestamp(order.update_us)),
        etag: order.etag(),
        revision: i64::try_from(order.revision).unwrap_or(i64::MAX),
    }
}

pub(super) fn summary(order: &Order) -> pb::OrderSummary {
    let (placed, refunded) = (&*order.placed, order.refunded_units());
    let line = |line: &crate::order::Line| pb::OrderSummaryLine {
        product_id: line.product.clone(),
        quantity: number(line.quantity),
        unit_price: Some(placed.money(line.unit_price).into()),
        refunded_quantity: number(refunded.get(line.product.as_str()).copied().unwrap_or(0)),
    };
    // Where FAILED: what it is merely on its way to is said by the state.
    let failure = order.progress.failure.as_ref().filter(|_| order.state == State::Failed);
    pb::OrderSummary {
        order_id: order.id.as_str().to_owned(),
        state: state(order.state).into(),
        lines: placed.lines.iter().map(line).collect(),
        amounts: Some(amounts(placed.currency, &placed.amounts)),
        refunded_amount: Some(placed.money(order.refunded_amount()).into()),
        failure_reason: failure.map(reason).unwrap_or_default().into(),
        step: order.progress.step.as_ref().map(step),
        create_time: Some(timestamp(order.create_us)),
        update_time: Some(timestamp(order.update_us)),
        revision: i64::try_from(order.revision).unwrap_or(i64::MAX),
        cancel_requested: order.progress.cancel_requested,
    }
}

fn refund(order: &Order, refund: &Refund) -> pb::OrderRefund {
    let state = match refund.state {
        RefundState::Pending => pb::OrderRefundState::Pending,
        RefundState::Done => pb::OrderRefundState::Done,
        RefundState::Failed => pb::OrderRefundState::Failed,
    };
    pb::OrderRefund {
        refund_id: refund.id.clone(),
        state: state.into(),
        amount: Some(order.placed.money(refund.amount).into()),
        lines: refund.units.iter().map(refund_line).collect(),
        return_units: refund.return_units,
        comment: refund.comment.clone(),
        create_time: Some(timestamp(refund.create_us)),
    }
}

fn failure(failure: &Failure) -> pb::OrderFailure {
    let (message, product_ids, decline) = match failure {
        Failure::OutOfStock(products) => ("Some products are out of stock.", products.clone(), 0),
        Failure::CardDeclined(reason) => ("The card was declined.", Vec::new(), *reason),
        Failure::CardTokenInvalid => ("The card's details have to be entered again.", Vec::new(), 0),
        Failure::Expired => ("The order was not confirmed in time.", Vec::new(), 0),
    };
    let reason = reason(failure).into();
    pb::OrderFailure { reason, message: message.to_owned(), product_ids, decline_reason: decline }
}

fn reason(failure: &Failure) -> pb::OrderFailureReason {
    match failure {
        Failure::OutOfStock(_) => pb::OrderFailureReason::OutOfStock,
        Failure::CardDeclined(_) => pb::OrderFailureReason::CardDeclined,
        Failure::CardTokenInvalid => pb::OrderFailureReason::CardTokenInvalid,
        Failure::Expired => pb::OrderFailureReason::Expired,
    }
}

fn step(step: &Step) -> pb::OrderStep {
    let kind = match step.kind {
        StepKind::Reserve => pb::OrderStepKind::Reserve,
        StepKind::Authorize => pb::OrderStepKind::Authorize,
        StepKind::Commit => pb::OrderStepKind::Commit,
        StepKind::Capture => pb::OrderStepKind::Capture,
        StepKind::Undo => pb::OrderStepKind::Undo,
        StepKind::Refund => pb::OrderStepKind::Refund,
    };
    pb::OrderStep {
        kind: kind.into(),
        attempt_count: number(step.attempts),
        last_error: step.last_error.clone(),
        since_time: Some(timestamp(step.since_us)),
        next_attempt_time: step.next_us.map(timestamp),
    }
}

fn state(state: State) -> pb::OrderState {
    match state {
        State::Pending => pb::OrderState::Pending,
        State::Reserved => pb::OrderState::Reserved,
        State::Authorized => pb::OrderState::Authorized,
        State::Confirmed => pb::OrderState::Confirmed,
        State::Captured => pb::OrderState::Captured,
        State::Fulfilled => pb::OrderState::Fulfilled,
        State::Failed => pb::OrderState::Failed,
        State::Cancelling => pb::OrderState::Cancelling,
        State::Cancelled => pb::OrderState::Cancelled,
        State::Refunded => pb::OrderState::Refunded,
        State::NeedsAttention => pb::OrderState::NeedsAttention,
    }
}

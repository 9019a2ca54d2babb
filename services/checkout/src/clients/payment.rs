//! Payment as checkout sees it: money that is set aside, taken, and given back.
//!
//! Where payment itself does not know what the processor did, repeating the call makes it ask the processor first.

use contracts::payment::v1 as pb;
use rpc::money::Money;

use super::{Clients, Unanswered, in_short, incomplete, reason, unanswered};
use crate::order::Card;
use rpc::Capability;

/// What came of setting money aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Authorizing {
    Authorized(Card),
    /// The number of a `DeclineReason`.
    Declined(i32),
    TokenInvalid,
    /// The payment was voided before.
    Closed,
    Unknown(Unanswered),
}

/// What came of taking it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Capturing {
    Captured,
    /// It will not be, however often it is tried: a code and a reason.
    Refused(String),
    Unknown(Unanswered),
}

/// What came of giving it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Voiding {
    Voided,
    /// It was taken before.
    Captured,
    Unknown(Unanswered),
}

/// What came of giving it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refunding {
    Refunded,
    /// It will not be, under this id: a code and a reason.
    Refused(String),
    Unknown(Unanswered),
}

impl Clients {
    /// Sets an order's total aside.
    pub(crate) async fn authorize(&self, order: &Capability, card_token: &Capability, amount: Money) -> Authorizing {
        let request = pb::AuthorizePaymentRequest {
            payment_id: order.as_str().to_owned(),
            card_token: card_token.as_str().to_owned(),
            amount: Some(amount.into()),
        };
        let payment = match self.payment.clone().authorize_payment(request).await {
            Ok(answer) => answer.into_inner().payment.unwrap_or_default(),
            Err(status) => {
                return match reason(&status).as_str() {
                    "CARD_TOKEN_INVALID" => Authorizing::TokenInvalid,
                    "PAYMENT_CLOSED" => Authorizing::Closed,
                    _ => Authorizing::Unknown(unanswered(&status)),
                };
            }
        };
        match payment.state() {
            // What it has become since was authorized before.
            pb::PaymentState::Authorized | pb::PaymentState::Capturing | pb::PaymentState::Captured => {
                Authorizing::Authorized(card(payment.card.unwrap_or_default()))
            }
            pb::PaymentState::Declined => Authorizing::Declined(payment.decline_reason),
            pb::PaymentState::Voiding | pb::PaymentState::Voided => Authorizing::Closed,
            pb::PaymentState::Authorizing | pb::PaymentState::Unspecified => Authorizing::Unknown(incomplete()),
        }
    }

    /// Takes what was set aside.
    pub(crate) async fn capture(&self, order: &Capability) -> Capturing {
        let request = pb::CapturePaymentRequest { payment_id: order.as_str().to_owned() };
        match self.payment.clone().capture_payment(request).await {
            Ok(answer) => match answer.into_inner().payment.unwrap_or_default().state() {
                pb::PaymentState::Captured => Capturing::Captured,
                pb::PaymentState::Unspecified
                | pb::PaymentState::Authorizing
                | pb::PaymentState::Authorized
                | pb::PaymentState::Declined
                | pb::PaymentState::Capturing
                | pb::PaymentState::Voiding
                | pb::PaymentState::Voided => Capturing::Unknown(incomplete()),
            },
            Err(status) => match reason(&status).as_str() {
                "CAPTURE_REFUSED" | "PAYMENT_NOT_AUTHORIZED" | "PAYMENT_NOT_FOUND" => {
                    Capturing::Refused(in_short(&status))
                }
                _ => Capturing::Unknown(unanswered(&status)),
            },
        }
    }

    /// Gives up what was set aside, or may yet be.
    pub(crate) async fn void(&self, order: &Capability) -> Voiding {
        let request = pb::VoidPaymentRequest { payment_id: order.as_str().to_owned() };
        match self.payment.clone().void_payment(request).await {
            Ok(answer) => match answer.into_inner().payment.unwrap_or_default().state() {
                pb::PaymentState::Voided | pb::PaymentState::Declined => Voiding::Voided,
                pb::PaymentState::Unspecified
                | pb::PaymentState::Authorizing
                | pb::PaymentState::Authorized
                | pb::PaymentState::Capturing
                | pb::PaymentState::Captured
                | pb::PaymentState::Voiding => Voiding::Unknown(incomplete()),
            },
            Err(status) if reason(&status) == "PAYMENT_CAPTURED" => Voiding::Captured,
            Err(status) => Voiding::Unknown(unanswered(&status)),
        }
    }

    /// Gives back some of what was taken.
    pub(crate) async fn refund(&self, order: &Capability, refund_id: &str, amount: Money) -> Refunding {
        let request = pb::RefundPaymentRequest {
            payment_id: order.as_str().to_owned(),
            refund_id: refund_id.to_owned(),
            amount: Some(amount.into()),
        };
        let payment = match self.payment.clone().refund_payment(request).await {
            Ok(answer) => answer.into_inner().payment.unwrap_or_default(),
            Err(status) => {
                return match reason(&status).as_str() {
                    "REFUND_REFUSED" | "REFUND_EXCEEDS_CAPTURE" | "TOO_MANY_REFUNDS" | "REFUND_MISMATCH" => {
                        Refunding::Refused(in_short(&status))
                    }
                    _ => Refunding::Unknown(unanswered(&status)),
                };
            }
        };
        let refund = payment.refunds.iter().find(|refund| refund.refund_id == refund_id);
        match refund.map(pb::PaymentRefund::state) {
            Some(pb::PaymentRefundState::Done) => Refunding::Refunded,
            Some(pb::PaymentRefundState::Failed) => Refunding::Refused("FAILED_PRECONDITION REFUND_REFUSED".to_owned()),
            Some(pb::PaymentRefundState::Pending | pb::PaymentRefundState::Unspecified) | None => {
                Refunding::Unknown(incomplete())
            }
        }
    }
}

fn card(card: pb::CardSummary) -> Card {
    Card {
        brand: card.brand,
        last_four: card.last_four,
        expiry_month: card.expiry_month,
        expiry_year: card.expiry_year,
    }
}

//! Rows, read and written.

use std::sync::Arc;

use ::store::{Error as StoreError, Row};
use rpc::Capability;
use rpc::money::{Currency, Money};

use crate::card::{Brand, Expiry, Summary};
use crate::payment::{Content, Decline, Payment, Refund, RefundState, State};

/// Reads a payment, without its refunds.
pub(super) fn payment(row: &Row) -> Result<Payment, StoreError> {
    let id: String = row.get("payment_id")?;
    let currency: Option<String> = row.get("currency")?;
    let content = currency.map(|code| content(row, &code)).transpose()?;
    Ok(Payment {
        id: capability("payment_id", &id)?,
        state: state(row.get("state")?, row.get("decline_reason")?)?,
        content,
        reference: row.get("processor_reference")?,
        refunds: Vec::new(),
        create_us: row.get("create_us")?,
        update_us: row.get("update_us")?,
        expire_us: row.get("expire_us")?,
        revision: row.get("revision")?,
        attempt: row.get("attempt")?,
    })
}

fn content(row: &Row, code: &str) -> Result<Content, StoreError> {
    let currency = Currency::parse(code).ok_or_else(|| corrupt("currency", "it is no currency"))?;
    let token: String = row.get("card_token")?;
    Ok(Content {
        amount: Money::new(currency, row.get("amount_minor")?),
        token: capability("card_token", &token)?,
        card: summary(row)?,
    })
}

pub(super) fn summary(row: &Row) -> Result<Summary, StoreError> {
    let expiry = Expiry { year: row.get("expiry_year")?, month: row.get("expiry_month")? };
    Ok(Summary { brand: brand(row.get("brand")?)?, last_four: row.get("last_four")?, expiry })
}

/// Reads a refund that may not be there, from columns that have their own names, because a payment's are beside them.
pub(super) fn refund(row: &Row, currency: Currency) -> Result<Option<Refund>, StoreError> {
    let id: Option<String> = row.get("refund_id")?;
    let Some(id) = id else { return Ok(None) };
    let state = match row.get::<i64>("refund_state")? {
        1 => RefundState::Pending,
        2 => RefundState::Done,
        3 => RefundState::Failed(row.get("refund_reason")?),
        _ => return Err(corrupt("state", "it is no state of a refund")),
    };
    Ok(Some(Refund {
        id,
        amount: Money::new(currency, row.get("refund_minor")?),
        state,
        create_us: row.get("refund_create_us")?,
        attempt: row.get("refund_attempt")?,
    }))
}

/// The number of a refund's state, and its reason.
pub(super) fn refund_state(state: &RefundState) -> (i64, &str) {
    match state {
        RefundState::Pending => (1, ""),
        RefundState::Done => (2, ""),
        RefundState::Failed(why) => (3, why),
    }
}

/// The number of a state.
pub(super) fn state_number(state: State) -> i64 {
    match state {
        State::Authorizing => 1,
        State::Authorized => 2,
        State::Declined(_) => 3,
        State::Capturing => 4,
        State::Captured => 5,
        State::Voiding => 6,
        State::Voided => 7,
    }
}

/// The number of the reason, where it was declined.
pub(super) fn decline_number(state: State) -> i64 {
    let State::Declined(decline) = state else { return 0 };
    match decline {
        Decline::Generic => 1,
        Decline::InsufficientFunds => 2,
        Decline::ExpiredCard => 3,
        Decline::IncorrectCode => 4,
        Decline::SuspectedFraud => 5,
        Decline::CardNotAccepted => 6,
    }
}

pub(super) fn state(number: i64, decline: i64) -> Result<State, StoreError> {
    Ok(match number {
        1 => State::Authorizing,
        2 => State::Authorized,
        3 => State::Declined(match decline {
            1 => Decline::Generic,
            2 => Decline::InsufficientFunds,
            3 => Decline::ExpiredCard,
            4 => Decline::IncorrectCode,
            5 => Decline::SuspectedFraud,
            6 => Decline::CardNotAccepted,
            _ => return Err(corrupt("decline_reason", "it is no reason")),
        }),
        4 => State::Capturing,
        5 => State::Captured,
        6 => State::Voiding,
        7 => State::Voided,
        _ => return Err(corrupt("state", "it is no state of a payment")),
    })
}

pub(super) fn brand_number(brand: Brand) -> i64 {
    match brand {
        Brand::Other => 0,
        Brand::Visa => 1,
        Brand::Mastercard => 2,
        Brand::AmericanExpress => 3,
        Brand::Discover => 4,
        Brand::Jcb => 5,
        Brand::DinersClub => 6,
        Brand::UnionPay => 7,
        Brand::Maestro => 8,
    }
}

fn brand(number: i64) -> Result<Brand, StoreError> {
    Ok(match number {
        0 => Brand::Other,
        1 => Brand::Visa,
        2 => Brand::Mastercard,
        3 => Brand::AmericanExpress,
        4 => Brand::Discover,
        5 => Brand::Jcb,
        6 => Brand::DinersClub,
        7 => Brand::UnionPay,
        8 => Brand::Maestro,
        _ => return Err(corrupt("brand", "it is no brand")),
    })
}

pub(super) fn capability(column: &'static str, id: &str) -> Result<Capability, StoreError> {
    Capability::parse(id).ok_or_else(|| corrupt(column, "it is no id"))
}

pub(super) fn corrupt(what: &'static str, why: &'static str) -> StoreError {
    StoreError::Corrupt { attempted: "SELECT payments", what, source: Arc::new(std::io::Error::other(why)) }
}

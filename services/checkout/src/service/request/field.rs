//! The fields of requests, each with the rule that it has to keep.

use std::collections::HashSet;

use contracts::checkout::v1 as pb;
use contracts::google::r#type::Money as Price;
use mesh::Violations;
use prost_types::Timestamp;
use rpc::ProductId;
use rpc::money::Money;

use crate::country;
use crate::order::{Address, Destination, State, Tracking, Units};
use crate::quote::UNITS_MAX;

/// The most characters of a recipient, a line of an address, and a locality.
const NAME_MAX: usize = 200;
const ADDRESS_LINES_MAX: usize = 4;
const REGION_MAX: usize = 100;
const POSTAL_CODE_MAX: usize = 20;
const PHONE_MAX: usize = 30;
const EMAIL_MIN: usize = 3;
const EMAIL_MAX: usize = 254;
/// The most lines of a refund, and units of one.
const LINES_MAX: usize = 100;
const QUANTITY_MAX: u32 = 10_000;
const CARRIER_MAX: usize = 100;
const URI_MAX: usize = 2_048;

/// So many characters, none of them a control character, and at least one that is seen where one is required.
pub(super) fn text(field: &str, value: &str, min: usize, max: usize, violations: &mut Violations) {
    // What is far too long is not counted: a character has at most four bytes.
    let length = if value.len() > max * 4 { max + 1 } else { value.chars().count() };
    if length > max || length < min || (min > 0 && value.trim().is_empty()) {
        let seen = if min > 0 { ", at least one of them not white space" } else { "" };
        violations.add(field, format!("must be {min} to {max} characters{seen}"));
    } else if value.contains(char::is_control) {
        violations.add(field, "must not contain control characters");
    }
}

pub(super) fn money(field: &str, price: Option<&Price>, violations: &mut Violations) -> Option<Money> {
    let Some(price) = price else {
        violations.add(field, "must be set");
        return None;
    };
    match Money::try_from(price) {
        Err(error) => violations.add(format!("{field}.{}", error.field()), error.to_string()),
        Ok(_) if !(0..=UNITS_MAX).contains(&price.units) || (price.units == UNITS_MAX && price.nanos > 0) => {
            violations.add(format!("{field}.units"), format!("must be 0 to {UNITS_MAX} units"));
        }
        Ok(money) if money.minor() < 0 => violations.add(format!("{field}.nanos"), "must not be negative"),
        Ok(money) => return Some(money),
    }
    None
}

pub(super) fn destination(
    field: &str,
    place: Option<&pb::Destination>,
    violations: &mut Violations,
) -> Option<Destination> {
    let Some(place) = place else {
        violations.add(field, "must be set");
        return None;
    };
    if !country::is_country(&place.country_code) {
        violations.add(format!("{field}.country_code"), country::RULE);
    }
    text(&format!("{field}.region"), &place.region, 0, REGION_MAX, violations);
    text(&format!("{field}.postal_code"), &place.postal_code, 0, POSTAL_CODE_MAX, violations);
    Some(Destination {
        country: place.country_code.clone(),
        region: place.region.clone(),
        postal_code: place.postal_code.clone(),
    })
}

pub(super) fn address(field: &str, address: Option<&pb::Address>, violations: &mut Violations) -> Option<Address> {
    let Some(address) = address else {
        violations.add(field, "must be set");
        return None;
    };
    text(&format!("{field}.recipient"), &address.recipient, 1, NAME_MAX, violations);
    if address.lines.is_empty() || address.lines.len() > ADDRESS_LINES_MAX {
        violations.add(format!("{field}.lines"), format!("must be 1 to {ADDRESS_LINES_MAX} lines"));
    }
    for (index, line) in address.lines.iter().enumerate().take(ADDRESS_LINES_MAX) {
        text(&format!("{field}.lines[{index}]"), line, 1, NAME_MAX, violations);
    }
    text(&format!("{field}.locality"), &address.locality, 1, NAME_MAX, violations);
    let destination = destination(&format!("{field}.destination"), address.destination.as_ref(), violations);
    let dialled = |c: char| c.is_ascii_digit() || " +-()".contains(c);
    if address.phone.len() > PHONE_MAX || !address.phone.chars().all(dialled) {
        violations.add(
            format!("{field}.phone"),
            format!("must be at most {PHONE_MAX} characters: digits, spaces, +, -, ( and )"),
        );
    }
    Some(Address {
        recipient: address.recipient.clone(),
        lines: address.lines.clone(),
        locality: address.locality.clone(),
        destination: destination?,
        phone: address.phone.clone(),
    })
}

pub(super) fn email(field: &str, email: &str, violations: &mut Violations) {
    let sides = email.split_once('@');
    let whole = sides.is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'));
    let clean = !email.chars().any(|c| c.is_whitespace() || c.is_control());
    if !(EMAIL_MIN..=EMAIL_MAX).contains(&email.len()) || !whole || !clean {
        violations.add(field, format!("must be an e-mail address of {EMAIL_MIN} to {EMAIL_MAX} bytes"));
    }
}

/// Each of another product.
pub(super) fn units(lines: &[pb::RefundLine], violations: &mut Violations) -> Vec<Units> {
    if lines.len() > LINES_MAX {
        violations.add("lines", format!("must be at most {LINES_MAX} lines"));
        return Vec::new();
    }
    let (mut seen, mut units) = (HashSet::with_capacity(lines.len()), Vec::with_capacity(lines.len()));
    for (index, line) in lines.iter().enumerate() {
        if !ProductId::is_valid(&line.product_id) {
            violations.add(format!("lines[{index}].product_id"), ProductId::RULE);
        } else if !seen.insert(&line.product_id) {
            violations.add(format!("lines[{index}].product_id"), "must differ from the products before it");
        }
        match u32::try_from(line.quantity).ok().filter(|quantity| (1..=QUANTITY_MAX).contains(quantity)) {
            Some(quantity) => units.push(Units { product: line.product_id.clone(), quantity }),
            None => violations.add(format!("lines[{index}].quantity"), format!("must be 1 to {QUANTITY_MAX}")),
        }
    }
    units
}

pub(super) fn tracking(field: &str, tracking: &pb::Tracking, violations: &mut Violations) -> Tracking {
    text(&format!("{field}.carrier"), &tracking.carrier, 0, CARRIER_MAX, violations);
    text(&format!("{field}.tracking_number"), &tracking.tracking_number, 0, CARRIER_MAX, violations);
    let uri = &tracking.uri;
    let host = uri.strip_prefix("https://").map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let clean = uri.len() <= URI_MAX && uri.bytes().all(|byte| byte.is_ascii_graphic());
    if !uri.is_empty() && (!clean || host.is_none_or(str::is_empty)) {
        violations.add(format!("{field}.uri"), format!("must be an absolute https URI of at most {URI_MAX} bytes"));
    }
    let (carrier, number) = (tracking.carrier.clone(), tracking.tracking_number.clone());
    Tracking { carrier, number, uri: uri.clone() }
}

/// A time in microseconds; what does not fit is before or after everything.
pub(super) fn time_us(field: &str, time: Option<&Timestamp>, violations: &mut Violations) -> Option<i64> {
    let Timestamp { seconds, nanos } = *time?;
    if !(0..1_000_000_000).contains(&nanos) {
        violations.add(format!("{field}.nanos"), "must be 0 to 999,999,999");
    }
    Some(seconds.saturating_mul(1_000_000).saturating_add(i64::from(nanos) / 1_000))
}

pub(super) fn state(number: i32) -> Option<State> {
    Some(match pb::OrderState::try_from(number).ok()? {
        pb::OrderState::Unspecified => return None,
        pb::OrderState::Pending => State::Pending,
        pb::OrderState::Reserved => State::Reserved,
        pb::OrderState::Authorized => State::Authorized,
        pb::OrderState::Confirmed => State::Confirmed,
        pb::OrderState::Captured => State::Captured,
        pb::OrderState::Fulfilled => State::Fulfilled,
        pb::OrderState::Failed => State::Failed,
        pb::OrderState::Cancelling => State::Cancelling,
        pb::OrderState::Cancelled => State::Cancelled,
        pb::OrderState::Refunded => State::Refunded,
        pb::OrderState::NeedsAttention => State::NeedsAttention,
    })
}

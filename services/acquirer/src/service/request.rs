//! Requests, parsed: everything wrong with one is found at once.

use contracts::acquirer::v1 as pb;
use mesh::Violations;
use rpc::money::Money;
use rpc::{Capability, now_us};
use zeroize::Zeroizing;

use crate::card::Card;

/// Entries of a page where the request does not say, and at most.
const PAGE_DEFAULT: u32 = 50;
const PAGE_MAX: u32 = 1_000;
/// The most characters of a name.
const HOLDER_MAX: usize = 100;
/// Years that a card can have.
const YEARS: std::ops::RangeInclusive<i32> = 1_000..=9_999;

/// An `AuthorizeChargeRequest`.
pub(super) struct Authorize {
    pub(super) payment: Capability,
    pub(super) card: Card,
    pub(super) amount: Money,
}

/// A `RefundChargeRequest`.
#[derive(Debug)]
pub(super) struct Refund {
    pub(super) payment: Capability,
    pub(super) id: String,
    pub(super) amount: Money,
}

/// A `ListEntriesRequest`.
#[derive(Debug)]
pub(super) struct Page {
    /// The last entry of the page before.
    pub(super) after: i64,
    pub(super) size: u32,
}

pub(super) fn payment(id: &str) -> Result<Capability, Violations> {
    Capability::parse(id).ok_or_else(|| Violations::one("payment_id", Capability::RULE))
}

pub(super) fn authorize(request: pb::AuthorizeChargeRequest) -> Result<Authorize, Violations> {
    let mut violations = Violations::default();
    let payment = Capability::read(&request.payment_id, "payment_id", &mut violations);
    let card = card(request.card, &mut violations);
    let amount = Money::read_amount(request.amount.as_ref(), "amount", &mut violations);
    match (payment, card, amount) {
        (Some(payment), Some(card), Some(amount)) => violations.check().map(|()| Authorize { payment, card, amount }),
        _ => Err(violations),
    }
}

pub(super) fn refund(mut request: pb::RefundChargeRequest) -> Result<Refund, Violations> {
    let mut violations = Violations::default();
    let payment = Capability::read(&request.payment_id, "payment_id", &mut violations);
    let id = rpc::uuid(&mut request.refund_id, "refund_id", &mut violations);
    let amount = Money::read_amount(request.amount.as_ref(), "amount", &mut violations);
    match (payment, amount) {
        (Some(payment), Some(amount)) => violations.check().map(|()| Refund { payment, id, amount }),
        _ => Err(violations),
    }
}

pub(super) fn page(request: &pb::ListEntriesRequest) -> Result<Page, Violations> {
    let mut violations = Violations::default();
    let size = rpc::page_size(request.page_size, PAGE_DEFAULT, PAGE_MAX, &mut violations);
    let token = request.page_token.as_str();
    let digits = token.bytes().all(|byte| byte.is_ascii_digit());
    let after = if token.is_empty() { Some(0) } else { token.parse().ok().filter(|_| digits) };
    if after.is_none() {
        violations.add("page_token", "must be the next_page_token of the page before");
    }
    violations.check().map(|()| Page { after: after.unwrap_or_default(), size })
}

/// The year and the month it is.
pub(super) fn month_now() -> (u32, u32) {
    rpc::year_and_month(now_us())
}

fn card(card: Option<pb::Card>, violations: &mut Violations) -> Option<Card> {
    let Some(card) = card else {
        violations.add("card", "must be set");
        return None;
    };
    let (number, code) = (Zeroizing::new(card.number), Zeroizing::new(card.security_code));
    let holder = Zeroizing::new(card.holder_name);
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !(12..=19).contains(&number.len()) || !digits(&number) {
        violations.add("card.number", "must be 12 to 19 digits");
    }
    if !(3..=4).contains(&code.len()) || !digits(&code) {
        violations.add("card.security_code", "must be 3 or 4 digits");
    }
    if !(1..=12).contains(&card.expiry_month) {
        violations.add("card.expiry_month", "must be 1 to 12");
    }
    if !YEARS.contains(&card.expiry_year) {
        violations.add("card.expiry_year", "must have four digits");
    }
    if holder.chars().count() > HOLDER_MAX || holder.chars().any(char::is_control) {
        violations
            .add("card.holder_name", format!("must be at most {HOLDER_MAX} characters, and no control characters"));
    }
    let (month, year) = (u32::try_from(card.expiry_month).ok()?, u32::try_from(card.expiry_year).ok()?);
    Some(Card::new(number, code, month, year))
}

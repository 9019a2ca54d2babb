//! Requests, parsed: everything wrong with one is found at once, and no violation repeats a value.

use contracts::payment::v1 as pb;
use mesh::Violations;
use rpc::money::Money;
use rpc::{Capability, principal, request_id};
use store::{Fingerprint, Keep, Request};
use zeroize::Zeroizing;

use crate::card::{Card, Typed};
use crate::error::Error;
use crate::page_token::Place;
use crate::payment::{Decline, State};
use crate::seal::Keys;

/// Payments of a page where the request does not say, and at most.
const PAGE_DEFAULT: u32 = 50;
const PAGE_MAX: u32 = 1_000;
/// The most states that a list is of.
const STATES_MAX: usize = 10;
/// How far behind UTC the last place on earth is: 12 hours, in microseconds. A card is good there to the end of its month.
const LAST_PLACE_US: i64 = 12 * 60 * 60 * 1_000_000;

const TOKENIZE: &str = "souk.payment.v1.PaymentService/TokenizeCard";

/// A `TokenizeCardRequest`. It has a card in it, so it cannot be printed.
pub(super) struct Tokenize {
    pub(super) card: Card,
    /// One a key.
    pub(super) requests: Vec<Request>,
}

/// An `AuthorizePaymentRequest`.
#[derive(Debug)]
pub(super) struct Authorize {
    pub(super) payment: Capability,
    pub(super) token: Capability,
    pub(super) amount: Money,
}

/// A `RefundPaymentRequest`.
#[derive(Debug)]
pub(super) struct Refund {
    pub(super) payment: Capability,
    pub(super) id: String,
    pub(super) amount: Money,
}

/// A `ListPaymentsRequest`.
#[derive(Debug)]
pub(super) struct List {
    pub(super) states: Vec<State>,
    /// The same as the request has them, which page tokens are bound to.
    pub(super) numbers: Vec<i32>,
    pub(super) before: Option<Place>,
    pub(super) size: u32,
}

pub(super) fn payment(id: &str) -> Result<Capability, Violations> {
    Capability::parse(id).ok_or_else(|| Violations::one("payment_id", Capability::RULE))
}

pub(super) fn tokenize(mut request: pb::TokenizeCardRequest, keys: &Keys, now_us: i64) -> Result<Tokenize, Violations> {
    let mut violations = Violations::default();
    let request_id = request_id(&mut request.request_id, &mut violations);
    let month = rpc::year_and_month(now_us.saturating_sub(LAST_PLACE_US));
    let card = match request.card {
        Some(card) => typed(card).check("card", month, &mut violations),
        None => {
            violations.add("card", "must be set");
            None
        }
    };
    let (Some(card), Ok(())) = (card, violations.clone().check()) else { return Err(violations) };
    let (month, year) = (card.expiry.month.to_be_bytes(), card.expiry.year.to_be_bytes());
    let parts = [card.number.expose().as_bytes(), card.code.expose().as_bytes(), card.holder.as_bytes(), &month, &year];
    // A plain digest of a card could be tried out until its number is found, so each is made with a key.
    let requests = keys.digests(&parts).into_iter().map(|digest| Request {
        scope: principal(),
        rpc: TOKENIZE,
        request_id: request_id.clone(),
        fingerprint: Fingerprint(digest),
        keep: Keep::Week,
    });
    let requests = requests.collect();
    Ok(Tokenize { card, requests })
}

/// A card as a request has it, which is wiped with what comes of it.
fn typed(card: pb::CardDetails) -> Typed {
    Typed {
        number: Zeroizing::new(card.number),
        code: Zeroizing::new(card.security_code),
        holder: Zeroizing::new(card.holder_name),
        expiry_month: card.expiry_month,
        expiry_year: card.expiry_year,
    }
}

pub(super) fn authorize(request: &pb::AuthorizePaymentRequest) -> Result<Authorize, Violations> {
    let mut violations = Violations::default();
    let payment = Capability::read(&request.payment_id, "payment_id", &mut violations);
    let token = Capability::read(&request.card_token, "card_token", &mut violations);
    let amount = Money::read_amount(request.amount.as_ref(), "amount", &mut violations);
    match (payment, token, amount) {
        (Some(payment), Some(token), Some(amount)) => Ok(Authorize { payment, token, amount }),
        _ => Err(violations),
    }
}

pub(super) fn refund(mut request: pb::RefundPaymentRequest) -> Result<Refund, Violations> {
    let mut violations = Violations::default();
    let payment = Capability::read(&request.payment_id, "payment_id", &mut violations);
    let id = rpc::uuid(&mut request.refund_id, "refund_id", &mut violations);
    let amount = Money::read_amount(request.amount.as_ref(), "amount", &mut violations);
    match (payment, amount) {
        (Some(payment), Some(amount)) => violations.check().map(|()| Refund { payment, id, amount }),
        _ => Err(violations),
    }
}

pub(super) fn list(request: &pb::ListPaymentsRequest) -> Result<List, Error> {
    let mut violations = Violations::default();
    let size = rpc::page_size(request.page_size, PAGE_DEFAULT, PAGE_MAX, &mut violations);
    let mut states = Vec::with_capacity(request.states.len().min(STATES_MAX));
    if request.states.len() > STATES_MAX {
        violations.add("states", format!("must be at most {STATES_MAX}"));
    } else {
        for (index, number) in request.states.iter().enumerate() {
            match state(*number) {
                Some(state) => states.push(state),
                None => violations.add(format!("states[{index}]"), "must be a state"),
            }
        }
    }
    violations.check()?;
    let token = request.page_token.as_str();
    let before = if token.is_empty() { None } else { Some(Place::read(token, &request.states)?) };
    Ok(List { states, numbers: request.states.clone(), before, size })
}

fn state(number: i32) -> Option<State> {
    match pb::PaymentState::try_from(number).ok()? {
        pb::PaymentState::Unspecified => None,
        pb::PaymentState::Authorizing => Some(State::Authorizing),
        pb::PaymentState::Authorized => Some(State::Authorized),
        // Whatever the reason: a list is of all of them.
        pb::PaymentState::Declined => Some(State::Declined(Decline::Generic)),
        pb::PaymentState::Capturing => Some(State::Capturing),
        pb::PaymentState::Captured => Some(State::Captured),
        pb::PaymentState::Voiding => Some(State::Voiding),
        pb::PaymentState::Voided => Some(State::Voided),
    }
}

//! Requests, parsed: everything wrong with one is found at once.

mod field;

use std::sync::Arc;

use contracts::checkout::v1 as pb;
use mesh::Violations;
use prost::Message as _;
use rpc::money::Money;
use rpc::{etag, once, request_id};
use store::{Keep, Request};

use crate::command::Command;
use crate::error::{Error, unexpected};
use crate::order::{Address, Placed};
use crate::page::{self, Filter};
use crate::proof::QUOTE_ID_MAX;
use crate::quote::{Quote, Wish};
use crate::shipping;
use crate::store::{Answer, NewOrder, PLACE_ORDER, Query, Telling};
use rpc::Capability;

use field::{destination, email, money, text, time_us, tracking, units};

/// The most states that a list asks for.
const STATES_MAX: usize = 20;
/// The most bytes of a contact that a list asks for.
const CONTACT_MAX: usize = 254;
/// The most characters of a comment.
const COMMENT_MAX: usize = 500;

/// A `PlaceOrderRequest`.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) cart: Capability,
    pub(super) quote_id: String,
    pub(super) expected_total: Money,
    pub(super) address: Address,
    contact_email: String,
    card_token: Capability,
    pub(super) request: Request,
}

impl Place {
    /// The order that it places at this quote.
    pub(super) fn of(self, quote: Quote, traceparent: Option<String>) -> Result<NewOrder, Error> {
        let id = Capability::random().map_err(|_| unexpected("make an order's id", "there are no random numbers"))?;
        let placed = Placed {
            cart: self.cart,
            cart_etag: quote.cart_etag,
            currency: quote.currency,
            lines: quote.lines,
            amounts: quote.amounts,
            shipping: quote.shipping,
            address: self.address,
            contact_email: self.contact_email,
            traceparent,
        };
        Ok(NewOrder { id, placed: Arc::new(placed), card_token: self.card_token })
    }
}

pub(super) fn order(id: &str) -> Result<Capability, Violations> {
    Capability::parse(id).ok_or_else(|| Violations::one("order_id", Capability::RULE))
}

pub(super) fn quote(request: &pb::QuoteOrderRequest) -> Result<Wish, Violations> {
    let mut violations = Violations::default();
    let cart = Capability::read(&request.cart_id, "cart_id", &mut violations);
    let destination = destination("destination", request.destination.as_ref(), &mut violations);
    let shipping = &request.shipping_option_id;
    if !shipping.is_empty() && !shipping::is_id(shipping) {
        violations.add("shipping_option_id", "must match [a-z0-9][a-z0-9-]{0,31}");
    }
    violations.clone().check()?;
    let Some((cart, destination)) = cart.zip(destination) else { return Err(violations) };
    Ok(Wish { cart, destination, shipping: (!shipping.is_empty()).then(|| shipping.clone()) })
}

pub(super) fn place(mut request: pb::PlaceOrderRequest) -> Result<Place, Violations> {
    let mut violations = Violations::default();
    let id = request_id(&mut request.request_id, &mut violations);
    let cart = Capability::read(&request.cart_id, "cart_id", &mut violations);
    if request.quote_id.is_empty() || request.quote_id.len() > QUOTE_ID_MAX {
        violations.add("quote_id", format!("must be 1 to {QUOTE_ID_MAX} bytes"));
    }
    let total = money("expected_total", request.expected_total.as_ref(), &mut violations);
    let address = field::address("shipping_address", request.shipping_address.as_ref(), &mut violations);
    email("contact_email", &request.contact_email, &mut violations);
    let card_token = Capability::read(&request.card_token, "card_token", &mut violations);
    violations.clone().check()?;
    let parsed = cart.zip(total).zip(address.zip(card_token));
    let Some(((cart, expected_total), (address, card_token))) = parsed else { return Err(violations) };
    let request_ = forever(&cart, PLACE_ORDER, id, &request.encode_to_vec());
    let pb::PlaceOrderRequest { quote_id, contact_email, .. } = request;
    Ok(Place { cart, quote_id, expected_total, address, contact_email, card_token, request: request_ })
}

pub(super) fn list(request: pb::ListOrdersRequest) -> Result<Query, Error> {
    let mut violations = Violations::default();
    let size = rpc::page_size(request.page_size, page::SIZE_DEFAULT, page::SIZE_MAX, &mut violations);
    if request.states.len() > STATES_MAX {
        violations.add("states", format!("must be at most {STATES_MAX} states"));
    }
    let mut states = Vec::new();
    for (index, number) in request.states.iter().enumerate().take(STATES_MAX) {
        match field::state(*number) {
            Some(state) => states.push(state),
            None => violations.add(format!("states[{index}]"), "must be a state of an order"),
        }
    }
    if request.contact_email.len() > CONTACT_MAX {
        violations.add("contact_email", format!("must be at most {CONTACT_MAX} bytes"));
    }
    let step_since = time_us("step_since_before", request.step_since_before.as_ref(), &mut violations);
    let filter = Filter {
        states,
        placed_from_us: time_us("placed_from", request.placed_from.as_ref(), &mut violations),
        placed_before_us: time_us("placed_before", request.placed_before.as_ref(), &mut violations),
        contact_email: request.contact_email,
        step_since_before_us: step_since.or(request.unfinished.then_some(i64::MAX)),
    };
    violations.check()?;
    let token = (!request.page_token.is_empty()).then_some(&request.page_token);
    let after = token.map(|token| filter.read_token(token).ok_or(Error::PageToken)).transpose()?;
    Ok(Query { filter, size, after })
}

pub(super) fn cancel(
    mut request: pb::CancelOrderRequest,
    operator: bool,
    answer: Answer,
) -> Result<Telling, Violations> {
    let mut violations = Violations::default();
    let id = request_id(&mut request.request_id, &mut violations);
    let order = named(&request.order_id, &request.etag, violations)?;
    let rpc = "souk.checkout.v1.CheckoutService/CancelOrder";
    Ok(order.told(Command::Cancel { operator }, answer, rpc, id, &request.encode_to_vec()))
}

pub(super) fn refund(mut request: pb::RefundOrderRequest, answer: Answer) -> Result<Telling, Violations> {
    let mut violations = Violations::default();
    let id = request_id(&mut request.request_id, &mut violations);
    let units = units(&request.lines, &mut violations);
    text("comment", &request.comment, 0, COMMENT_MAX, &mut violations);
    let order = named(&request.order_id, &request.etag, violations)?;
    let (return_units, comment) = (request.return_units, request.comment.clone());
    let command = Command::Refund { id: id.clone(), units, return_units, comment };
    let rpc = "souk.checkout.v1.CheckoutService/RefundOrder";
    Ok(order.told(command, answer, rpc, id, &request.encode_to_vec()))
}

pub(super) fn fulfill(mut request: pb::FulfillOrderRequest, answer: Answer) -> Result<Telling, Violations> {
    let mut violations = Violations::default();
    let id = request_id(&mut request.request_id, &mut violations);
    let tracking = request.tracking.as_ref().map(|told| tracking("tracking", told, &mut violations));
    let order = named(&request.order_id, &request.etag, violations)?;
    let rpc = "souk.checkout.v1.CheckoutService/FulfillOrder";
    Ok(order.told(Command::Fulfill(tracking), answer, rpc, id, &request.encode_to_vec()))
}

pub(super) fn retry(mut request: pb::RetryOrderRequest, answer: Answer) -> Result<Telling, Violations> {
    let mut violations = Violations::default();
    let id = request_id(&mut request.request_id, &mut violations);
    let order = named(&request.order_id, &request.etag, violations)?;
    let rpc = "souk.checkout.v1.CheckoutService/RetryOrder";
    Ok(order.told(Command::Retry, answer, rpc, id, &request.encode_to_vec()))
}

/// An order in a version.
struct Named {
    order: Capability,
    etag: Option<String>,
}

impl Named {
    fn told(self, command: Command, answer: Answer, rpc: &'static str, id: String, content: &[u8]) -> Telling {
        let request = forever(&self.order, rpc, id, content);
        let traceparent = mesh::context::traceparent();
        Telling { order: self.order, etag: self.etag, request, command, answer, traceparent }
    }
}

/// The order that a request is about, last of what may be wrong with it.
fn named(order: &str, etag_: &str, mut violations: Violations) -> Result<Named, Violations> {
    let order = Capability::read(order, "order_id", &mut violations);
    let etag = etag(etag_, "etag", &mut violations);
    violations.clone().check()?;
    let Some(order) = order else { return Err(violations) };
    Ok(Named { order, etag })
}

/// Orders remember their requests as long as they are there.
fn forever(scope: &Capability, rpc: &'static str, request_id: String, content: &[u8]) -> Request {
    Request { keep: Keep::Forever, ..once(scope.as_str(), rpc, request_id, content) }
}

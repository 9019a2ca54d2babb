//! The third step, which is payment's own page; here is what it comes back with.
//!
//! The address that it comes back to has the card's token in it. So the address is left at once: the token goes into a
//! short-lived cookie, and no history has it from then on.

use axum::response::Response;
use http::{HeaderMap, HeaderValue, Uri};
use rpc::Capability;

use super::{
    super::{cookie::CARD, query::Parameters, visitor::Visitor},
    on,
};

/// Takes the token out of the address.
pub(in super::super) async fn take(visitor: Visitor, headers: HeaderMap, uri: Uri) -> Response {
    // Who is led here by another site has given no card here: nobody is to pay by somebody else's.
    let is_led = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site");
    let token = Capability::parse(Parameters::of(&uri).first("card_token")).filter(|_| !is_led);
    on("/checkout/review", token.map(|token| CARD.keep(token.as_str(), visitor.is_secure)))
}

/// The token of the card that was given.
pub(super) fn token(headers: &HeaderMap) -> Option<Capability> {
    CARD.values(headers).find_map(Capability::parse)
}

/// The header that forgets it.
pub(super) fn forgotten(visitor: &Visitor) -> HeaderValue {
    CARD.clear(visitor.is_secure)
}

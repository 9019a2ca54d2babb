//! A change of the cart that was not answered.

use axum::response::Response;

use super::super::{
    frame::{Badge, Frame},
    retry::{self, Words},
    visitor::Visitor,
};

const WORDS: Words = Words {
    title: "The cart did not answer",
    text: "It is away for a moment, and your change may or may not have been made. Try the same again: it is made once, however \
           often you do.",
    back: ("See the cart", "/cart"),
};

/// Answers with a page that sends the same form, with the same request id, again.
pub(super) fn page(visitor: &Visitor, action: &'static str, fields: Vec<(&'static str, String)>) -> Response {
    retry::page(Frame::of(visitor, Badge::Away, false), WORDS, action, fields)
}

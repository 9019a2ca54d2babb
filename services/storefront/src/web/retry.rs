//! A change that was not answered: it may have happened, and sending it again is safe.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::{answer, category::Crumb, frame::Frame};

/// What is said of a form that was not answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    pub(super) title: &'static str,
    pub(super) text: &'static str,
    /// Where to look instead.
    pub(super) back: (&'static str, &'static str),
}

/// A form that can be sent again as it was.
#[derive(Template)]
#[template(path = "retry.html")]
struct Page {
    frame: Frame,
    title: &'static str,
    text: &'static str,
    back: Crumb,
    action: &'static str,
    fields: Vec<(&'static str, String)>,
}

/// Answers with a page that sends the same form, with the same request id, again.
pub(super) fn page(frame: Frame, words: Words, action: &'static str, fields: Vec<(&'static str, String)>) -> Response {
    let frame = Frame { has_forms: true, ..frame };
    let Words { title, text, back: (name, href) } = words;
    let page = Page { frame, title, text, back: Crumb { name: name.into(), href: href.into() }, action, fields };
    answer::page(StatusCode::SERVICE_UNAVAILABLE, &page.frame, &page)
}

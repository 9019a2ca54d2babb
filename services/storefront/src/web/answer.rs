//! A page as an answer: its status, how long it may be kept, and what a browser may load for it.

use askama::Template;
use axum::response::{Html, IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};

use super::{failure, frame::Frame};

/// What a page of ours needs, and nothing else.
pub(super) const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'",
);
/// The same where a product's picture stands elsewhere.
const POLICY_WITH_FOREIGN_PICTURES: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https:; connect-src 'self'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);

/// The address of a page is nobody's business.
pub(super) const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
/// For pages with forms: under `no-referrer` a browser says `Origin: null` even to ourselves (Fetch, "append a request
/// `Origin` header"), and then nobody could tell its form from another site's. Other sites hear nothing either way.
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");

/// For pages with forms in whose address there is an id that is a right: not even this shop is told more than its own name.
const ORIGIN_ALONE: HeaderValue = HeaderValue::from_static("strict-origin");

/// Kept by nobody: it is one visitor's, or has a form that is to be sent once.
const NOT_KEPT: HeaderValue = HeaderValue::from_static("private, no-store");
/// Asked for anew each time.
const ASKED_AGAIN: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Answers with a page.
pub(super) fn page(status: StatusCode, frame: &Frame, template: &impl Template) -> Response {
    let html = match template.render() {
        Ok(html) => html,
        Err(error) => return unwritten(&error),
    };
    let mut answer = (status, Html(html)).into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, if frame.is_private || frame.has_forms { NOT_KEPT } else { ASKED_AGAIN });
    if frame.has_forms {
        headers.insert(header::REFERRER_POLICY, if frame.has_right_in_address { ORIGIN_ALONE } else { SAME_ORIGIN });
    }
    if frame.has_foreign_pictures {
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY_WITH_FOREIGN_PICTURES);
    }
    answer
}

/// Answers that a page could not be written.
pub(super) fn unwritten(error: &askama::Error) -> Response {
    tracing::error!(%error, "a page cannot be rendered");
    failure::broken()
}

/// Sends the browser on with GET, so that loading the page again sends no form twice.
pub(super) fn see_other(location: &str) -> Response {
    let Ok(location) = HeaderValue::try_from(location) else { return failure::broken() };
    (StatusCode::SEE_OTHER, [(header::LOCATION, location), (header::CACHE_CONTROL, NOT_KEPT)]).into_response()
}

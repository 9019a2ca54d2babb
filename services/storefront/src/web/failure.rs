//! Pages that say what went wrong.

use std::{convert::Infallible, panic::AssertUnwindSafe};

use askama::Template;
use axum::response::{Html, IntoResponse as _, Response};
use futures_util::FutureExt as _;
use http::{HeaderValue, StatusCode, header};

use super::{category::Crumb, frame::Frame};

#[derive(Template)]
#[template(path = "failure.html")]
struct Page {
    frame: Frame,
    title: &'static str,
    status: u16,
    text: String,
    /// Where to go from here.
    back: Crumb,
}

pub(super) async fn not_found() -> Response {
    page(
        StatusCode::NOT_FOUND,
        "There is no stall here",
        "The address may have a slip of the pen in it, or what stood here has moved on.",
    )
}

pub(super) async fn method_not_allowed() -> Response {
    page(StatusCode::METHOD_NOT_ALLOWED, "This can only be looked at", "The page at this address takes no orders.")
}

/// The answer where a page broke. The reason is in the log and in the trace, not on the page.
pub(super) fn broken() -> Response {
    page(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Something fell off a shelf",
        "That is our mistake, and it has been noted. The rest of the shop is open.",
    )
}

/// The answer where a service that the page cannot do without does not answer.
pub(super) fn away(what: &str) -> Response {
    page(
        StatusCode::SERVICE_UNAVAILABLE,
        "Away for a moment",
        format!("{what} does not answer just now. Nothing is lost: load the page again in a moment."),
    )
}

/// The answer to what a page cannot make sense of, with a way back.
pub(super) fn refused(status: StatusCode, title: &'static str, text: impl Into<String>, back: Crumb) -> Response {
    let page = Page { frame: Frame::bare(), title, status: status.as_u16(), text: text.into(), back };
    // Only a writer that fails makes it fail, and a String does not.
    let html = page.render().unwrap_or_else(|_| title.to_owned());
    (status, [(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))], Html(html)).into_response()
}

fn page(status: StatusCode, title: &'static str, text: impl Into<String>) -> Response {
    refused(status, title, text, Crumb { name: "Back to the first page".into(), href: "/".into() })
}

/// Makes a page of a panic, so that it costs one answer and not a connection with others on it.
pub(super) async fn catch_panic(answer: impl Future<Output = Result<Response, Infallible>>) -> Response {
    // Nothing that a page changes is shared between requests.
    match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(Ok(answer)) => answer,
        Err(_panic) => broken(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_page_that_panics_is_a_page_that_says_so() {
        let answer = catch_panic(async { panic!("a bug") }).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}

//! A form that a browser sends: from a page of this shop, of a size that a form has, and complete.

use std::sync::Arc;

use axum::{
    extract::{FromRequest, Request},
    response::Response,
};
use http::{StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use rpc::ProductId;
use uuid::Uuid;

use super::{
    Shop,
    category::Crumb,
    failure,
    origin::{self, Foreign},
    query::Parameters,
};

/// Bytes of a form at most; ours have a twentieth.
const FORM_BYTES_MAX: usize = 16 * 1024;
const CONTENT_TYPE: &str = "application/x-www-form-urlencoded";

/// Units at most of a product in a cart (cart's contract).
pub(super) const QUANTITY_MAX: i32 = 10_000;
/// What is said of a number that is none.
pub(super) const QUANTITY_RULE: &str = "Write a whole number from 1 to 10,000.";

/// The fields of a form.
#[derive(Debug)]
pub(super) struct Form(Parameters);

impl Form {
    /// What somebody wrote into a field; empty where there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.first(name)
    }

    /// Which product it is about.
    pub(super) fn product(&self) -> Result<ProductId, Box<Response>> {
        ProductId::parse(self.text("product_id")).ok_or_else(incomplete)
    }

    /// What makes sending it twice harmless.
    pub(super) fn request_id(&self) -> Result<String, Box<Response>> {
        let id = Uuid::try_parse(self.text("request_id")).map_err(|_| incomplete())?;
        Ok(id.hyphenated().to_string())
    }
}

/// A new id for a form that is shown: 122 random bits.
pub(super) fn new_request_id() -> String {
    Uuid::new_v4().hyphenated().to_string()
}

/// The number of units that somebody wrote.
pub(super) fn quantity(text: &str) -> Option<i32> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let quantity = if is_number { text.parse().ok()? } else { return None };
    (1..=QUANTITY_MAX).contains(&quantity).then_some(quantity)
}

impl FromRequest<Arc<Shop>> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, _shop: &Arc<Shop>) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        if let Err(foreign) = origin::check(&parts.uri, &parts.headers) {
            return Err(self::foreign(foreign));
        }
        let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
        if !essence.trim().eq_ignore_ascii_case(CONTENT_TYPE) {
            let text = format!("Forms of this shop are {CONTENT_TYPE}. Nothing was changed.");
            return Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This is no form", text));
        }
        match Limited::new(body, FORM_BYTES_MAX).collect().await {
            Ok(body) => Ok(Self(Parameters::parse(&body.to_bytes()))),
            Err(error) if error.is::<LengthLimitError>() => Err(refused(
                StatusCode::PAYLOAD_TOO_LARGE,
                "This form is too large",
                "It has more than 16 KiB, and none of ours has. Nothing was changed.".into(),
            )),
            Err(_gone) => Err(*incomplete()),
        }
    }
}

/// The answer to a form that was not sent from here.
pub(super) fn foreign(foreign: Foreign) -> Response {
    tracing::debug!(%foreign, "a form is not taken");
    refused(
        StatusCode::FORBIDDEN,
        "This form is not ours",
        format!("{foreign} Nothing was changed. If it was you, open the cart here and try again."),
    )
}

/// The answer to a form that lacks what only this shop fills in.
pub(super) fn incomplete() -> Box<Response> {
    let text =
        "A field that belongs to it is missing or damaged. Nothing was changed; open the page again and try anew.";
    Box::new(refused(StatusCode::BAD_REQUEST, "This form is incomplete", text.into()))
}

fn refused(status: StatusCode, title: &'static str, text: String) -> Response {
    failure::refused(status, title, text, Crumb { name: "To the cart".into(), href: "/cart".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_a_whole_number_within_the_carts_limits() {
        for (text, expected) in [("1", Some(1)), (" 12 ", Some(12)), ("10000", Some(10_000)), ("007", Some(7))] {
            assert_eq!(quantity(text), expected, "{text}");
        }
        for text in ["", "0", "-1", "+1", "1.5", "1e3", "10001", "99999999999999999999", "two", "١"] {
            assert_eq!(quantity(text), None, "{text}");
        }
    }
}

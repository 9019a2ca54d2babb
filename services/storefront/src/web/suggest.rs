//! What somebody who is typing may be after, for the script of the search box. Without it nothing is lost: the box is a
//! form.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use contracts::search::v1::{SuggestQueriesRequest, Suggestion};
use http::{HeaderValue, StatusCode, Uri, header};
use serde_json::json;

use super::{Shop, query::Parameters, text::shown};

/// Characters that search completes at most (its contract); who has typed more knows what to look for.
const PREFIX_CHARS_MAX: usize = 100;
/// Suggestions below the box.
const SUGGESTIONS: i32 = 8;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The same letters within a minute are not worth another question.
const A_MINUTE: HeaderValue = HeaderValue::from_static("private, max-age=60");

/// Answers with `{"suggestions":[{"query":"…","count":3}]}`. 503: search is away.
pub(super) async fn answer(State(shop): State<Arc<Shop>>, uri: Uri) -> Response {
    let parameters = Parameters::of(&uri);
    let prefix = parameters.first("q").trim();
    if prefix.is_empty() || prefix.chars().count() > PREFIX_CHARS_MAX {
        return listed(StatusCode::OK, &[]);
    }
    match shop.suggest(SuggestQueriesRequest { prefix: prefix.to_owned(), page_size: SUGGESTIONS }).await {
        Ok(suggestions) => listed(StatusCode::OK, &suggestions),
        Err(refusal) if refusal.is_away() => listed(StatusCode::SERVICE_UNAVAILABLE, &[]),
        Err(_nothing) => listed(StatusCode::OK, &[]),
    }
}

fn listed(status: StatusCode, suggestions: &[Suggestion]) -> Response {
    let suggestions = suggestions.iter().map(|one| json!({ "query": shown(&one.query), "count": one.product_count }));
    let body = json!({ "suggestions": suggestions.collect::<Vec<_>>() }).to_string();
    let caching = if status == StatusCode::OK { A_MINUTE } else { HeaderValue::from_static("no-store") };
    (status, [(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, caching)], body).into_response()
}

//! Pictures, the style and the script, from the binary itself.

use std::sync::LazyLock;

use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};

use super::failure;

/// For what is asked for by its version: it never changes.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// For the rest: an hour without a question, then the entity tag is compared.
const AN_HOUR: HeaderValue = HeaderValue::from_static("public, max-age=3600");

const STYLE: &str = "/assets/style.css";
const SCRIPT: &str = "/assets/shop.js";

/// A file in the binary.
struct Asset {
    path: &'static str,
    content_type: &'static str,
    /// With its quotes.
    etag: &'static str,
    bytes: &'static [u8],
}

/// By path, ascending.
static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Where the pages find their style, with its version.
pub(super) static STYLE_URI: LazyLock<String> = LazyLock::new(|| versioned(STYLE));
/// And their script.
pub(super) static SCRIPT_URI: LazyLock<String> = LazyLock::new(|| versioned(SCRIPT));

/// Answers with the file at the request's path.
pub(super) async fn show(uri: Uri, headers: HeaderMap) -> Response {
    let Some(asset) = find(uri.path()) else { return failure::not_found().await };
    let version = uri.query().and_then(|query| query.strip_prefix("v="));
    let caching = if version == Some(asset.etag.trim_matches('"')) { FOR_EVER } else { AN_HOUR };
    let validators = [(header::CACHE_CONTROL, caching), (header::ETAG, HeaderValue::from_static(asset.etag))];
    if is_known(&headers, asset.etag) {
        return (StatusCode::NOT_MODIFIED, validators).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type))];
    (validators, content_type, Bytes::from_static(asset.bytes)).into_response()
}

fn versioned(path: &str) -> String {
    let version = find(path).map_or("", |asset| asset.etag).trim_matches('"');
    format!("{path}?v={version}")
}

fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.binary_search_by_key(&path, |asset| asset.path).ok().map(|index| &ASSETS[index])
}

/// Whether the caller has this version already (RFC 9110, 13.1.2: weak comparison).
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_asset_is_found_by_its_path() {
        assert!(ASSETS.is_sorted_by_key(|asset| asset.path));
        assert!(ASSETS.iter().all(|asset| find(asset.path).is_some() && !asset.bytes.is_empty()));
        assert!(find("/pictures/../style.css").is_none());
        assert!(STYLE_URI.len() > STYLE.len() + "?v=".len() && SCRIPT_URI.len() > SCRIPT.len() + "?v=".len());
    }

    #[test]
    fn pictures_load_nothing_and_run_nothing() {
        for picture in ASSETS.iter().filter(|asset| asset.content_type == "image/svg+xml") {
            let text = std::str::from_utf8(picture.bytes).unwrap();
            assert!(text.starts_with("<svg ") && text.contains("viewBox="), "{}", picture.path);
            for forbidden in ["<script", "<foreignObject", "<image", "href=", " style=", "<!ENTITY"] {
                assert!(!text.contains(forbidden), "{}: {forbidden}", picture.path);
            }
            assert!(text.matches("http").count() == 1, "{}: an address beside its namespace", picture.path);
        }
    }
}

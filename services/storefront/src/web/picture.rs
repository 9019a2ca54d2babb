//! Pictures: this shop's own, and those that stand elsewhere.
//!
//! A picture elsewhere is asked for by https alone and without a referrer; whatever else a product names is not shown.
//! Where none is shown, or none comes, the card's own ground stands in (`no-picture.svg`).

use contracts::catalog::v1 as catalog;
use http::{Uri, uri::Scheme};

use super::text::shown;

/// A picture that may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) uri: String,
    /// What it shows; never empty.
    pub(super) alt: String,
    /// It stands elsewhere.
    pub(super) is_foreign: bool,
}

impl Picture {
    /// A product's picture, where it is one. The product's `name` says what it shows if nothing else does.
    pub(super) fn of(picture: &catalog::Picture, name: &str) -> Option<Self> {
        Self::at(&picture.uri, if picture.alt_text.is_empty() { name } else { &picture.alt_text })
    }

    /// The picture at an address.
    pub(super) fn at(uri: &str, alt: &str) -> Option<Self> {
        let alt = shown(alt);
        if is_own(uri) {
            return Some(Self { uri: uri.to_owned(), alt, is_foreign: false });
        }
        Some(Self { uri: foreign(uri)?, alt, is_foreign: true })
    }
}

/// Whether a picture comes from this shop: a path, and not `//host/path`, which is another's.
fn is_own(uri: &str) -> bool {
    uri.starts_with('/') && !uri.starts_with("//") && !uri.contains('\\')
}

/// The address of a picture elsewhere, by https: a page that came so shows no other, and who still has pictures serves
/// them so too.
fn foreign(uri: &str) -> Option<String> {
    let parsed: Uri = uri.parse().ok()?;
    let authority = parsed.authority()?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return None;
    }
    if parsed.scheme() == Some(&Scheme::HTTPS) {
        return Some(uri.to_owned());
    }
    let is_plain = parsed.scheme() == Some(&Scheme::HTTP) && parsed.port().is_none();
    let path = parsed.path_and_query().map_or("/", |path| path.as_str());
    is_plain.then(|| format!("https://{authority}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_our_own_and_https_is_elsewhere() {
        let own = Picture::at("/pictures/mug.svg", "A mug").unwrap();
        assert!(!own.is_foreign && own.alt == "A mug");
        let foreign = Picture::at("https://img.example/a.jpg?w=1", "x").unwrap();
        assert!(foreign.is_foreign && foreign.uri == "https://img.example/a.jpg?w=1");
        assert_eq!(Picture::at("http://img.example/a.jpg", "x").unwrap().uri, "https://img.example/a.jpg");
    }

    #[test]
    fn whatever_else_a_product_names_is_not_loaded() {
        for uri in [
            "",
            "x.svg",
            "//elsewhere/x.svg",
            "/\\elsewhere",
            "javascript:alert(1)",
            "data:image/svg+xml,<svg/>",
            "https://",
            "https://user:secret@elsewhere/x.png",
            "http://elsewhere:8080/x.png",
            "ftp://elsewhere/x.png",
            "https://else where/x.png",
        ] {
            assert_eq!(Picture::at(uri, "x"), None, "{uri}");
        }
    }

    #[test]
    fn the_products_name_says_what_a_picture_shows_if_nothing_else_does() {
        let picture = catalog::Picture { uri: "/x.svg".into(), alt_text: String::new() };
        assert_eq!(Picture::of(&picture, "Brass bell").unwrap().alt, "Brass bell");
    }
}

//! What an address asks for, and how addresses are written.
//!
//! Parameters that a page does not know are left alone, and so is what is no UTF-8: an address that somebody cut or
//! lengthened still shows something.

use form_urlencoded::Serializer;
use http::Uri;

/// Parameters at most that are looked at; no page of ours writes a tenth of them.
const PARAMETERS_MAX: usize = 200;

/// The parameters of an address or of a form, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Those of an address.
    pub(super) fn of(uri: &Uri) -> Self {
        Self::parse(uri.query().unwrap_or_default().as_bytes())
    }

    /// Those that are encoded as `application/x-www-form-urlencoded`.
    pub(super) fn parse(encoded: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(encoded).take(PARAMETERS_MAX);
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// The first of this name; empty where there is none.
    pub(super) fn first(&self, name: &str) -> &str {
        self.0.iter().find(|(one, _)| one == name).map_or("", |(_, value)| value)
    }

    /// All of this name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(one, _)| one == name).map(|(_, value)| value.as_str())
    }
}

/// An address in the making.
pub(super) struct Link {
    path: &'static str,
    query: Serializer<'static, String>,
}

impl Link {
    pub(super) fn to(path: &'static str) -> Self {
        Self { path, query: Serializer::new(String::new()) }
    }

    /// Adds a parameter, unless it is empty.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.query.append_pair(name, value);
        }
        self
    }

    pub(super) fn finish(mut self) -> String {
        let query = self.query.finish();
        if query.is_empty() { self.path.to_owned() } else { format!("{}?{query}", self.path) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_into_an_address_is_read_from_it() {
        let link = Link::to("/search").with("q", "tea & \"glass\" 100%").with("none", "").with("brand", "É").finish();
        let parameters = Parameters::of(&link.parse().unwrap());
        assert_eq!((parameters.first("q"), parameters.first("brand")), ("tea & \"glass\" 100%", "É"));
        assert!(!link.contains("none"));
        assert_eq!(Link::to("/search").finish(), "/search");
    }

    #[test]
    fn a_broken_address_gives_what_can_be_read() {
        let parameters = Parameters::of(&"/search?q=%ff%&&x&q=2".parse().unwrap());
        assert_eq!(parameters.all("q").collect::<Vec<_>>(), ["\u{fffd}%", "2"]);
        assert_eq!(parameters.first("absent"), "");
    }
}

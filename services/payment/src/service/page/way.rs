//! Where to go on once a card is taken: a path of this site and of no other.

/// The most characters of a path.
const PATH_MAX: usize = 512;

/// A path of this site, perhaps with a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way(String);

impl Way {
    /// What a page's query says, if that is a path of this site and none of the pages' own.
    pub(super) fn of(query: Option<&str>) -> Option<Self> {
        let mut told = form_urlencoded::parse(query?.as_bytes()).filter(|(name, _)| name == "return");
        let (_, path) = told.next()?;
        // Two of them: whoever wrote one may not have written the other.
        if told.next().is_some() {
            return None;
        }
        Self::parse(&path)
    }

    fn parse(path: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%?&=+:@!$'()*,;".contains(&byte);
        // Browsers take `//` and `/\` for another site, and resolve dots.
        let here = path.starts_with('/') && !path.starts_with("//") && path.bytes().all(plain);
        let straight = !path.split(['/', '?']).any(|part| part == "." || part == "..");
        let ours = path.starts_with(super::BELOW);
        (path.len() <= PATH_MAX && here && straight && !ours).then(|| Self(path.to_owned()))
    }

    /// The path itself.
    pub(super) fn path(&self) -> &str {
        &self.0
    }

    /// The path with a card's token in its query.
    pub(super) fn with_token(&self, token: &str) -> String {
        let separator = if self.0.contains('?') { '&' } else { '?' };
        format!("{}{separator}card_token={token}", self.0)
    }

    /// The address of the page that leads there.
    pub(super) fn page(&self) -> String {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("return", &self.0).finish();
        format!("{}?{query}", super::CARD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_a_path_of_this_site_and_of_no_other() {
        for path in ["/", "/checkout", "/checkout/0123?step=pay&x=1", "/a%2Fb"] {
            assert_eq!(Way::parse(path), Some(Way(path.to_owned())), "{path}");
        }
        for path in [
            "",
            "checkout",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example/",
            "/a\r\nset-cookie: x",
            "/a b",
            "/ä",
            "/a#b",
            "/../a",
            "/a/./b",
            "/\"><script>",
            "/pay/card?return=/",
            &format!("/{}", "a".repeat(512)),
        ] {
            assert_eq!(Way::parse(path), None, "{path}");
        }
        assert_eq!(Way::of(Some("return=%2Fa&return=%2Fb")), None);
        assert_eq!(Way::of(Some("x=1")), None);
        assert_eq!(Way::of(None), None);
    }

    #[test]
    fn a_token_is_added_to_what_is_there_and_a_page_leads_to_itself() {
        let way = Way::parse("/checkout?order=1&x=2").unwrap();
        assert_eq!(way.with_token("t"), "/checkout?order=1&x=2&card_token=t");
        assert_eq!(Way::parse("/checkout").unwrap().with_token("t"), "/checkout?card_token=t");
        let page = way.page();
        assert_eq!(Way::of(page.split_once('?').map(|(_, query)| query)), Some(way));
    }
}

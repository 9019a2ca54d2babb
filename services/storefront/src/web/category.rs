//! Ways through the categories, as they stand in addresses: `Home/Kitchen/Mugs`.
//!
//! A slash or a backslash within a name has a backslash before it. They stand in the query, since a path would lose
//! names that are dots.

use contracts::catalog::v1::CategoryPath;

use super::{query::Link, text::shown};

/// The contract's limits.
const NAMES_MAX: usize = 8;
const NAME_CHARS_MAX: usize = 100;

/// A category and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Crumb {
    pub(super) name: String,
    pub(super) href: String,
}

/// The path as it stands in an address.
pub(super) fn written(names: &[String]) -> String {
    let escaped = names.iter().map(|name| name.replace('\\', "\\\\").replace('/', "\\/"));
    escaped.collect::<Vec<_>>().join("/")
}

/// The path that an address names, if the contract allows it.
pub(super) fn parse(text: &str) -> Option<Vec<String>> {
    let mut names = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '/' => names.push(String::new()),
            '\\' => names.last_mut()?.push(chars.next()?),
            c => names.last_mut()?.push(c),
        }
    }
    let is_name = |name: &String| {
        let blank = name.chars().all(char::is_whitespace);
        !blank && !name.chars().any(char::is_control) && name.chars().count() <= NAME_CHARS_MAX
    };
    (names.len() <= NAMES_MAX && names.iter().all(is_name)).then_some(names)
}

/// Where the products of a category are.
pub(super) fn href(names: &[String]) -> String {
    Link::to("/category").with("path", &written(names)).finish()
}

/// From the root down to a category.
pub(super) fn crumbs(names: &[String]) -> Vec<Crumb> {
    (1..=names.len()).map(|depth| Crumb { name: shown(&names[depth - 1]), href: href(&names[..depth]) }).collect()
}

/// The path of the contract.
pub(super) fn path(names: &[String]) -> CategoryPath {
    CategoryPath { names: names.to_vec() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_slash_in_a_name_is_no_step() {
        assert_eq!(parse("Home/Kitchen"), Some(names(&["Home", "Kitchen"])));
        assert_eq!(parse("Cups\\/Mugs/a\\\\b"), Some(names(&["Cups/Mugs", "a\\b"])));
        assert_eq!(parse(".."), Some(names(&[".."])));
        assert_eq!(href(&names(&["Bags & Leather", "A/B"])), "/category?path=Bags+%26+Leather%2FA%5C%2FB");
    }

    #[test]
    fn what_the_contract_refuses_is_no_path() {
        for text in ["", "/", "a//b", "a/", " ", "a\\", "a\u{7}", "1/2/3/4/5/6/7/8/9", &"x".repeat(101)] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(names in prop::collection::vec("[a-z/\\\\ é]{0,6}[a-z/\\\\]", 1..8)) {
            prop_assert_eq!(parse(&written(&names)), Some(names));
        }
    }
}

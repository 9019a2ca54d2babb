//! What a cart knows of a product: this service's own copy of the catalog has nothing else.

pub(crate) use rpc::ProductId;
use rpc::money::Money;

/// The most characters of a name that are kept.
const NAME_MAX: usize = 200;

/// Whether a product can be bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Active,
    Discontinued,
    /// What else is known of it is how it was last.
    Deleted,
}

/// A product as the catalog had it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Product {
    /// At most 200 characters.
    pub(crate) name: String,
    pub(crate) price: Money,
    /// Empty: it has no picture.
    pub(crate) picture_uri: String,
    pub(crate) state: State,
}

/// What an event of the catalog says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// It is like this now.
    Now(Product),
    Deleted,
    /// Something else, which no cart shows.
    Other,
}

/// The beginning of a name that is long.
pub(crate) fn cut(name: &str) -> String {
    name.chars().take(NAME_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cut_between_characters() {
        assert_eq!(cut("A mug"), "A mug");
        assert_eq!(cut(&"ü".repeat(201)), "ü".repeat(200));
    }
}

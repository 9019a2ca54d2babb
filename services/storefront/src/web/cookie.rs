//! The cookies: whose cart this is, a cart that was offered by its link, and an order that is being made.
//!
//! A cart belongs to whoever knows its id, so the id is no text like any other here: it is printed shortened, scripts do
//! not see it, and no other site's request carries it.

use std::fmt;

use http::{HeaderMap, HeaderValue, header};

/// The visitor's own cart.
pub(super) const CART: Name = Name { name: "souk_cart", path: "/", seconds: 90 * 24 * 60 * 60 };
/// The cart that a link offers, for as long as it takes to decide.
pub(super) const OFFER: Name = Name { name: "souk_offer", path: "/cart", seconds: 60 * 60 };

/// Where an order goes, while it is being made: its address is the visitor's own and is kept nowhere else.
pub(super) const DRAFT: Name = Name { name: "souk_checkout", path: "/checkout", seconds: 60 * 60 };
/// The token of the card that pays it, which payment takes for 15 minutes.
pub(super) const CARD: Name = Name { name: "souk_card", path: "/checkout", seconds: 14 * 60 };

/// Bytes of a cookie's value at most: browsers keep 4,096 of a cookie, its name and its attributes among them.
pub(super) const VALUE_MAX: usize = 3_500;

/// Characters of an id that may be printed.
const SHORT: usize = 4;

/// A cookie of this shop: where it is sent, and for how long. A cart lives 90 days after its last change, and so does
/// its cookie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    name: &'static str,
    path: &'static str,
    seconds: u32,
}

/// A cart's id: 32 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct CartId(String);

impl CartId {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 32 && text.bytes().all(is_digit)).then(|| Self(text.to_owned()))
    }

    /// The whole of it, which is the right to the cart.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CartId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", &self.0[..SHORT])
    }
}

impl Name {
    /// The cart that the request's cookie names. Whatever else it says is as good as none.
    pub(super) fn read(self, headers: &HeaderMap) -> Option<CartId> {
        self.values(headers).find_map(CartId::parse)
    }

    /// What the request's cookies of this name say.
    pub(super) fn values(self, headers: &HeaderMap) -> impl Iterator<Item = &str> {
        let lists = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = lists.flat_map(|list| list.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(move |(name, _)| *name == self.name).map(|(_, value)| value)
    }

    /// The header that sets it to a text without spaces, quotes, commas, semicolons and backslashes.
    pub(super) fn keep(self, text: &str, is_secure: bool) -> HeaderValue {
        debug_assert!(text.len() <= VALUE_MAX, "a browser would not keep it");
        self.header(text, self.seconds, is_secure)
    }

    /// The header that sets it.
    pub(super) fn set(self, cart: &CartId, is_secure: bool) -> HeaderValue {
        self.header(cart.reveal(), self.seconds, is_secure)
    }

    /// The header that takes it back.
    pub(super) fn clear(self, is_secure: bool) -> HeaderValue {
        self.header("", 0, is_secure)
    }

    fn header(self, value: &str, seconds: u32, is_secure: bool) -> HeaderValue {
        let Self { name, path, .. } = self;
        let secure = if is_secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        let mut header = HeaderValue::try_from(text).expect("a cookie is visible ASCII");
        header.set_sensitive(true);
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn read(cookies: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(header::COOKIE, HeaderValue::from_static(cookie));
        }
        CART.read(&headers).map(|cart| cart.reveal().to_owned())
    }

    #[test]
    fn the_cart_is_found_among_other_cookies_and_nonsense_is_no_cart() {
        assert_eq!(read(&["a=b; souk_cart=0123456789abcdef0123456789abcdef; c"]).as_deref(), Some(ID));
        assert_eq!(read(&["a=b", "souk_cart=x;souk_cart=0123456789abcdef0123456789abcdef"]).as_deref(), Some(ID));
        for cookie in [
            "",
            "souk_cart",
            "souk_cart=",
            "xsouk_cart=0123456789abcdef0123456789abcdef",
            "souk_cart=0123456789ABCDEF0123456789ABCDEF",
        ] {
            assert_eq!(read(&[cookie]), None, "{cookie}");
        }
    }

    #[test]
    fn a_cookie_is_no_scripts_and_no_other_sites() {
        let id = CartId::parse(ID).unwrap();
        let set = CART.set(&id, true);
        assert_eq!(
            set.to_str().unwrap(),
            format!("souk_cart={ID}; Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax; Secure")
        );
        assert!(set.is_sensitive() && !CART.set(&id, false).to_str().unwrap().contains("Secure"));
        assert!(OFFER.clear(false).to_str().unwrap().starts_with("souk_offer=; Path=/cart; Max-Age=0;"));
    }

    #[test]
    fn an_id_is_printed_shortened() {
        let printed = format!("{:?}", CartId::parse(ID));
        assert_eq!(printed, "Some(0123…)");
    }
}

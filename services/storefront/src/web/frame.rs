//! What stands on every page: the search box, the way to the cart, and how the page may be kept.

use contracts::cart::v1::{Cart, GetCartRequest};

use super::{
    Shop,
    assets::{SCRIPT_URI, STYLE_URI},
    cookie::CartId,
    refusal::Refusal,
    text::grouped,
    visitor::Visitor,
};

/// Around a page.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) style: &'static str,
    pub(super) script: &'static str,
    /// What stands in the search box.
    pub(super) query: String,
    pub(super) badge: Badge,
    pub(super) is_search_away: bool,
    /// The page shows what is only this visitor's, or has a form that is to be sent once.
    pub(super) is_private: bool,
    /// The page has a form that changes something.
    pub(super) has_forms: bool,
    /// The page's address has an id in it that is a right.
    pub(super) has_right_in_address: bool,
    /// The page shows a picture that stands elsewhere.
    pub(super) has_foreign_pictures: bool,
}

/// What the way to the cart says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Badge {
    /// So many units.
    Units(i64),
    Away,
}

impl Frame {
    /// A page of nobody's, of which nothing was asked.
    pub(super) fn bare() -> Self {
        Self {
            style: STYLE_URI.as_str(),
            script: SCRIPT_URI.as_str(),
            query: String::new(),
            badge: Badge::Units(0),
            is_search_away: false,
            is_private: false,
            has_forms: false,
            has_right_in_address: false,
            has_foreign_pictures: false,
        }
    }

    /// A page of a visitor's.
    pub(super) fn of(visitor: &Visitor, badge: Badge, is_search_away: bool) -> Self {
        Self { badge, is_search_away, is_private: visitor.cart.is_some(), ..Self::bare() }
    }

    /// The frame of a page that asks neither cart nor search itself.
    pub(super) async fn ask(shop: &Shop, visitor: &Visitor) -> Self {
        let (badge, is_search_away) = tokio::join!(Badge::ask(shop, visitor), shop.is_search_away());
        Self::of(visitor, badge, is_search_away)
    }
}

impl Badge {
    pub(super) fn of(cart: &Cart) -> Self {
        Self::Units(cart.items.iter().map(|item| i64::from(item.quantity)).sum())
    }

    /// Asks for the visitor's cart, if there is one.
    pub(super) async fn ask(shop: &Shop, visitor: &Visitor) -> Self {
        let Some(id) = &visitor.cart else { return Self::Units(0) };
        match shop.cart_of(id).await {
            Ok(cart) => Self::of(&cart),
            Err(refusal) if refusal.is_away() => Self::Away,
            Err(_gone) => Self::Units(0),
        }
    }

    /// What stands beside the sign: nothing while the cart is empty.
    pub(super) fn sign(&self) -> Option<String> {
        match *self {
            Self::Units(0) => None,
            Self::Units(units @ 1..=999) => Some(units.to_string()),
            Self::Units(_) => Some("999+".into()),
            Self::Away => Some("!".into()),
        }
    }

    /// The same for those who do not see it.
    pub(super) fn words(&self) -> String {
        match *self {
            Self::Units(0) => "Cart, empty".into(),
            Self::Units(1) => "Cart, 1 item".into(),
            Self::Units(units) => format!("Cart, {} items", grouped(units)),
            Self::Away => "Cart, away for a moment".into(),
        }
    }
}

impl Shop {
    /// A cart.
    pub(super) async fn cart_of(&self, id: &CartId) -> Result<Cart, Refusal> {
        let request = GetCartRequest { cart_id: id.reveal().to_owned() };
        let answer = self.cart.clone().get_cart(request).await.map_err(Refusal::from);
        if let Err(refusal) = &answer {
            tracing::debug!(?refusal, cart = ?id, "a cart is not shown");
        }
        Ok(answer?.into_inner().cart.unwrap_or_default())
    }
}

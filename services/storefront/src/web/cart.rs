//! The cart: what is in it, what it costs together, and forms to change it.
//!
//! What a line is called and costs is in the cart's own answer, so the catalog is not asked; inventory is asked once for
//! all lines. Each form carries the cart's version, so that of two open pages the older one changes nothing by mistake.

pub(super) mod add;
pub(super) mod edit;
pub(super) mod offer;
mod retry;

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use contracts::cart::v1::{Cart, CartItem};
use http::{StatusCode, Uri, header};
use rpc::{ProductId, money::Money};

use super::{
    Shop,
    amount::{Amount, Language},
    answer,
    card::href,
    cookie::CART,
    form::new_request_id,
    frame::{Badge, Frame},
    picture::Picture,
    query::{Link, Parameters},
    stock::{Levels, Stock},
    text::{grouped, shown},
    visitor::Visitor,
};

#[derive(Template)]
#[template(path = "cart.html")]
struct Page {
    frame: Frame,
    notice: Option<Notice>,
    contents: Contents,
}

enum Contents {
    Filled(Filled),
    Empty,
    Away,
}

/// A cart with something in it.
struct Filled {
    lines: Vec<Line>,
    etag: String,
    clear_id: String,
    /// Units that can be ordered.
    units: String,
    /// What they cost; `None` where they cannot be added up.
    subtotal: Option<Amount>,
    /// Whether some lines are not in the sum.
    is_partial: bool,
    is_stock_away: bool,
    /// Nothing can be ordered now.
    are_orders_away: bool,
    /// The address that opens this cart elsewhere.
    link: String,
}

struct Line {
    product_id: String,
    href: String,
    name: String,
    picture: Option<Picture>,
    unit_price: Option<Amount>,
    total: Option<Amount>,
    /// As somebody wrote it, right or wrong.
    quantity: String,
    fault: Option<&'static str>,
    is_unavailable: bool,
    stock: Stock,
    /// There are fewer than are wanted.
    shortage: Option<String>,
    set_id: String,
    remove_id: String,
}

/// What is said above the cart.
pub(super) struct Notice {
    text: String,
    is_good: bool,
}

/// A number of units that was not taken.
pub(super) struct Fault {
    product: ProductId,
    entered: String,
    text: &'static str,
}

/// What a form did, as the address says it after the redirect.
#[derive(Clone, Debug)]
enum Done {
    Added(ProductId),
    Changed,
    Removed,
    Cleared,
    Merged,
}

/// Answers with the visitor's cart.
pub(super) async fn show(State(shop): State<Arc<Shop>>, visitor: Visitor, uri: Uri) -> Response {
    let done = Done::read(&Parameters::of(&uri));
    let notice = |cart: &Cart| done.as_ref().and_then(|done| done.notice(cart));
    page(&shop, &visitor, StatusCode::OK, notice, None).await
}

/// The page of the visitor's cart as it is now, with what `notice` says of it.
async fn page(
    shop: &Shop,
    visitor: &Visitor,
    status: StatusCode,
    notice: impl FnOnce(&Cart) -> Option<Notice>,
    fault: Option<&Fault>,
) -> Response {
    let Some(id) = &visitor.cart else {
        let frame = Frame { has_forms: true, ..Frame::of(visitor, Badge::Units(0), shop.is_search_away().await) };
        let page = Page { frame, notice: notice(&Cart::default()), contents: Contents::Empty };
        return answer::page(status, &page.frame, &page);
    };
    let (cart, is_search_away, are_orders_away) =
        tokio::join!(shop.cart_of(id), shop.is_search_away(), shop.are_orders_away());
    let cart = match cart {
        Ok(cart) => cart,
        Err(refusal) if refusal.is_away() => {
            let frame = Frame { has_forms: true, ..Frame::of(visitor, Badge::Away, is_search_away) };
            let page = Page { frame, notice: None, contents: Contents::Away };
            return answer::page(StatusCode::SERVICE_UNAVAILABLE, &page.frame, &page);
        }
        Err(_gone) => {
            let frame = Frame { has_forms: true, ..Frame::of(visitor, Badge::Units(0), is_search_away) };
            let notice = Notice::bad("Your cart is gone: nobody had changed it for 90 days.");
            let page = Page { frame, notice: Some(notice), contents: Contents::Empty };
            let taken_back = [(header::SET_COOKIE, CART.clear(visitor.is_secure))];
            return (taken_back, answer::page(status, &page.frame, &page)).into_response();
        }
    };
    let levels = Levels::ask(shop, cart.items.iter().map(|item| item.product_id.clone()).collect()).await;
    let mut frame = Frame { has_forms: true, ..Frame::of(visitor, Badge::of(&cart), is_search_away) };
    let (notice, link) = (notice(&cart), format!("/carts/{}", id.reveal()));
    let contents = if cart.items.is_empty() {
        Contents::Empty
    } else {
        Contents::Filled(Filled { are_orders_away, ..Filled::of(cart, &levels, fault, visitor.language, link) })
    };
    frame.has_foreign_pictures = contents.has_foreign_pictures();
    let page = Page { frame, notice, contents };
    answer::page(status, &page.frame, &page)
}

impl Contents {
    fn has_foreign_pictures(&self) -> bool {
        let Self::Filled(Filled { lines, .. }) = self else { return false };
        lines.iter().any(|line| line.picture.as_ref().is_some_and(|picture| picture.is_foreign))
    }
}

impl Filled {
    fn of(cart: Cart, levels: &Levels, fault: Option<&Fault>, language: &Language, link: String) -> Self {
        let units: i64 = sold(&cart).map(|item| i64::from(item.quantity)).sum();
        let subtotal = subtotal_of(&cart);
        Self {
            units: grouped(units),
            subtotal: subtotal.map(|sum| language.write(sum)),
            is_partial: cart.items.iter().any(|item| item.unavailable),
            is_stock_away: levels.is_away(),
            are_orders_away: false,
            lines: cart.items.iter().map(|item| Line::of(item, levels, fault, language)).collect(),
            etag: cart.etag,
            clear_id: new_request_id(),
            link,
        }
    }
}

impl Line {
    fn of(item: &CartItem, levels: &Levels, fault: Option<&Fault>, language: &Language) -> Self {
        let fault = fault.filter(|fault| fault.product.as_str() == item.product_id);
        let on_hand = levels.on_hand(&item.product_id);
        let too_few = on_hand.filter(|on_hand| *on_hand > 0 && *on_hand < i64::from(item.quantity));
        Self {
            href: href(&item.product_id),
            name: shown(&item.name),
            // The name stands beside it.
            picture: Picture::at(&item.picture_uri, ""),
            unit_price: item.unit_price.as_ref().and_then(|price| language.read(price)),
            total: cost_of(item).map(|cost| language.write(cost)),
            quantity: fault.map_or_else(|| item.quantity.to_string(), |fault| fault.entered.clone()),
            fault: fault.map(|fault| fault.text),
            is_unavailable: item.unavailable,
            stock: levels.stock(&item.product_id),
            shortage: too_few.map(grouped),
            set_id: new_request_id(),
            remove_id: new_request_id(),
            product_id: item.product_id.clone(),
        }
    }
}

/// The lines of a cart that can be ordered.
pub(super) fn sold(cart: &Cart) -> impl Iterator<Item = &CartItem> {
    cart.items.iter().filter(|item| !item.unavailable)
}

/// What they cost together; `None` where they cannot be added up.
pub(super) fn subtotal_of(cart: &Cart) -> Option<Money> {
    let mut costs = sold(cart).map(cost_of);
    let first = costs.next()??;
    costs.try_fold(first, |sum, cost| sum.checked_add(cost?).ok())
}

/// What a line costs; `None` where that is no amount of money.
pub(super) fn cost_of(item: &CartItem) -> Option<Money> {
    let price = Money::try_from(item.unit_price.as_ref()?).ok()?;
    price.checked_mul(item.quantity.into()).ok()
}

impl Notice {
    fn good(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_good: true }
    }

    fn bad(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_good: false }
    }
}

impl Done {
    fn href(&self) -> String {
        let (done, product) = match self {
            Self::Added(product) => ("added", product.as_str()),
            Self::Changed => ("changed", ""),
            Self::Removed => ("removed", ""),
            Self::Cleared => ("cleared", ""),
            Self::Merged => ("merged", ""),
        };
        Link::to("/cart").with("done", done).with("product", product).finish()
    }

    fn read(parameters: &Parameters) -> Option<Self> {
        Some(match parameters.first("done") {
            "added" => Self::Added(ProductId::parse(parameters.first("product"))?),
            "changed" => Self::Changed,
            "removed" => Self::Removed,
            "cleared" => Self::Cleared,
            "merged" => Self::Merged,
            _ => return None,
        })
    }

    /// What is said of it, as far as the cart bears it out: anybody can write an address.
    fn notice(&self, cart: &Cart) -> Option<Notice> {
        let item = |id: &ProductId| cart.items.iter().find(|item| item.product_id == id.as_str());
        Some(Notice::good(match self {
            Self::Added(id) => format!("{} is in your cart.", shown(&item(id)?.name)),
            Self::Changed if !cart.items.is_empty() => "The quantity was changed.".to_owned(),
            Self::Removed => "It was taken out of your cart.".to_owned(),
            Self::Cleared if cart.items.is_empty() => "Your cart was emptied.".to_owned(),
            Self::Merged if !cart.items.is_empty() => "The other cart's things are in yours now.".to_owned(),
            Self::Changed | Self::Cleared | Self::Merged => return None,
        }))
    }
}

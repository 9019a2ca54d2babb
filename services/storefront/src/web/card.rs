//! A product on a list: from the catalog, or as search found it.

use contracts::{
    catalog::v1::{self as catalog, Product},
    google::r#type::Money,
    search::v1::{Highlight, SearchHit},
};

use super::{
    amount::{Amount, Language},
    picture::Picture,
    stock::{Levels, Stock},
    text::{Piece, grouped, pieces, plain, shown},
};

/// A product in a few words.
#[derive(Clone, Debug)]
pub(super) struct Card {
    pub(super) href: String,
    pub(super) name: Vec<Piece>,
    pub(super) brand: Vec<Piece>,
    /// Of the first category; empty where it is not known.
    pub(super) category: String,
    pub(super) picture: Option<Picture>,
    pub(super) price: Option<Amount>,
    /// What it cost before, where that was more.
    pub(super) before: Option<Amount>,
    pub(super) rating: Option<Rating>,
    pub(super) stock: Option<Stock>,
    /// The part of the description that matches what was looked for.
    pub(super) excerpt: Vec<Piece>,
}

/// What buyers think.
#[derive(Clone, Debug)]
pub(super) struct Rating {
    pub(super) average: String,
    /// How many; `None` where that is not known.
    pub(super) count: Option<String>,
}

impl Card {
    pub(super) fn of(product: &Product, levels: &Levels, language: &Language) -> Self {
        Self {
            href: href(&product.product_id),
            name: plain(&product.name),
            brand: plain(&product.brand),
            category: shown(root_category(product)),
            picture: product.pictures.iter().find_map(|picture| Picture::of(picture, &product.name)),
            price: product.price.as_ref().and_then(|price| language.read(price)),
            before: before(product.price.as_ref(), product.list_price.as_ref(), language),
            rating: product.rating.as_ref().map(Rating::of),
            stock: known(levels.stock(&product.product_id)),
            excerpt: Vec::new(),
        }
    }

    pub(super) fn found(hit: &SearchHit, language: &Language) -> Self {
        let matching = |field: &str| hit.highlights.iter().find(|highlight| highlight.field == field).map(marked);
        Self {
            href: href(&hit.product_id),
            name: matching("name").unwrap_or_else(|| plain(&hit.name)),
            brand: matching("brand").unwrap_or_else(|| plain(&hit.brand)),
            category: String::new(),
            picture: hit.picture.as_ref().and_then(|picture| Picture::of(picture, &hit.name)),
            price: hit.price.as_ref().and_then(|price| language.read(price)),
            before: before(hit.price.as_ref(), hit.list_price.as_ref(), language),
            rating: hit.rating.as_ref().map(Rating::of),
            stock: known(Stock::indexed(hit.availability())),
            excerpt: matching("description").unwrap_or_default(),
        }
    }

    pub(super) fn is_picture_foreign(&self) -> bool {
        self.picture.as_ref().is_some_and(|picture| picture.is_foreign)
    }
}

impl Rating {
    pub(super) fn of(rating: &catalog::Rating) -> Self {
        let count = (rating.count > 0).then(|| grouped(rating.count));
        Self { average: format!("{:.1}", rating.average), count }
    }
}

/// Whether a browser has to be let out for the pictures of these.
pub(super) fn any_foreign<'a>(cards: impl IntoIterator<Item = &'a Card>) -> bool {
    cards.into_iter().any(Card::is_picture_foreign)
}

/// A list says what is known; that it is not known is said where somebody decides.
fn known(stock: Stock) -> Option<Stock> {
    Some(stock).filter(|stock| *stock != Stock::Unknown)
}

/// Where a product's page is; an id fits into a path as it is.
pub(super) fn href(product_id: &str) -> String {
    format!("/products/{product_id}")
}

/// What it cost before, where that was more and in the same currency.
pub(super) fn before(now: Option<&Money>, before: Option<&Money>, language: &Language) -> Option<Amount> {
    let (now, before) = (now?, before?);
    let was_more = (before.units, before.nanos) > (now.units, now.nanos) && before.currency_code == now.currency_code;
    was_more.then(|| language.read(before)).flatten()
}

pub(super) fn root_category(product: &Product) -> &str {
    product.categories.first().and_then(|path| path.names.first()).map_or("", String::as_str)
}

fn marked(highlight: &Highlight) -> Vec<Piece> {
    let offset = |at: i32| usize::try_from(at).unwrap_or(usize::MAX);
    pieces(&highlight.text, highlight.ranges.iter().map(|range| (offset(range.start), offset(range.end))))
}

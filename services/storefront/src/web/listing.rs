//! The products of a category, a page at a time, as the catalog lists them; without a category all of them.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use contracts::catalog::v1::{ListProductsRequest, ListProductsResponse};
use http::{StatusCode, Uri};

use super::{
    Shop, answer,
    card::{Card, any_foreign},
    category::{self, Crumb},
    failure,
    frame::Frame,
    query::{Link, Parameters},
    refusal::Refusal,
    stock::Levels,
    text::{grouped, shown},
    visitor::Visitor,
};

/// Products on a page.
const PAGE_SIZE: i32 = 24;
/// Subcategories that are named.
const AISLES_SHOWN: usize = 40;

#[derive(Template)]
#[template(path = "listing.html")]
struct Page {
    frame: Frame,
    title: String,
    /// From the root down to the category above this one.
    above: Vec<Crumb>,
    /// The same products in search, which sorts and filters.
    search_href: String,
    shelf: Shelf,
}

enum Shelf {
    Filled { cards: Vec<Card>, aisles: Vec<(Crumb, String)>, first: Option<String>, next: Option<String> },
    Empty,
    Away,
}

/// Answers with the page.
pub(super) async fn show(State(shop): State<Arc<Shop>>, visitor: Visitor, uri: Uri) -> Response {
    let parameters = Parameters::of(&uri);
    let path = parameters.first("path");
    let names = match path {
        "" => Vec::new(),
        path => match category::parse(path) {
            Some(names) => names,
            None => return unknown(),
        },
    };
    let page_token = parameters.first("page").to_owned();
    let request = ListProductsRequest {
        page_size: PAGE_SIZE,
        page_token: page_token.clone(),
        category: Some(category::path(&names)),
        count_subcategories: true,
        ..ListProductsRequest::default()
    };
    let listed = async {
        let list = shop.list(request).await?;
        let levels = Levels::of_products(&shop, &list.products).await;
        Ok::<_, Refusal>((list, levels))
    };
    let (listed, mut frame) = tokio::join!(listed, Frame::ask(&shop, &visitor));
    let (shelf, status) = match listed {
        Ok((list, levels)) => {
            (Shelf::of(&shop, &visitor, list, &levels, &names, !page_token.is_empty()), StatusCode::OK)
        }
        Err(refusal) if refusal.is_away() => (Shelf::Away, StatusCode::SERVICE_UNAVAILABLE),
        Err(_token) => return no_such_page(&names),
    };
    if let Shelf::Filled { cards, .. } = &shelf {
        frame.has_foreign_pictures = any_foreign(cards);
    }
    let mut above = category::crumbs(&names);
    let title = above.pop().map_or_else(|| "Everything".to_owned(), |crumb| crumb.name);
    let search_href = Link::to("/search").with("category", path).finish();
    let page = Page { frame, title, above, search_href, shelf };
    answer::page(status, &page.frame, &page)
}

impl Shelf {
    fn of(
        shop: &Shop,
        visitor: &Visitor,
        list: ListProductsResponse,
        levels: &Levels,
        names: &[String],
        is_later: bool,
    ) -> Self {
        // A page may be empty although others follow.
        if list.products.is_empty() && list.next_page_token.is_empty() && !is_later {
            return Self::Empty;
        }
        let aisles = list.subcategories.into_iter().take(AISLES_SHOWN).filter_map(|counted| {
            let names = counted.category?.names;
            let crumb = Crumb { name: shown(names.last()?), href: category::href(&names) };
            Some((crumb, grouped(counted.product_count)))
        });
        let aisles = aisles.collect();
        let cards = list.products.into_iter().map(|product| {
            let mut card = Card::of(&product, levels, visitor.language);
            if !names.is_empty() {
                // It is the page's own title, or above it.
                card.category.clear();
            }
            shop.known.see(Arc::new(product));
            card
        });
        let next = Some(list.next_page_token).filter(|token| !token.is_empty());
        Self::Filled {
            cards: cards.collect(),
            aisles,
            first: is_later.then(|| href(names, "")),
            next: next.map(|token| href(names, &token)),
        }
    }
}

fn href(names: &[String], token: &str) -> String {
    Link::to("/category").with("path", &category::written(names)).with("page", token).finish()
}

fn unknown() -> Response {
    let back = Crumb { name: "See everything that there is".into(), href: "/category".into() };
    failure::refused(StatusCode::NOT_FOUND, "There is no such aisle", "The address has a slip of the pen in it.", back)
}

fn no_such_page(names: &[String]) -> Response {
    let back = Crumb { name: "To the first page of the list".into(), href: href(names, "") };
    let text = "The address of this page of the list was changed or cut on its way here.";
    failure::refused(StatusCode::BAD_REQUEST, "There is no such page", text, back)
}

//! The first page: what kinds of things there are, and some of each.
//!
//! All of it but the way to the cart is the same for everybody who reads the same language, so it is made once for all who
//! come within a moment (`kept`).

mod kept;

use std::{collections::HashMap, sync::Arc};

use askama::Template;
use axum::{extract::State, response::Response};
use contracts::{
    catalog::v1::{ListProductsRequest, ListProductsResponse, Product},
    search::v1::{SearchFilter, SearchOrder, SearchProductsRequest, SearchProductsResponse},
};
use http::StatusCode;
use tokio::time::Instant;

use super::{
    Shop,
    amount::Language,
    answer,
    card::{Card, any_foreign, root_category},
    category::{self, Crumb},
    frame::{Badge, Frame},
    picture::Picture,
    refusal::Refusal,
    stock::Levels,
    text::{grouped, shown},
    visitor::Visitor,
};

pub(super) use kept::Kept;

/// Products that are asked for, so that there is something to choose from.
const PRODUCTS_ASKED: i32 = 96;
/// Products that are shown in each part.
const PRODUCTS_SHOWN: usize = 8;
/// Pictures beside the greeting.
const PICTURES_IN_WINDOW: usize = 3;
/// Categories that are shown.
const CATEGORIES_SHOWN: usize = 16;

#[derive(Template)]
#[template(path = "home.html")]
struct Page {
    frame: Frame,
    front: Arc<Front>,
}

/// What is the same for everybody, written.
#[derive(Debug)]
pub(super) struct Front {
    html: String,
    has_foreign_pictures: bool,
}

/// The same before it is written.
#[derive(Template)]
#[template(path = "front.html")]
struct Parts {
    shelf: Shelf,
    best: Vec<Card>,
    is_search_away: bool,
}

/// What catalog has to show.
enum Shelf {
    Filled { products: Vec<Card>, aisles: Vec<Aisle>, window: Vec<String> },
    Empty,
    Away,
}

/// A category, with what one of its products looks like.
struct Aisle {
    crumb: Crumb,
    count: String,
    picture: Option<Picture>,
}

/// Answers with the page.
pub(super) async fn show(State(shop): State<Arc<Shop>>, visitor: Visitor) -> Response {
    let (front, badge) = tokio::join!(front(&shop, visitor.language), Badge::ask(&shop, &visitor));
    let (front, is_search_away) = match front {
        Ok(found) => found,
        Err(error) => return answer::unwritten(&error),
    };
    let mut frame = Frame::of(&visitor, badge, is_search_away);
    frame.has_foreign_pictures = front.has_foreign_pictures;
    let page = Page { frame, front };
    answer::page(StatusCode::OK, &page.frame, &page)
}

/// What is the same for everybody, as it was a moment ago or as it is, and whether search is away.
async fn front(shop: &Shop, language: &'static Language) -> askama::Result<(Arc<Front>, bool)> {
    if let Some(front) = shop.kept.find(language) {
        return Ok((front, shop.search_heard.is_away()));
    }
    let asked = Instant::now();
    let (shelf, best) = tokio::join!(shelf(shop, language), best(shop));
    let is_whole = !matches!(shelf, Shelf::Away) && best.is_ok();
    let is_search_away = best.as_ref().is_err_and(Refusal::is_away);
    let best = best.map(|found| found.hits.iter().map(|hit| Card::found(hit, language)).collect());
    let front = Arc::new(Parts { shelf, best: best.unwrap_or_default(), is_search_away }.write()?);
    // What is missing may be there for the next visitor.
    if is_whole {
        shop.kept.keep(language, asked, &front);
    }
    Ok((front, is_search_away))
}

async fn shelf(shop: &Shop, language: &Language) -> Shelf {
    match list(shop).await {
        Ok(list) => Shelf::of(shop, language, list).await,
        Err(_away) => Shelf::Away,
    }
}

async fn list(shop: &Shop) -> Result<ListProductsResponse, Refusal> {
    shop.list(ListProductsRequest {
        page_size: PRODUCTS_ASKED,
        count_subcategories: true,
        ..ListProductsRequest::default()
    })
    .await
}

/// What buyers like best.
async fn best(shop: &Shop) -> Result<SearchProductsResponse, Refusal> {
    shop.find(SearchProductsRequest {
        filter: Some(SearchFilter { rating_min: 4.0, ..SearchFilter::default() }),
        order: SearchOrder::Rating.into(),
        page_size: i32::try_from(PRODUCTS_SHOWN).unwrap_or_default(),
        ..SearchProductsRequest::default()
    })
    .await
}

impl Parts {
    fn write(&self) -> askama::Result<Front> {
        let has_foreign_pictures = any_foreign(&self.best) || self.shelf.has_foreign_pictures();
        Ok(Front { html: self.render()?, has_foreign_pictures })
    }
}

impl Shelf {
    async fn of(shop: &Shop, language: &Language, list: ListProductsResponse) -> Self {
        if list.products.is_empty() {
            return Self::Empty;
        }
        let products: Vec<_> = list.products.into_iter().map(Arc::new).collect();
        products.iter().cloned().for_each(|product| shop.known.see(product));
        let varied = varied(&products);
        let pictures: HashMap<_, _> = varied.iter().rev().map(|product| (root_category(product), *product)).collect();
        let aisles = list.subcategories.into_iter().take(CATEGORIES_SHOWN).filter_map(|counted| {
            let names = counted.category?.names;
            let crumb = Crumb { name: shown(names.last()?), href: category::href(&names) };
            let shown = pictures.get(names.first()?.as_str()).and_then(|product| product.pictures.first());
            // The name stands beside it.
            let picture = shown.and_then(|picture| Picture::at(&picture.uri, ""));
            Some(Aisle { crumb, count: grouped(counted.product_count), picture })
        });
        let aisles = aisles.collect();
        let near = &varied[..varied.len().min(PRODUCTS_SHOWN)];
        let levels = Levels::of_products(shop, near.iter().copied()).await;
        let cards = |products: &[&Product], levels| -> Vec<_> {
            products.iter().map(|product| Card::of(product, levels, language)).collect()
        };
        // What does not stand below is seen first; a small shop shows its best twice.
        let others = cards(&varied[varied.len().saturating_sub(PICTURES_IN_WINDOW * 4)..], &levels);
        let own = others.iter().rev().filter_map(|card| card.picture.as_ref()).filter(|picture| !picture.is_foreign);
        let window = own.map(|picture| picture.uri.clone()).take(PICTURES_IN_WINDOW).collect();
        Self::Filled { products: cards(near, &levels), aisles, window }
    }

    fn has_foreign_pictures(&self) -> bool {
        match self {
            Self::Filled { products, aisles, .. } => {
                let in_aisles = aisles.iter().any(|aisle| aisle.picture.as_ref().is_some_and(|one| one.is_foreign));
                in_aisles || any_foreign(products)
            }
            Self::Empty | Self::Away => false,
        }
    }
}

/// The products with one of each category before a second of any.
fn varied(products: &[Arc<Product>]) -> Vec<&Product> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut ranked: Vec<_> = products
        .iter()
        .map(|product| {
            let rank = seen.entry(root_category(product)).or_default();
            *rank += 1;
            (*rank, &**product)
        })
        .collect();
    // Stable, so that a round goes through the categories in the catalog's order.
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, product)| product).collect()
}

#[cfg(test)]
mod tests {
    use contracts::catalog::v1::CategoryPath;

    use super::*;

    fn product(id: &str, category: &str) -> Arc<Product> {
        let categories = vec![CategoryPath { names: vec![category.to_owned()] }];
        Arc::new(Product { product_id: id.into(), categories, ..Product::default() })
    }

    #[test]
    fn one_product_of_each_category_comes_before_a_second_of_any() {
        let products = [("a", "Bath"), ("b", "Bath"), ("c", "Garden"), ("d", "Bath"), ("e", "Lighting")];
        let products = products.map(|(id, category)| product(id, category));
        let ids: Vec<_> = varied(&products).into_iter().map(|product| product.product_id.as_str()).collect();
        assert_eq!(ids, ["a", "c", "e", "b", "d"]);
    }
}

//! A product's page: what it is, what it costs, whether there is any, what else there is of its kind.
//!
//! While the catalog is away, the product is shown as this process last saw it, and the page says how long ago.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use contracts::{
    catalog::v1::{GetProductRequest, Product, ProductState},
    search::v1::{SearchFilter, SearchOrder, SearchProductsRequest, SearchProductsResponse},
};
use http::{StatusCode, Uri};
use rpc::ProductId;

use super::{
    Shop,
    amount::Amount,
    answer,
    card::{Card, Rating, any_foreign, before},
    category::{self, Crumb},
    failure,
    form::{QUANTITY_MAX, new_request_id},
    frame::{Badge, Frame},
    picture::Picture,
    query::Link,
    refusal::Refusal,
    stock::{Levels, Stock},
    text::shown,
    visitor::Visitor,
};

/// Others of its kind that are shown.
const RELATED_SHOWN: usize = 4;

#[derive(Template)]
#[template(path = "product.html")]
struct Page {
    frame: Frame,
    product_id: String,
    name: String,
    crumbs: Vec<Crumb>,
    brand: Option<Crumb>,
    pictures: Vec<Picture>,
    price: Option<Amount>,
    before: Option<Amount>,
    rating: Option<Rating>,
    stock: Stock,
    paragraphs: Vec<String>,
    attributes: Vec<(String, String)>,
    sku: String,
    is_discontinued: bool,
    /// How old all this is, while the catalog is away.
    age: Option<String>,
    entry: Entry,
    request_id: String,
    quantity_max: i32,
    related: Vec<Card>,
}

/// What somebody wrote into the form, and what is wrong with it.
pub(super) struct Entry {
    pub(super) quantity: String,
    pub(super) fault: Option<&'static str>,
}

impl Default for Entry {
    fn default() -> Self {
        Self { quantity: "1".into(), fault: None }
    }
}

/// Answers with the page of the product in the address.
pub(super) async fn show(State(shop): State<Arc<Shop>>, visitor: Visitor, uri: Uri) -> Response {
    match uri.path().rsplit('/').next().and_then(ProductId::parse) {
        Some(id) => page(&shop, &visitor, &id, StatusCode::OK, Entry::default()).await,
        None => gone(),
    }
}

/// Answers with a product's page, with the form as it was filled in.
pub(super) async fn page(shop: &Shop, visitor: &Visitor, id: &ProductId, status: StatusCode, entry: Entry) -> Response {
    let known = shop.known.find(id.as_str());
    // Where the kind of product is known from before, others of it are asked for at the same time.
    let kind = known.as_ref().and_then(|known| kind_of(&known.product));
    let (product, levels, badge, related) = tokio::join!(
        get(shop, id),
        Levels::ask(shop, vec![id.as_str().to_owned()]),
        Badge::ask(shop, visitor),
        related(shop, kind)
    );
    let (product, age) = match product {
        Ok(product) => {
            let product = Arc::new(product);
            shop.known.see(Arc::clone(&product));
            (product, None)
        }
        Err(refusal) if refusal.is_away() => match known.as_ref() {
            Some(known) => (Arc::clone(&known.product), Some(known.age())),
            None => return failure::away("The catalog"),
        },
        Err(_gone) => {
            shop.known.forget(id.as_str());
            return gone();
        }
    };
    let related = if kind == kind_of(&product) { related } else { self::related(shop, kind_of(&product)).await };
    let is_search_away = match &related {
        Some(related) => related.as_ref().is_err_and(Refusal::is_away),
        None => shop.is_search_away().await,
    };
    let frame = Frame { has_forms: true, ..Frame::of(visitor, badge, is_search_away) };
    let related = related.and_then(Result::ok).unwrap_or_default();
    let mut page = Page::of(frame, &product, visitor);
    page.related = others(&related, id, visitor);
    (page.stock, page.age, page.entry) = (levels.stock(id.as_str()), age, entry);
    page.frame.has_foreign_pictures =
        any_foreign(&page.related) || page.pictures.iter().any(|picture| picture.is_foreign);
    answer::page(status, &page.frame, &page)
}

async fn get(shop: &Shop, id: &ProductId) -> Result<Product, Refusal> {
    let request = GetProductRequest { product_id: id.as_str().to_owned() };
    let answer = shop.catalog.clone().get_product(request).await.map_err(Refusal::from)?;
    answer.into_inner().product.ok_or_else(Refusal::broken)
}

/// The root category that the product stands in: those below it are often as small as the product is alone.
fn kind_of(product: &Product) -> Option<&[String]> {
    product.categories.first().and_then(|path| path.names.get(..1))
}

/// Others of a kind, those that buyers like first. `None` where no kind is given.
async fn related(shop: &Shop, kind: Option<&[String]>) -> Option<Result<SearchProductsResponse, Refusal>> {
    let filter = SearchFilter { categories: vec![category::path(kind?)], ..SearchFilter::default() };
    let request = SearchProductsRequest {
        filter: Some(filter),
        order: SearchOrder::Rating.into(),
        // One more, which may be the product itself.
        page_size: i32::try_from(RELATED_SHOWN + 1).unwrap_or_default(),
        ..SearchProductsRequest::default()
    };
    Some(shop.find(request).await)
}

fn others(related: &SearchProductsResponse, id: &ProductId, visitor: &Visitor) -> Vec<Card> {
    let others = related.hits.iter().filter(|hit| hit.product_id != id.as_str());
    others.take(RELATED_SHOWN).map(|hit| Card::found(hit, visitor.language)).collect()
}

impl Page {
    fn of(frame: Frame, product: &Product, visitor: &Visitor) -> Self {
        let language = visitor.language;
        let brand = (!product.brand.is_empty()).then(|| Crumb {
            name: shown(&product.brand),
            href: Link::to("/search").with("brand", &product.brand).finish(),
        });
        let lines = shown(&product.description);
        Self {
            frame,
            product_id: product.product_id.clone(),
            name: shown(&product.name),
            crumbs: product.categories.first().map(|path| category::crumbs(&path.names)).unwrap_or_default(),
            brand,
            pictures: product.pictures.iter().filter_map(|one| Picture::of(one, &product.name)).collect(),
            price: product.price.as_ref().and_then(|price| language.read(price)),
            before: before(product.price.as_ref(), product.list_price.as_ref(), language),
            rating: product.rating.as_ref().map(Rating::of),
            stock: Stock::Unknown,
            paragraphs: lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect(),
            attributes: product.attributes.iter().map(|one| (shown(&one.name), shown(&one.value))).collect(),
            sku: shown(&product.sku),
            is_discontinued: product.state() == ProductState::Discontinued,
            age: None,
            entry: Entry::default(),
            request_id: new_request_id(),
            quantity_max: QUANTITY_MAX,
            related: Vec::new(),
        }
    }
}

fn gone() -> Response {
    let text = "It was taken off the shelves, or the address has a slip of the pen in it.";
    let back = Crumb { name: "See everything that there is".into(), href: "/category".into() };
    failure::refused(StatusCode::NOT_FOUND, "There is no such product", text, back)
}

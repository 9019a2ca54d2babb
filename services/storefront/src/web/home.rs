//! The first page: what this shop is, what stands on its shelves, what runs here and how to call it.

use std::{collections::HashSet, sync::Arc};

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse as _, Response},
};
use contracts::catalog::v1::{ListProductsRequest, ListProductsResponse, Product, Subcategory};
use http::{HeaderMap, HeaderValue, Uri, header};
use mesh::{ListenAddress, health::pb::health_check_response::ServingStatus};
use tonic::Request;

use super::{
    Links, Shop,
    assets::STYLE_URI,
    failure,
    money::{grouped, written},
    services::Description,
};

/// Products that are asked for, so that there is something to choose from.
const PRODUCTS_ASKED: i32 = 48;
/// Products that are shown.
const PRODUCTS_SHOWN: usize = 12;
/// Pictures beside the greeting.
const PICTURES_IN_WINDOW: usize = 3;
/// Categories that are named.
const CATEGORIES_SHOWN: usize = 12;

#[derive(Template)]
#[template(path = "home.html")]
struct Page {
    style: &'static str,
    shelf: Shelf,
    services: Vec<Service>,
    connect: Option<Connect>,
}

/// What catalog has to show.
enum Shelf {
    Filled { products: Vec<Card>, categories: Vec<Category>, window: Vec<String> },
    Empty,
    Away,
}

struct Card {
    name: String,
    brand: String,
    category: String,
    /// A picture that this shop serves itself, with what it shows.
    picture: Option<(String, String)>,
    price: Option<String>,
    list_price: Option<String>,
    /// The average, and how many ratings there are.
    rating: Option<(String, String)>,
}

struct Category {
    name: String,
    count: String,
}

struct Service {
    noun: &'static str,
    service: String,
    about: String,
    rpcs: usize,
    is_serving: bool,
}

/// How to reach the other ports.
struct Connect {
    grpc: String,
    /// Only where a browser on this machine is the likely reader.
    admin: Option<String>,
}

/// Answers with the page.
pub(super) async fn show(State(shop): State<Arc<Shop>>, uri: Uri, headers: HeaderMap) -> Response {
    let (shelf, health) = tokio::join!(shelf(&shop), shop.fleet.services());
    let services = shop.services.iter().map(|described| {
        let Description { noun, service, about, rpcs } = described.clone();
        let is_serving = health.get(&service) == Some(&ServingStatus::Serving);
        Service { noun, service, about, rpcs, is_serving }
    });
    let connect = shop.links.as_ref().map(|links| connect(links, host_of(&uri, &headers)));
    let page = Page { style: STYLE_URI.as_str(), shelf, services: services.collect(), connect };
    match page.render() {
        Ok(html) => ([(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))], Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "the first page cannot be rendered");
            failure::broken()
        }
    }
}

async fn shelf(shop: &Shop) -> Shelf {
    let mut request = Request::new(ListProductsRequest {
        page_size: PRODUCTS_ASKED,
        count_subcategories: true,
        ..ListProductsRequest::default()
    });
    request.set_timeout(shop.timeout);
    match shop.catalog.clone().list_products(request).await {
        Ok(answer) => Shelf::of(answer.into_inner()),
        Err(error) => {
            tracing::debug!(%error, "catalog does not list its products");
            Shelf::Away
        }
    }
}

impl Shelf {
    fn of(list: ListProductsResponse) -> Self {
        if list.products.is_empty() {
            return Self::Empty;
        }
        let mut products: Vec<_> = varied(list.products).into_iter().map(Card::of).collect();
        // What does not stand below is seen first; a small shop shows its best twice.
        let pictures = products.iter().rev().filter_map(|card| card.picture.as_ref());
        let window = pictures.map(|(uri, _)| uri.clone()).take(PICTURES_IN_WINDOW).collect();
        products.truncate(PRODUCTS_SHOWN);
        let categories = list.subcategories.into_iter().take(CATEGORIES_SHOWN).filter_map(Category::of).collect();
        Self::Filled { products, categories, window }
    }
}

/// The products with one of each category before a second of any.
fn varied(products: Vec<Product>) -> Vec<Product> {
    let mut seen = HashSet::new();
    let (mut first, second): (Vec<_>, Vec<_>) =
        products.into_iter().partition(|product| seen.insert(root_category(product).to_owned()));
    first.extend(second);
    first
}

fn root_category(product: &Product) -> &str {
    product.categories.first().and_then(|path| path.names.first()).map_or("", String::as_str)
}

impl Card {
    fn of(product: Product) -> Self {
        let category = root_category(&product).to_owned();
        let picture = product.pictures.into_iter().next().filter(|picture| is_own(&picture.uri)).map(|picture| {
            let alt = if picture.alt_text.is_empty() { product.name.clone() } else { picture.alt_text };
            (picture.uri, alt)
        });
        let price = product.price.as_ref().and_then(written);
        let reduced = product.list_price.filter(|before| {
            let now = product.price.as_ref().map(|now| (now.units, now.nanos));
            now.is_some_and(|now| now < (before.units, before.nanos))
        });
        let rating = product.rating.map(|rating| {
            let count = u64::try_from(rating.count).unwrap_or(0);
            (format!("{:.1}", rating.average), grouped(count))
        });
        Self {
            name: product.name,
            brand: product.brand,
            category,
            picture,
            price,
            list_price: reduced.as_ref().and_then(written),
            rating,
        }
    }

    /// What stands where a picture would.
    fn initial(&self) -> String {
        self.name.chars().find(|c| c.is_alphanumeric()).map(|c| c.to_uppercase().collect()).unwrap_or_default()
    }
}

/// Whether a picture comes from this shop: a path, and not `//host/path`, which is another's.
fn is_own(uri: &str) -> bool {
    uri.starts_with('/') && !uri.starts_with("//") && !uri.contains('\\')
}

impl Category {
    fn of(counted: Subcategory) -> Option<Self> {
        let name = counted.category?.names.pop()?;
        Some(Self { name, count: grouped(u64::try_from(counted.product_count).unwrap_or(0)) })
    }
}

/// The host that the browser asked for, without its port.
fn host_of<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let authority = uri.authority().map(http::uri::Authority::as_str);
    let asked = authority.or_else(|| headers.get(header::HOST)?.to_str().ok())?;
    let end = if asked.starts_with('[') { asked.find(']')? + 1 } else { asked.find(':').unwrap_or(asked.len()) };
    let host = &asked[..end];
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '[' | ']' | ':');
    (!host.is_empty() && host.chars().all(is_plain)).then_some(host)
}

/// A port on loopback is named as it is; one on every interface by the name that led the browser here.
fn connect(links: &Links, host: Option<&str>) -> Connect {
    let named = |address: &ListenAddress| match (address, host) {
        (ListenAddress::Tcp(tcp), Some(host)) if tcp.ip().is_unspecified() => format!("{host}:{}", tcp.port()),
        _ => address.to_string(),
    };
    let is_local = matches!(&links.admin, ListenAddress::Tcp(tcp) if tcp.ip().is_loopback());
    Connect { grpc: named(&links.grpc), admin: is_local.then(|| links.admin.to_string()) }
}

#[cfg(test)]
mod tests {
    use contracts::catalog::v1::CategoryPath;

    use super::*;

    fn product(id: &str, category: &str) -> Product {
        let categories = vec![CategoryPath { names: vec![category.to_owned()] }];
        Product { product_id: id.into(), categories, ..Product::default() }
    }

    #[test]
    fn one_product_of_each_category_comes_before_a_second_of_any() {
        let products = [("a", "Bath"), ("b", "Bath"), ("c", "Garden"), ("d", "Bath"), ("e", "Lighting")];
        let ids: Vec<_> = varied(products.map(|(id, category)| product(id, category)).into())
            .into_iter()
            .map(|product| product.product_id)
            .collect();
        assert_eq!(ids, ["a", "c", "e", "b", "d"]);
    }

    #[test]
    fn only_a_path_is_a_picture_of_our_own() {
        assert!(is_own("/pictures/mug.svg"));
        for uri in ["", "//elsewhere/x.svg", "/\\elsewhere", "https://elsewhere/x.svg", "javascript:alert(1)", "x.svg"]
        {
            assert!(!is_own(uri), "{uri}");
        }
    }

    #[test]
    fn a_host_is_taken_without_its_port_and_only_if_it_looks_like_one() {
        let asked = |host: &'static str| {
            let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
            host_of(&Uri::from_static("/"), &headers).map(str::to_owned)
        };
        assert_eq!(asked("shop.test:8080").as_deref(), Some("shop.test"));
        assert_eq!(asked("[::1]:8080").as_deref(), Some("[::1]"));
        for host in ["", ":8080", "a;rm -rf", "$(id)", "[::1", "a b"] {
            assert_eq!(asked(host), None, "{host}");
        }
    }

    #[test]
    fn a_port_on_every_interface_is_named_by_the_host_that_was_asked_for() {
        let links = |address: &str| Links { grpc: address.parse().unwrap(), admin: address.parse().unwrap() };
        assert_eq!(connect(&links("0.0.0.0:50051"), Some("shop.test")).grpc, "shop.test:50051");
        let local = connect(&links("127.0.0.1:50051"), Some("shop.test"));
        assert_eq!((local.grpc.as_str(), local.admin.as_deref()), ("127.0.0.1:50051", Some("127.0.0.1:50051")));
        assert!(connect(&links("0.0.0.0:9901"), None).admin.is_none());
    }
}

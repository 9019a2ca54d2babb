//! Requests, parsed: everything wrong with one is found at once.

use std::sync::Arc;

use contracts::catalog::v1 as catalog;
use contracts::google::r#type as google;
use contracts::search::v1 as pb;
use mesh::Violations;
use rpc::money::Money;

use crate::error::Error;
use crate::find::{Filter, Mark, Order, PriceLimits, Search};
use crate::product::{CategoryPath, minor};
use crate::text::Query;

const QUERY_CHARS_MAX: usize = 500;
const PREFIX_CHARS_MAX: usize = 100;
const CATEGORIES_MAX: usize = 20;
const BRANDS_MAX: usize = 50;
const BRAND_CHARS_MAX: usize = 200;
const PAGE_SIZE_DEFAULT: usize = 50;
const PAGE_SIZE_MAX: usize = 1_000;
const SUGGESTIONS_DEFAULT: usize = 10;
const SUGGESTIONS_MAX: usize = 50;
/// The best average rating.
const RATING_MAX: f64 = 5.0;

/// A `SearchProductsRequest`.
pub(super) fn search(request: &pb::SearchProductsRequest) -> Result<Search, Error> {
    let mut violations = Violations::default();
    if is_longer(&request.query, QUERY_CHARS_MAX) {
        violations.add("query", format!("must be at most {QUERY_CHARS_MAX} characters"));
    }
    let filter = request.filter.as_ref().map(|filter| self::filter(filter, &mut violations)).unwrap_or_default();
    let order = order(request.order).unwrap_or_else(|| {
        violations.add("order", "is not an order of this version");
        Order::default()
    });
    let size = rpc::page_size(request.page_size, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, &mut violations);
    violations.check()?;
    if !request.query.is_empty() && Query::parse(&request.query).is_empty() {
        return Err(Error::WithoutWords);
    }
    let mut search = Search {
        text: request.query.clone(),
        filter,
        order,
        sold: Arc::default(),
        size,
        after: None,
        facets: request.include_facets,
        highlights: request.include_highlights,
    };
    if !request.page_token.is_empty() {
        search.after = Some(Mark::read(&request.page_token, &search).ok_or(Error::PageToken)?);
    }
    Ok(search)
}

/// A `SuggestQueriesRequest`: the prefix, and how many suggestions.
pub(super) fn suggest(request: &pb::SuggestQueriesRequest) -> Result<(&str, usize), Error> {
    let mut violations = Violations::default();
    if request.prefix.is_empty() || is_longer(&request.prefix, PREFIX_CHARS_MAX) {
        violations.add("prefix", format!("must be 1 to {PREFIX_CHARS_MAX} characters"));
    }
    let size = rpc::page_size(request.page_size, SUGGESTIONS_DEFAULT, SUGGESTIONS_MAX, &mut violations);
    violations.check()?;
    Ok((&request.prefix, size))
}

fn order(order: i32) -> Option<Order> {
    Some(match pb::SearchOrder::try_from(order).ok()? {
        pb::SearchOrder::Unspecified | pb::SearchOrder::Relevance => Order::Relevance,
        pb::SearchOrder::PriceAscending => Order::PriceAscending,
        pb::SearchOrder::PriceDescending => Order::PriceDescending,
        pb::SearchOrder::Rating => Order::Rating,
        pb::SearchOrder::Popularity => Order::Popularity,
    })
}

fn filter(filter: &pb::SearchFilter, violations: &mut Violations) -> Filter {
    at_most("filter.categories", filter.categories.len(), CATEGORIES_MAX, violations);
    at_most("filter.brands", filter.brands.len(), BRANDS_MAX, violations);
    let mut categories = Vec::with_capacity(filter.categories.len().min(CATEGORIES_MAX));
    for (index, category) in filter.categories.iter().enumerate().take(CATEGORIES_MAX) {
        categories.extend(path(category, &format!("filter.categories[{index}]"), violations));
    }
    for (index, brand) in filter.brands.iter().enumerate().take(BRANDS_MAX) {
        if is_longer(brand, BRAND_CHARS_MAX) {
            violations.add(format!("filter.brands[{index}]"), format!("must be at most {BRAND_CHARS_MAX} characters"));
        }
    }
    // A comparison with NaN is false.
    if !(0.0..=RATING_MAX).contains(&filter.rating_min) {
        violations.add("filter.rating_min", "must be between 0 and 5");
    }
    Filter {
        categories,
        brands: filter.brands.clone(),
        price: prices(filter, violations),
        rating_min: rating_hundredths(filter.rating_min),
        in_stock: filter.in_stock,
    }
}

fn path(path: &catalog::CategoryPath, field: &str, violations: &mut Violations) -> Option<CategoryPath> {
    if path.names.is_empty() || path.names.len() > CategoryPath::NAMES_MAX {
        violations.add(format!("{field}.names"), format!("must be 1 to {} names", CategoryPath::NAMES_MAX));
        return None;
    }
    let mut valid = true;
    for (index, name) in path.names.iter().enumerate() {
        let field = || format!("{field}.names[{index}]");
        if name.chars().any(char::is_control) {
            violations.add(field(), "must not contain control characters");
        } else if name.chars().all(char::is_whitespace) {
            violations.add(field(), "must not be empty");
        } else if is_longer(name, CategoryPath::NAME_MAX) {
            violations.add(field(), format!("must be at most {} characters", CategoryPath::NAME_MAX));
        } else {
            continue;
        }
        valid = false;
    }
    valid.then(|| CategoryPath { names: path.names.clone() })
}

fn prices(filter: &pb::SearchFilter, violations: &mut Violations) -> Option<PriceLimits> {
    let mut limit = |field: &str, money: &Option<google::Money>| match money {
        Some(money) => self::money(field, money, violations).map(Some),
        None => Some(None),
    };
    let (min, max) = (limit("filter.price_min", &filter.price_min)?, limit("filter.price_max", &filter.price_max)?);
    if let (Some(min), Some(max)) = (min, max) {
        if min.currency() != max.currency() {
            violations.add("filter.price_max.currency_code", "must be the currency of price_min");
        } else if max.minor() < min.minor() {
            violations.add("filter.price_max", "must not be less than price_min");
        }
    }
    let currency = min.or(max)?.currency();
    let (min, max) = (min.map_or(0, minor), max.map_or(u64::MAX, minor));
    Some(PriceLimits { currency, min, max })
}

fn money(field: &str, money: &google::Money, violations: &mut Violations) -> Option<Money> {
    match Money::try_from(money) {
        Ok(amount) if amount.minor() >= 0 => Some(amount),
        Ok(_negative) => {
            violations.add(field, "must not be negative");
            None
        }
        Err(error) => {
            violations.add(format!("{field}.{}", error.field()), error.to_string());
            None
        }
    }
}

/// The least average in hundredths that is not below this; 0: any.
fn rating_hundredths(rating: f64) -> u16 {
    if rating <= 0.0 {
        return 0;
    }
    (100..=500).find(|hundredths| f64::from(*hundredths) / 100.0 >= rating).unwrap_or(u16::MAX)
}

fn at_most(field: &str, number: usize, max: usize, violations: &mut Violations) {
    if number > max {
        violations.add(field, format!("must be at most {max}"));
    }
}

/// Bytes are cheap to count and never fewer than characters.
fn is_longer(text: &str, chars_max: usize) -> bool {
    text.len() > chars_max && text.chars().count() > chars_max
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_least_rating_is_rounded_up_to_the_averages_that_there_are() {
        for (rating, hundredths) in [(0.0, 0), (0.5, 100), (1.0, 100), (4.4, 440), (4.401, 441), (5.0, 500)] {
            assert_eq!(rating_hundredths(rating), hundredths, "{rating}");
        }
    }
}

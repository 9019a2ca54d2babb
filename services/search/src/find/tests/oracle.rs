//! Filters, counts and orders against a list that is gone through one by one.

use proptest::prelude::*;

use super::{ask, find};
use crate::find::{Facets, Filter, Found, Order, PriceLimits, Search};
use crate::fixture::{deleted, made, money, path, product, rating, stock};
use crate::index::{Change, Shelf};
use crate::product::{CategoryPath, Product, minor};

/// A product with its stock.
#[derive(Clone, Debug)]
struct Item {
    product: Product,
    in_stock: Option<bool>,
}

const WORDS: [&str; 4] = ["lamp", "mug", "blue", "red"];

fn item() -> impl Strategy<Value = Item> {
    let words = proptest::sample::subsequence(WORDS.to_vec(), 1..=3);
    let category = prop_oneof![
        Just(path(&["Home"])),
        Just(path(&["Home", "Light"])),
        Just(path(&["Home", "Light", "Desk"])),
        Just(path(&["Home", "Lightning"])),
        Just(path(&["Gifts/Home"])),
    ];
    let categories = proptest::collection::vec(category, 0..3);
    let price = (prop_oneof![Just("EUR"), Just("EUR"), Just("JPY")], 0_u64..3_000);
    let average = proptest::option::of(100_u16..=500);
    (words, "[abc]?", categories, price, average, proptest::option::of(any::<bool>())).prop_map(
        |(words, brand, categories, (code, minor), average, in_stock)| {
            let mut product = product(&words.join(" "));
            (product.brand, product.categories, product.price) = (brand, categories, money(code, minor));
            product.rating = average.and_then(|average| rating(average, 3));
            Item { product, in_stock }
        },
    )
}

fn filter() -> impl Strategy<Value = Filter> {
    let category = prop_oneof![
        Just(path(&["Home"])),
        Just(path(&["Home", "Light"])),
        Just(path(&["Home", "Lightning"])),
        Just(path(&["Nowhere"])),
    ];
    let categories = proptest::collection::vec(category, 0..3);
    let brands = proptest::collection::vec("[abd]?", 0..3);
    let price = proptest::option::of((prop_oneof![Just("EUR"), Just("JPY")], 0_u64..3_000, 0_u64..3_000));
    (categories, brands, price, prop_oneof![Just(0_u16), 100..500_u16], any::<bool>()).prop_map(
        |(categories, brands, price, rating_min, in_stock)| Filter {
            categories,
            brands,
            price: price.map(|(code, a, b)| PriceLimits {
                currency: money(code, 0).currency(),
                min: a.min(b),
                max: a.max(b),
            }),
            rating_min,
            in_stock,
        },
    )
}

fn matches(item: &Item, text: &str, filter: &Filter) -> bool {
    let product = &item.product;
    let below = |path: &CategoryPath| filter.categories.iter().any(|above| path.names.starts_with(&above.names));
    text.split(' ').all(|word| word.is_empty() || product.name.split(' ').any(|name| name == word))
        && (filter.categories.is_empty() || product.categories.iter().any(below))
        && (filter.brands.is_empty() || filter.brands.contains(&product.brand))
        && filter.price.as_ref().is_none_or(|price| {
            price.currency == product.price.currency() && (price.min..=price.max).contains(&minor(product.price))
        })
        && product.rating.map_or(0, |rating| rating.average_hundredths) >= filter.rating_min
        && (!filter.in_stock || item.in_stock == Some(true))
}

/// Builds the shelf in several commits, with replaced and deleted products on the way.
fn stand(items: &[Item]) -> Shelf {
    let mut shelf = Shelf::default();
    let id = |n: usize| format!("{n:03}");
    let changes = |items: &[Item], from: usize, revision| {
        let mut changes: Vec<Change> = Vec::new();
        for (n, item) in (from..).zip(items) {
            changes.push(made(&id(n), revision, Product { shown: id(n).into(), ..item.product.clone() }));
            changes.extend(item.in_stock.map(|in_stock| stock(&id(n), revision, in_stock)));
        }
        changes
    };
    let half = items.len() / 2;
    shelf.commit(changes(&items[half..], half, 1));
    shelf.commit((0..half).map(|n| made(&id(n), 1, product("lamp mug blue red"))));
    shelf.commit([made("gone", 1, product("lamp mug blue red"))]);
    shelf.commit(changes(&items[..half], 0, 2));
    shelf.commit([deleted("gone", 2)]);
    shelf
}

fn count(items: &[Item], text: &str, filter: &Filter) -> u64 {
    items.iter().filter(|item| matches(item, text, filter)).count() as u64
}

/// Every value of every list must say how many are found with it in place of its own filter.
fn check(items: &[Item], text: &str, filter: &Filter, facets: &Facets) -> Result<(), TestCaseError> {
    for (category, number) in &facets.categories {
        let chosen = Filter { categories: vec![category.clone()], ..filter.clone() };
        prop_assert_eq!(*number, count(items, text, &chosen), "{:?}", category);
    }
    for (brand, number) in &facets.brands {
        let chosen = Filter { brands: vec![brand.clone()], ..filter.clone() };
        prop_assert_eq!(*number, count(items, text, &chosen), "{:?}", brand);
    }
    for range in &facets.prices {
        let limits = PriceLimits { currency: range.min.currency(), min: minor(range.min), max: minor(range.max) };
        let chosen = Filter { price: Some(limits), ..filter.clone() };
        prop_assert_eq!(range.count, count(items, text, &chosen), "{:?}", range);
    }
    for (rating_min, number) in &facets.ratings {
        let chosen = Filter { rating_min: *rating_min, ..filter.clone() };
        prop_assert_eq!(*number, count(items, text, &chosen), "{}", rating_min);
    }
    prop_assert_eq!(facets.in_stock, count(items, text, &Filter { in_stock: true, ..filter.clone() }));
    Ok(())
}

/// No value that some product has may be missing.
fn check_complete(items: &[Item], text: &str, filter: &Filter, facets: &Facets) -> Result<(), TestCaseError> {
    let any_brand = Filter { brands: Vec::new(), ..filter.clone() };
    let with_brand = items.iter().filter(|item| matches(item, text, &any_brand) && !item.product.brand.is_empty());
    prop_assert_eq!(facets.brands.iter().map(|(_, count)| count).sum::<u64>(), with_brand.count() as u64);
    prop_assert!(facets.brands.windows(2).all(|pair| (pair[1].1, &pair[0].0) < (pair[0].1, &pair[1].0)));
    let any_price = Filter { price: None, ..filter.clone() };
    let of = |code: &str| {
        let priced = items.iter().filter(|item| item.product.price.currency().code() == code);
        priced.filter(|item| matches(item, text, &any_price)).count() as u64
    };
    prop_assert_eq!(facets.prices.iter().map(|range| range.count).sum::<u64>(), of("EUR").max(of("JPY")));
    prop_assert!(facets.prices.windows(2).all(|pair| pair[0].max.minor() + 1 == pair[1].min.minor()));
    let anywhere = Filter { categories: Vec::new(), ..filter.clone() };
    if filter.categories.is_empty() {
        let has = |item: &&Item, root: &str| item.product.categories.iter().any(|path| path.names[0] == root);
        for root in ["Home", "Gifts/Home"] {
            let expected = items.iter().filter(|item| matches(item, text, &anywhere) && has(item, root)).count() as u64;
            let found = facets.categories.iter().find(|(path, _)| path.names == [root]).map_or(0, |(_, count)| *count);
            prop_assert_eq!(found, expected, "{}", root);
        }
    }
    Ok(())
}

fn ids(found: &Found) -> Vec<String> {
    found.hits.iter().map(|hit| hit.mark.id.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_found_counted_and_ordered_is_what_a_list_would_give(
        items in proptest::collection::vec(item(), 1..40),
        queries in proptest::collection::vec((proptest::sample::subsequence(WORDS.to_vec(), 0..=2), filter()), 12),
    ) {
        let shelf = stand(&items);
        for (words, filter) in &queries {
            let text = words.join(" ");
            // Where no product has all words, some of them will do.
            if !text.is_empty() && count(&items, &text, &Filter::default()) == 0 {
                continue;
            }
            let what = Search { filter: filter.clone(), facets: true, size: 1_000, ..ask(&text) };
            let found = find(&shelf, &what);
            prop_assert_eq!(found.total, count(&items, &text, filter));
            let mut expected: Vec<_> =
                items.iter().enumerate().filter(|(_, item)| matches(item, &text, filter)).collect();
            let mut sorted = ids(&found);
            sorted.sort();
            prop_assert_eq!(sorted, expected.iter().map(|(n, _)| format!("{n:03}")).collect::<Vec<_>>());
            let facets = found.facets.as_ref().unwrap();
            check(&items, &text, filter, facets)?;
            check_complete(&items, &text, filter, facets)?;
            expected.sort_by_key(|(n, item)| (item.product.price.currency(), item.product.price.minor(), *n));
            let by_price = find(&shelf, &Search { order: Order::PriceAscending, ..what });
            prop_assert_eq!(ids(&by_price), expected.iter().map(|(n, _)| format!("{n:03}")).collect::<Vec<_>>());
        }
    }
}

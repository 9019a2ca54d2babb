//! Orders and pages.

use super::{ask, find, names, shelf};
use crate::find::{Filter, Mark, Order, Search};
use crate::fixture::{deleted, made, money, product, rating};
use crate::index::Shelf;
use crate::product::Product;

/// All names, a page at a time, with a change between any two pages.
fn pages(shelf: &mut Shelf, what: &Search, mut between: impl FnMut(&mut Shelf, usize)) -> Vec<String> {
    let (mut all, mut what) = (Vec::new(), what.clone());
    for page in 0.. {
        let found = find(shelf, &what);
        all.extend(names(&found).into_iter().map(str::to_owned));
        let Some(last) = found.hits.last().filter(|_| found.more) else { break };
        let token = last.mark.token(&what);
        what.after = Some(Mark::read(&token, &what).expect("its own token"));
        between(shelf, page);
    }
    all
}

fn priced(name: &str, code: &str, minor: u64) -> Product {
    Product { price: money(code, minor), ..product(name) }
}

#[test]
fn prices_are_in_order_within_their_currency() {
    let shelf = shelf([
        priced("a", "USD", 100),
        priced("b", "EUR", 900),
        priced("c", "EUR", 100),
        priced("d", "USD", 900),
        priced("e", "EUR", 100),
    ]);
    let order = |order| names(&find(&shelf, &Search { order, ..ask("") })).join("");
    assert_eq!(order(Order::PriceAscending), "cebad");
    assert_eq!(order(Order::PriceDescending), "bceda");
}

#[test]
fn ratings_are_in_order_the_more_of_them_the_better_and_none_last() {
    let rated = |name, average, count| Product { rating: rating(average, count), ..product(name) };
    let shelf = shelf([rated("a", 400, 1), product("b"), rated("c", 500, 1), rated("d", 400, 9), rated("e", 400, 1)]);
    let found = find(&shelf, &Search { order: Order::Rating, ..ask("") });
    assert_eq!(names(&found).join(""), "cdaeb");
    let filter = Filter { rating_min: 401, ..Filter::default() };
    assert_eq!(names(&find(&shelf, &Search { filter, ..ask("") })).join(""), "c");
}

#[test]
fn alike_products_are_in_the_order_of_their_ids_across_segments() {
    let mut shelf = Shelf::default();
    for id in ["c", "a", "d", "B"] {
        shelf.commit([made(id, 1, Product { shown: id.into(), ..product("Lamp") })]);
    }
    for order in [Order::Relevance, Order::PriceAscending, Order::Rating, Order::Popularity] {
        for text in ["", "lamp"] {
            let found = find(&shelf, &Search { order, ..ask(text) });
            assert_eq!(names(&found).join(""), "Bacd", "{order:?} {text:?}");
            assert_eq!(found.hits[0].score > 0.0, !text.is_empty(), "without a query nothing is scored");
        }
    }
}

#[test]
fn pages_together_are_the_list_whatever_is_made_and_deleted_in_between() {
    for (order, text) in [
        (Order::Relevance, ""),
        (Order::Relevance, "lamp"),
        (Order::PriceAscending, "lamp"),
        (Order::PriceDescending, ""),
        (Order::Rating, "lamp"),
        (Order::Popularity, ""),
    ] {
        let lamps = (0..40_u16).map(|n| {
            let mut lamp = priced(&format!("{n:02}"), "EUR", u64::from(n % 7) * 100);
            lamp.name = format!("Lamp {}", "blue ".repeat(usize::from(n % 5)));
            Product { rating: (n % 3 > 0).then(|| rating(100 + n % 4, 1)).flatten(), ..lamp }
        });
        let mut shelf = shelf(lamps);
        let what = Search { order, size: 7, ..ask(text) };
        let whole: Vec<_> =
            names(&find(&shelf, &Search { size: 100, ..what.clone() })).into_iter().map(str::to_owned).collect();
        assert_eq!(whole.len(), 40);
        assert_eq!(pages(&mut shelf, &what, |_, _| {}), whole, "{order:?} {text:?}");
        let changed = pages(&mut shelf, &what, |shelf, page| {
            // Scores move with the number of products and the lengths of their texts.
            let other = Product { description: "words ".repeat(50 * (page + 1)), ..product("Another one") };
            shelf.commit([made(&format!("zz{page}"), 1, Product { price: money("JPY", 1), ..other })]);
            shelf.commit([deleted(&format!("zz{page}"), 2)]);
        });
        assert_eq!(changed, whole, "{order:?} {text:?}");
    }
}

#[test]
fn a_page_goes_on_behind_a_product_that_is_no_longer_there() {
    let mut shelf = shelf((0..10).map(|n| Product { shown: n.to_string().into(), ..product("Lamp") }));
    let all = pages(&mut shelf, &Search { size: 3, ..ask("lamp") }, |shelf, page| {
        shelf.commit([deleted(&format!("{:03}", page * 3 + 2), 2)]);
    });
    assert_eq!(all.join(""), "0123456789");
}

#[test]
fn the_next_page_does_not_follow_a_product_that_was_changed_to_another_place() {
    let mut lamps: Vec<_> = (0..6).map(|n| Product { shown: n.to_string().into(), ..product("Lamp") }).collect();
    lamps[2].description = "long ".repeat(30);
    let mut shelf = shelf(lamps);
    let what = Search { size: 5, ..ask("lamp") };
    let all = pages(&mut shelf, &what, |shelf, _| {
        // The last one of the page becomes the best.
        shelf.commit([made("005", 2, Product { shown: "5".into(), ..product("Lamp lamp lamp") })]);
    });
    assert_eq!(all.join(""), "013452");
}

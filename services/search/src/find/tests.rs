//! Searches as shoppers make them.

mod oracle;
mod ordering;

use super::{Filter, Found, Highlight, PriceLimits, Search, search};
use crate::fixture::{deleted, made, money, path, product, stock};
use crate::index::Shelf;
use crate::product::Product;

/// A shelf of products whose ids are their place.
fn shelf(products: impl IntoIterator<Item = Product>) -> Shelf {
    let mut shelf = Shelf::default();
    shelf.commit(products.into_iter().enumerate().map(|(id, product)| made(&format!("{id:03}"), 1, product)));
    shelf
}

fn named(names: &[&str]) -> Shelf {
    shelf(names.iter().map(|name| product(name)))
}

fn ask(text: &str) -> Search {
    Search { text: text.to_owned(), size: 50, ..Search::default() }
}

fn find(shelf: &Shelf, what: &Search) -> Found {
    search(shelf.view(), what).unwrap()
}

/// The names of what is found, the best first.
fn names(found: &Found) -> Vec<&str> {
    found.hits.iter().map(|hit| std::str::from_utf8(&hit.shown).unwrap()).collect()
}

/// The names of what a text finds, in order of the alphabet.
fn sorted(shelf: &Shelf, text: &str) -> Vec<String> {
    let found = find(shelf, &ask(text));
    assert_eq!(found.total, found.hits.len() as u64);
    let mut names: Vec<_> = names(&found).into_iter().map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn all_words_should_occur_in_any_order_case_and_accent() {
    let shelf = named(&["Crème brûlée torch", "Creme bowl", "Torch", "Größe L"]);
    assert_eq!(sorted(&shelf, "TORCH creme"), ["Crème brûlée torch"]);
    assert_eq!(sorted(&shelf, "crème"), ["Creme bowl", "Crème brûlée torch"]);
    assert_eq!(sorted(&shelf, "GROSSE"), ["Größe L"]);
    assert_eq!(sorted(&shelf, "").len(), 4);
}

#[test]
fn a_long_word_may_be_misspelt_by_two_a_shorter_one_by_one_and_a_short_one_by_none() {
    let shelf = named(&["Wireless headphones", "Desk lamp", "Tea", "Лампа"]);
    for text in ["headphnes", "haedphones", "heaadphonnes", "wirelss headphones", "Headphon3s", "zeadphones"] {
        assert_eq!(sorted(&shelf, text), ["Wireless headphones"], "{text}");
    }
    for text in ["lapm", "lanp", "lamp", "llamp", "desk lamo"] {
        assert_eq!(sorted(&shelf, text), ["Desk lamp"], "{text}");
    }
    assert_eq!(sorted(&shelf, "ламра"), ["Лампа"]);
    for text in ["tae ", "lzzp", "hexxxhones"] {
        assert_eq!(sorted(&shelf, text), [""; 0], "{text}");
    }
}

#[test]
fn a_word_that_is_known_is_meant_unless_no_product_has_all_words() {
    let shelf = named(&["Blue lamp", "Lamb skin"]);
    assert_eq!(sorted(&shelf, "lamb"), ["Lamb skin"]);
    assert_eq!(sorted(&shelf, "blue lamb"), ["Blue lamp"]);
    assert_eq!(find(&shelf, &ask("blue lamb")).corrected, None);
}

#[test]
fn a_word_that_no_product_has_does_not_hide_those_with_the_others() {
    let shelf = named(&["Blue lamp", "Red lamp", "Blue mug"]);
    assert_eq!(sorted(&shelf, "blue lamp xyzzyx"), ["Blue lamp"]);
    assert_eq!(sorted(&shelf, "red mug"), ["Blue mug", "Red lamp"]);
    assert_eq!(sorted(&shelf, "xyzzyx"), [""; 0]);
}

#[test]
fn the_last_word_may_be_one_that_is_still_being_typed() {
    let shelf = named(&["Wireless headphones", "Heading"]);
    assert_eq!(sorted(&shelf, "wireless headph"), ["Wireless headphones"]);
    assert_eq!(sorted(&shelf, "he"), ["Heading", "Wireless headphones"]);
    assert_eq!(sorted(&shelf, "he "), [""; 0]);
    assert_eq!(find(&shelf, &ask("headph")).corrected, None, "it is no mistake");
}

#[test]
fn plurals_are_found_by_their_word_and_the_other_way_round() {
    let shelf = named(&["Table lamps", "Battery", "Boxes"]);
    assert_eq!(sorted(&shelf, "lamp"), ["Table lamps"]);
    assert_eq!(sorted(&shelf, "batteries"), ["Battery"]);
    assert_eq!(sorted(&shelf, "box "), ["Boxes"]);
}

#[test]
fn chinese_japanese_korean_thai_and_cyrillic_are_found_inside_their_texts() {
    let shelf = named(&[
        "无线蓝牙耳机 降噪",
        "ワイヤレスヘッドホン",
        "무선 이어폰을",
        "หูฟังไร้สาย",
        "Беспроводные наушники",
        "茶壶",
    ]);
    for (text, name) in [
        ("蓝牙耳机", "无线蓝牙耳机 降噪"),
        ("耳机 蓝牙", "无线蓝牙耳机 降噪"),
        ("ヘッドホン", "ワイヤレスヘッドホン"),
        ("ﾍｯﾄﾞﾎﾝ", "ワイヤレスヘッドホン"),
        ("이어폰", "무선 이어폰을"),
        ("หูฟัง", "หูฟังไร้สาย"),
        ("НАУШНИКИ", "Беспроводные наушники"),
        ("наушнеки", "Беспроводные наушники"),
        ("茶", "茶壶"),
    ] {
        assert_eq!(sorted(&shelf, text), [name], "{text}");
    }
    assert_eq!(sorted(&shelf, "\"蓝牙耳机\""), ["无线蓝牙耳机 降噪"]);
    assert_eq!(sorted(&shelf, "\"耳机蓝牙\""), [""; 0]);
}

#[test]
fn quotes_want_words_side_by_side_and_a_dash_wants_none_of_them() {
    let shelf = named(&["Blue desk lamp", "Desk, blue, lamp", "Lamp desk", "Desk lamp LED"]);
    assert_eq!(sorted(&shelf, "\"desk lamp\""), ["Blue desk lamp", "Desk lamp LED"]);
    assert_eq!(sorted(&shelf, "\"desk lamp\" -led"), ["Blue desk lamp"]);
    assert_eq!(sorted(&shelf, "lamp -\"desk lamp\""), ["Desk, blue, lamp", "Lamp desk"]);
    assert_eq!(sorted(&shelf, "desk -xyzzyx").len(), 4);
    assert_eq!(sorted(&shelf, "\"desk lamo\""), [""; 0], "a quote is meant");
}

#[test]
fn a_phrase_does_not_run_from_one_text_into_the_next() {
    let mut lamp = product("Desk lamp");
    (lamp.brand, lamp.description) = ("Blue".into(), "Mug included".into());
    let shelf = shelf([lamp]);
    assert_eq!(sorted(&shelf, "\"lamp blue\""), [""; 0]);
    assert_eq!(sorted(&shelf, "\"blue mug\""), [""; 0]);
    assert_eq!(sorted(&shelf, "\"mug included\""), ["Desk lamp"]);
}

#[test]
fn numbers_with_units_are_found_whole_and_by_their_parts() {
    let shelf = named(&["Mug 330ml", "Jug 330 ml", "WH-1000XM4"]);
    assert_eq!(sorted(&shelf, "330ml"), ["Mug 330ml"]);
    assert_eq!(sorted(&shelf, "330"), ["Jug 330 ml", "Mug 330ml"]);
    assert_eq!(sorted(&shelf, "1000xm4"), ["WH-1000XM4"]);
    assert_eq!(sorted(&named(&["Jug 330 ml"]), "330ml"), ["Jug 330 ml"]);
}

#[test]
fn a_name_counts_more_than_a_brand_a_category_an_attribute_and_a_description() {
    let other = |name: &str| product(name);
    let in_name = other("Oak");
    let brand = Product { brand: "Oak".into(), ..other("By brand") };
    let category = Product { categories: vec![path(&["Oak"])], ..other("By category") };
    let attribute = Product { attributes: vec![("Wood".into(), "Oak".into())], ..other("By attribute") };
    let description =
        Product { description: "Made of oak. Oak, oak, oak, oak, oak and oak.".into(), ..other("Described") };
    let sku = Product { sku: "OAK-7".into(), ..other("By number") };
    let shelf = shelf([description, attribute, sku, category, brand, in_name]);
    let found = find(&shelf, &ask("oak"));
    let names = names(&found);
    assert_eq!(names[..3], ["Oak", "By brand", "By category"]);
    assert_eq!(names.len(), 6);
    assert_eq!(names[5], "Described");
    assert!(found.hits.windows(2).all(|pair| pair[0].score >= pair[1].score) && found.hits[5].score > 0.0);
}

#[test]
fn a_query_is_corrected_where_a_word_is_unknown_and_one_close_to_it_is_not() {
    let shelf = named(&["Wireless headphones", "Headphones", "Headphonez", "Desk lamp"]);
    let corrected = |text: &str| find(&shelf, &ask(text)).corrected;
    assert_eq!(
        corrected("  Wireles \"desk lamp\" headphnoes! ").as_deref(),
        Some("  wireless \"desk lamp\" headphones! ")
    );
    assert_eq!(corrected("headphones wireless"), None);
    assert_eq!(corrected("xyzzyx"), None);
    assert_eq!(corrected("headphones -wireles"), None);
    assert_eq!(corrected("lamps"), None, "another form is known");
    let padded = format!("lapm{}", " ".repeat(496));
    assert_eq!(corrected(&padded).unwrap().len(), 500);
    let longer = format!("wirless{}", " ".repeat(493));
    assert_eq!(corrected(&longer), None, "a correction is no longer than a query may be");
}

#[test]
fn a_word_of_deleted_products_is_unknown() {
    let mut shelf = named(&["Lanterns", "Lantern light", "Lanters"]);
    shelf.commit([deleted("002", 2)]);
    assert_eq!(find(&shelf, &ask("lanters ")).corrected.as_deref(), Some("lantern "));
    assert_eq!(sorted(&shelf, "lanters "), ["Lantern light", "Lanterns"]);
}

#[test]
fn what_matches_is_marked_in_bytes_and_html_is_only_text() {
    let mut hostile = product("<script>alert('Lampe')</script> Größe");
    hostile.brand = "\"><img src=x onerror=alert(1)>".into();
    hostile.description = format!("{} <b>LAMPE</b> &amp; größe", "x ".repeat(400));
    let shelf = shelf([hostile.clone()]);
    let what = Search { highlights: true, ..ask("lampe grösse") };
    let found = find(&shelf, &what);
    let marked = |highlight: &Highlight| {
        highlight.ranges.iter().map(|(start, end)| highlight.text[*start..*end].to_owned()).collect::<Vec<_>>()
    };
    let [name, description] = found.hits[0].highlights.as_slice() else { panic!("{:?}", found.hits[0].highlights) };
    assert_eq!((name.field, name.text.as_str()), ("name", hostile.name.as_str()));
    assert_eq!(marked(name), ["Lampe", "Größe"]);
    assert_eq!(description.field, "description");
    assert_eq!(marked(description), ["LAMPE", "größe"]);
    assert!(description.text.contains("<b>LAMPE</b> &amp;") && description.text.chars().count() <= 300);
    assert!(find(&shelf, &ask("lampe")).hits[0].highlights.is_empty(), "only where asked for");
    assert_eq!(sorted(&shelf, "onerror").len(), 1);
}

#[test]
fn a_misspelt_word_is_marked_as_it_is_written() {
    let shelf = named(&["Wireless headphones"]);
    let found = find(&shelf, &Search { highlights: true, ..ask("headphnes") });
    assert_eq!(found.hits[0].highlights[0].ranges, [(9, 19)]);
}

#[test]
fn prices_are_compared_in_their_currency_with_both_ends() {
    let priced = |name, code, minor| Product { price: money(code, minor), ..product(name) };
    let shelf = shelf([
        priced("a", "EUR", 999),
        priced("b", "EUR", 1_000),
        priced("c", "EUR", 2_000),
        priced("d", "USD", 1_500),
    ]);
    let within = |min, max| {
        let price = Some(PriceLimits { currency: money("EUR", 0).currency(), min, max });
        let found = find(&shelf, &Search { filter: Filter { price, ..Filter::default() }, ..ask("") });
        names(&found).join("")
    };
    assert_eq!(within(1_000, 2_000), "bc");
    assert_eq!(within(1_001, 1_999), "");
    assert_eq!(within(0, u64::MAX), "abc");
}

#[test]
fn what_is_not_in_stock_or_not_known_is_left_out_where_asked_for() {
    let mut shelf = named(&["a", "b", "c"]);
    shelf.commit([stock("000", 3, true), stock("001", 4, false)]);
    let found = find(&shelf, &Search { filter: Filter { in_stock: true, ..Filter::default() }, ..ask("") });
    assert_eq!(names(&found), ["a"]);
    assert_eq!((found.hits[0].stock_revision, found.hits[0].mark.revision), (3, 1));
}

#[test]
fn no_query_takes_long_or_panics_whatever_is_in_it() {
    let shelf = named(&["Wireless headphones", "Desk lamp", "a b c", "蓝牙耳机"]);
    let hostile = [
        "a ".repeat(5_000),
        "\"".repeat(10_000),
        "-".repeat(10_000),
        "\"a b\" ".repeat(1_500),
        "-a ".repeat(3_000),
        "headphnes".repeat(1_100),
        "headphnes wirelss lapmp qwertyui ".repeat(300),
        "蓝".repeat(3_000),
        "🎧🎧 \u{202e}abc\u{0} \u{feff} e\u{301}\u{301}\u{301}".repeat(200),
        "\u{301}".repeat(5_000),
        (0..2_000).map(|n| format!("word{n} ")).collect(),
    ];
    for text in hostile {
        let begun = std::time::SystemTime::now();
        find(&shelf, &Search { highlights: true, facets: true, ..ask(&text) });
        assert!(begun.elapsed().unwrap().as_secs() < 10, "{}", &text[..text.floor_char_boundary(40)]);
    }
}

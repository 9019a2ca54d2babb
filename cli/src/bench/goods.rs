//! Made-up products in any number, and queries of the kinds that buyers type.

use contracts::{
    catalog::v1::{Attribute, CategoryPath, Product, ProductState, Rating},
    google::r#type::Money,
};
use fastrand::Rng;

use super::words;

/// The words of a description, at least and at most.
const WORDS: std::ops::Range<usize> = 20..90;

/// Letters of a word that is misspelt and still known, at least.
const SPELT_MIN: usize = 5;

/// The same products, and then the same queries, each time.
pub(super) fn random() -> Rng {
    Rng::with_seed(7)
}

/// The id of a product by its number.
pub(super) fn id(number: u32) -> String {
    format!("product-{number:07}")
}

/// A product with a name, a brand, a category of two levels, attributes, a rating, a price, and a description of some
/// 55 words, which says twice what it is.
pub(super) fn product(number: u32, random: &mut Rng) -> Product {
    let (brand, (department, kind)) = (words::brand(random), words::kind(random));
    let (quality, colour) = (words::quality(random), words::colour(random));
    let text = |random: &mut Rng| words::text(random.usize(WORDS) / 2, random);
    Product {
        product_id: id(number),
        name: format!("{brand} {quality} {kind}, {colour}, {}", words::rare_word(random)),
        description: format!("This {kind} {}. A {quality} {kind} {}.", text(random), text(random)),
        brand,
        categories: vec![CategoryPath { names: vec![department.to_owned(), kind.to_owned()] }],
        price: Some(Money { currency_code: "EUR".to_owned(), units: random.i64(1..500), nanos: 990_000_000 }),
        attributes: vec![Attribute { name: "Colour".to_owned(), value: colour.to_owned() }],
        rating: Some(Rating { average: f64::from(random.u32(100..=500)) / 100.0, count: random.i32(1..900) }),
        state: ProductState::Active.into(),
        ..Product::default()
    }
}

/// Shares of a hundred queries, by what is typed.
pub(super) const MIX: &str = "30 a quality and a kind of thing (*wireless headphones*), 20 a kind, 15 a brand and a kind, \
                              10 a colour, a quality and a kind, 5 a brand, 5 a rare word, 5 words of any text, 10 a \
                              misspelt kind";

/// A query of the mix.
pub(super) fn any_query(random: &mut Rng) -> String {
    match random.u8(0..100) {
        0..30 => two_words(random),
        30..50 => kind(random),
        50..65 => format!("{} {}", words::brand(random), kind(random)),
        65..75 => format!("{} {}", words::colour(random), two_words(random)),
        75..80 => words::brand(random),
        80..85 => words::rare_word(random),
        85..90 => words::text(2, random),
        _ => misspelt(random),
    }
}

/// A quality and a kind of thing.
pub(super) fn two_words(random: &mut Rng) -> String {
    format!("{} {}", words::quality(random), kind(random))
}

/// A kind of thing.
pub(super) fn kind(random: &mut Rng) -> String {
    words::kind(random).1.to_owned()
}

/// A kind of thing with one letter left out.
pub(super) fn misspelt(random: &mut Rng) -> String {
    let mut word = kind(random);
    while word.len() < SPELT_MIN {
        word = kind(random);
    }
    word.remove(random.usize(1..word.len() - 1));
    word
}

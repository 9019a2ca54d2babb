//! Products as a shop might have them: words as frequent as words are, a few thousand brands, prices, ratings, pictures.

use contracts::catalog::v1 as catalog;
use contracts::google::r#type::Money;

const NOUNS: [&str; 24] = [
    "lamp",
    "headphones",
    "backpack",
    "kettle",
    "chair",
    "jacket",
    "keyboard",
    "mug",
    "blanket",
    "watch",
    "bottle",
    "notebook",
    "speaker",
    "shelf",
    "knife",
    "tent",
    "mirror",
    "sneakers",
    "charger",
    "pillow",
    "rug",
    "camera",
    "pan",
    "scarf",
];
const ADJECTIVES: [&str; 24] = [
    "wireless",
    "portable",
    "stainless",
    "vintage",
    "ergonomic",
    "foldable",
    "waterproof",
    "ceramic",
    "wooden",
    "brass",
    "compact",
    "adjustable",
    "organic",
    "insulated",
    "minimalist",
    "rechargeable",
    "heavy",
    "soft",
    "outdoor",
    "classic",
    "slim",
    "magnetic",
    "quiet",
    "padded",
];
const SYLLABLES: [&str; 20] = [
    "ba", "re", "mi", "to", "lu", "ken", "sar", "vo", "ni", "pel", "dro", "gan", "ti", "mar", "fe", "zu", "lor", "ax",
    "qui", "ste",
];
const CHINESE: [&str; 8] = ["蓝牙耳机", "茶壶", "台灯", "背包", "键盘", "手表", "保温杯", "充电器"];
const DEPARTMENTS: [&str; 6] = ["Home", "Electronics", "Outdoor", "Fashion", "Office", "Kitchen"];

pub(crate) fn id(n: u32) -> String {
    format!("product-{n:07}")
}

/// A word of a long tail: the small numbers are frequent.
fn word(random: &mut fastrand::Rng) -> String {
    let mut number = (random.f64().powi(3) * 20_000.0) as usize + 20;
    let mut word = String::new();
    while number > 0 {
        word.push_str(SYLLABLES[number % 20]);
        number /= 20;
    }
    word
}

fn one_of<'a>(words: &[&'a str], random: &mut fastrand::Rng) -> &'a str {
    // The first are more frequent than the last.
    words[(random.f64().powi(2) * words.len() as f64) as usize]
}

pub(crate) fn product(n: u32, random: &mut fastrand::Rng) -> catalog::Product {
    let noun = one_of(&NOUNS, random);
    let brand = word(random);
    let mut name = format!("{brand} {} {noun} {}", one_of(&ADJECTIVES, random), word(random));
    if n.is_multiple_of(10) {
        name.push_str(" · ");
        name.push_str(one_of(&CHINESE, random));
    }
    let mut description = String::new();
    for _ in 0..random.usize(20..90) {
        description.push_str(&match random.u8(0..4) {
            0 => one_of(&ADJECTIVES, random).to_owned(),
            1 => one_of(&NOUNS, random).to_owned(),
            _ => word(random),
        });
        description.push(' ');
    }
    let department = DEPARTMENTS[n as usize % DEPARTMENTS.len()];
    let names = [department.to_owned(), format!("{noun}s"), one_of(&ADJECTIVES, random).to_owned()];
    let attribute = |name: &str, value: &str| catalog::Attribute { name: name.into(), value: value.into() };
    catalog::Product {
        product_id: id(n),
        brand,
        description,
        categories: vec![catalog::CategoryPath { names: names.to_vec() }],
        price: Some(Money { currency_code: "EUR".into(), units: random.i64(1..500), nanos: 990_000_000 }),
        pictures: vec![catalog::Picture {
            uri: format!("https://pictures.example/{n}/large.jpg"),
            alt_text: name.clone(),
        }],
        attributes: vec![
            attribute("Colour", one_of(&["black", "white", "blue", "red", "green"], random)),
            attribute("Material", one_of(&["steel", "cotton", "oak", "glass"], random)),
            attribute("Weight", &format!("{}g", random.u32(50..5_000))),
        ],
        rating: Some(catalog::Rating { average: f64::from(random.u32(100..=500)) / 100.0, count: random.i32(1..900) }),
        sku: format!("SKU-{n}"),
        ..named(&id(n), &name)
    }
}

pub(crate) fn named(id: &str, name: &str) -> catalog::Product {
    catalog::Product {
        product_id: id.into(),
        name: name.into(),
        price: Some(Money { currency_code: "EUR".into(), units: 1, nanos: 0 }),
        state: catalog::ProductState::Active.into(),
        ..Default::default()
    }
}

pub(crate) fn one_word(random: &mut fastrand::Rng) -> String {
    if random.bool() { one_of(&NOUNS, random).to_owned() } else { word(random) }
}

pub(crate) fn two_words(random: &mut fastrand::Rng) -> String {
    format!("{} {}", one_of(&ADJECTIVES, random), one_of(&NOUNS, random))
}

/// A word with one letter left out.
pub(crate) fn misspelt(random: &mut fastrand::Rng) -> String {
    let mut word = one_of(&NOUNS, random).to_owned();
    word.remove(random.usize(1..word.len() - 1));
    word
}

pub(crate) fn chinese(random: &mut fastrand::Rng) -> String {
    one_of(&CHINESE, random).to_owned()
}

//! The file that is imported: rows of about 1 KB as shops export them, with HTML and JSON in their cells.

use std::path::Path;

use anyhow::Context as _;
use fastrand::Rng;
use serde_json::json;

use super::super::words::{self, text};

/// The same file each time.
const SEED: u64 = 7;

const HEADER: [&str; 25] = [
    "product_name",
    "description",
    "initial_price",
    "final_price",
    "currency",
    "in_stock",
    "color",
    "size",
    "reviews_count",
    "main_image",
    "url",
    "category_tree",
    "country_code",
    "domain",
    "image_count",
    "image_urls",
    "model_number",
    "offers",
    "other_attributes",
    "product_id",
    "rating",
    "related_products",
    "root_category",
    "category",
    "brand",
];

/// Writes so many products; how many bytes they are.
pub(super) fn write(path: &Path, rows: u32) -> anyhow::Result<u64> {
    let mut writer = csv::Writer::from_path(path).with_context(|| format!("write {}", path.display()))?;
    writer.write_record(HEADER)?;
    let mut random = Rng::with_seed(SEED);
    for number in 0..rows {
        writer.write_record(row(number, &mut random))?;
    }
    writer.flush()?;
    Ok(path.metadata()?.len())
}

fn row(number: u32, random: &mut Rng) -> [String; 25] {
    let cents = random.u32(100..20_000);
    let price = |cents: u32| format!("{}.{:02}", cents / 100, cents % 100);
    let pictures = random.u32(1..8);
    let picture = |picture: u32| format!("https://img.example/{number:08x}/{picture}.jpg");
    let (root, leaf) = words::kind(random);
    let category = |name: &str| json!({ "name": name, "url": "https://shop.example/c" });
    let attributes: Vec<_> =
        (0..6).map(|_| json!({ "name": words::rare_word(random), "value": text(2, random) })).collect();
    [
        format!("{} {leaf} {}", words::quality(random), text(7, random)),
        format!("<p>{} &amp; {}.</p>\n<p>{}</p>", text(40, random), text(5, random), text(12, random)),
        price(cents * 6 / 5),
        price(cents),
        "USD".to_owned(),
        "true".to_owned(),
        ["Red", "Blue", "N/A"][random.usize(..3)].to_owned(),
        "one-size".to_owned(),
        random.u32(..500).to_string(),
        picture(0),
        format!("https://shop.example/p-{number}.html"),
        json!([category(root), category(leaf)]).to_string(),
        "US".to_owned(),
        "shop.example".to_owned(),
        pictures.to_string(),
        json!((0..pictures).map(picture).collect::<Vec<_>>()).to_string(),
        format!("m-{number:09}"),
        "null".to_owned(),
        json!(attributes).to_string(),
        format!("g{number}"),
        format!("{}.{}", random.u32(1..5), random.u32(..10)),
        "null".to_owned(),
        root.to_owned(),
        leaf.to_owned(),
        words::brand(random),
    ]
}

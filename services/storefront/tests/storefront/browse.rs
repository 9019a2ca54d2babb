//! Looking around: the first page, the aisles, a product, and what hostile products can do on them.

use std::time::Duration;

use contracts::catalog::v1::{Attribute, Picture, Product, ProductState};
use http::StatusCode;
use tokio::time::Instant;

use crate::{
    browser::Browser,
    shop::{Shop, lamp, money, path, product},
};

#[tokio::test]
async fn the_first_page_leads_into_the_aisles_and_to_the_products() {
    let shop = Shop::selling(vec![(lamp(), 7)]).await;
    let mut browser = Browser::new(&shop.web);
    let home = browser.get("/").await;
    home.has(&[
        "<h1>",
        "Linen lamp",
        "€12.50",
        "€20.00",
        "A pleated lamp.",
        "/pictures/pleated-linen-lamp.svg",
        "1,200",
    ]);
    home.has(&["What people like best", "<search", "<main"]);
    let aisle = browser.get(&home.link("Lighting")).await;
    aisle.has(&["<h1 dir=\"auto\">Lighting</h1>", "Linen lamp"]);
    let below = browser.get(&aisle.link("Lamps")).await;
    below.has(&["<h1 dir=\"auto\">Lamps</h1>"]);
    let page = browser.get(&below.link("Linen lamp")).await;
    assert_eq!(page.status, StatusCode::OK);
    page.has(&["A shade of linen.", "It stands on the floor.", "Height", "60 cm", "SL-60", "In stock", "4.2"]);
    assert_eq!(page.link("Sidi Lumen"), "/search?brand=Sidi+Lumen");
    assert_eq!(page.link("Lamps"), "/category?path=Lighting%2FLamps");
}

#[tokio::test]
async fn an_aisle_is_walked_a_page_at_a_time_and_a_cut_address_leads_back() {
    let chairs = (0..30).map(|index| {
        let categories = vec![path(&["Furniture/Seats"])];
        (Product { categories, ..product(&format!("chair-{index:02}"), &format!("Chair {index:02}")) }, 1)
    });
    let shop = Shop::selling(chairs.collect()).await;
    let mut browser = Browser::new(&shop.web);
    let aisle = browser.get("/").await.link("Furniture/Seats");
    let first = browser.get(&aisle).await;
    first.has(&["Chair 00", "Chair 23"]).lacks(&["Chair 24", "First page"]);
    let second = browser.get(&first.link("Next page")).await;
    second.has(&["Chair 24", "Chair 29"]).lacks(&["Chair 23", "Next page"]);
    assert_eq!(second.link("First page"), aisle);
    for address in [format!("{aisle}&page=nonsense"), format!("/category?page={}", "x".repeat(2_000))] {
        let cut = browser.get(&address).await;
        assert_eq!(cut.status, StatusCode::BAD_REQUEST);
        cut.has(&["There is no such page"]);
        assert!(address.starts_with(&cut.link("To the first page")), "{address}");
    }
    assert_eq!(browser.get("/category?path=a%2F%2Fb").await.status, StatusCode::NOT_FOUND);
    browser.get("/category?path=Nowhere&utm_source=letter").await.has(&["This aisle is empty"]);
}

#[tokio::test]
async fn a_new_price_is_on_the_first_page_a_second_later() {
    let shop = Shop::selling(vec![(product("mug", "Mug"), 9)]).await;
    let mut browser = Browser::new(&shop.web);
    browser.get("/").await.has(&["€12.50"]);
    shop.replace(Product { price: Some(money("EUR", 99, 0)), ..product("mug", "Mug") }).await;
    let changed = Instant::now();
    loop {
        let asked = changed.elapsed();
        let home = browser.get("/").await;
        // The shelves are the catalog's; what people like best follows as search does.
        let (_, shelves) = home.text.split_once("id=\"shelves\"").unwrap();
        if shelves.contains("€99.00") {
            break;
        }
        assert!(asked < Duration::from_secs(1), "still {shelves} after {asked:?}");
    }
}

/// Bytes of the first page at most, with its style and its script.
const FIRST_PAGE_BYTES_MAX: usize = 60_000;

#[tokio::test]
async fn the_first_page_of_a_full_shop_is_light() {
    let things = (0..24).map(|index| {
        let categories = vec![path(&[&format!("Aisle {index}")])];
        (Product { product_id: format!("thing-{index}"), categories, ..lamp() }, 9)
    });
    let shop = Shop::selling(things.collect()).await;
    let mut browser = Browser::new(&shop.web);
    let home = browser.get("/").await;
    let mut bytes = home.text.len();
    for asset in home.text.split('"').filter(|text| text.starts_with("/assets/")) {
        bytes += browser.get(asset).await.text.len();
    }
    assert!((30_000..FIRST_PAGE_BYTES_MAX).contains(&bytes), "{bytes} bytes");
}

#[tokio::test]
async fn stock_is_said_in_words_and_what_is_gone_cannot_be_added() {
    let gone = Product { state: ProductState::Discontinued.into(), ..product("gone", "Old lamp") };
    let (few, none, many) = (product("few", "Few"), product("none", "None"), product("many", "Many"));
    let shop = Shop::selling(vec![(few, 3), (none, 0), (many, 50)]).await;
    shop.replace(gone).await;
    let mut browser = Browser::new(&shop.web);
    browser.get("/products/few").await.has(&["Only 3 left", "Add to cart"]);
    browser.get("/products/many").await.has(&["In stock", "Add to cart"]);
    browser.get("/products/none").await.has(&["Out of stock"]).lacks(&["Add to cart"]);
    browser.get("/products/gone").await.has(&["no longer sold"]).lacks(&["Add to cart", "In stock"]);
    for absent in ["/products/absent", "/products/%3Cscript%3E", "/products/", "/products/a/b"] {
        assert_eq!(browser.get(absent).await.status, StatusCode::NOT_FOUND, "{absent}");
    }
    let foreign = browser.get("/products/absent").await;
    foreign.has(&["There is no such product", "<header", "<footer"]);
}

#[tokio::test]
async fn a_hostile_product_is_text_and_nothing_else_wherever_it_is_shown() {
    const EVIL: &str = "\"><script>alert(1)</script><img src=x onerror=alert(2)> \u{202e}moc.live\u{202c}";
    let hostile = Product {
        brand: EVIL.into(),
        description: format!("{EVIL}\n\n<iframe src=//evil.example>"),
        categories: vec![path(&[EVIL])],
        pictures: vec![
            Picture { uri: "https://img.example/a.jpg".into(), alt_text: EVIL.into() },
            Picture { uri: "http://img.example:81/b.jpg".into(), alt_text: EVIL.into() },
        ],
        attributes: vec![Attribute { name: EVIL.chars().take(90).collect(), value: EVIL.into() }],
        sku: EVIL.chars().take(90).collect(),
        ..product("evil", EVIL)
    };
    let shop = Shop::selling(vec![(hostile, 5)]).await;
    let mut browser = Browser::new(&shop.web);
    let product = browser.get("/products/evil").await;
    let added = browser.submit(&product, "/cart/add", "", &[]).await;
    let cart = browser.follow(&added).await;
    let home = browser.get("/").await;
    let aisle = browser.get(&home.link("alert(1)")).await;
    let search = browser.get("/search?q=script").await;
    let typed = browser.get("/search?q=%22%3E%3Cscript%3Ealert%281%29%3C%2Fscript%3E").await;
    for page in [&product, &cart, &home, &aisle, &search, &typed] {
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        page.has(&["&#60;script&#62;"]);
        // The script of the shop is the only one.
        assert_eq!(page.text.matches("<script").count(), 1, "{}", page.text);
        page.lacks(&["<img src=x", "<iframe", "\" onerror", "img.example:81"]);
        // A field's value is the brand byte for byte; what is seen and read out is not.
        assert!(!page.words().contains(['\u{202e}', '\u{202c}']), "{}", page.text);
    }
    search.has(&["<mark>script</mark>"]);
    for page in [&product, &cart, &home, &search] {
        page.has(&["src=\"https://img.example/a.jpg\"", "referrerpolicy=\"no-referrer\""]);
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("img-src 'self' https:;") && policy.contains("script-src 'self';"), "{policy}");
    }
    product.lacks(&["\u{202e}", "\u{202c}"]);
    home.has(&["loading=\"lazy\""]);
    let policy = typed.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("'self' https:") || !typed.text.contains("img.example"), "{policy}");
}

#[tokio::test]
async fn prices_are_written_in_the_visitors_language_and_the_page_in_english() {
    let yen = Product { price: Some(money("JPY", 1_500, 0)), ..product("yen", "Yen") };
    let shop = Shop::selling(vec![(yen, 1), (lamp(), 1)]).await;
    let mut browser = Browser::new(&shop.web);
    browser.languages = "tlh, de-DE;q=0.9, en;q=0.5";
    let page = browser.get("/products/lamp").await;
    page.has(&["<html lang=\"en\">", "lang=\"de\">12,50\u{a0}€<", "lang=\"de\">20,00\u{a0}€<"]);
    browser.get("/products/yen").await.has(&["lang=\"de\">1.500\u{a0}¥<"]);
    browser.languages = "ja";
    browser.get("/products/yen").await.has(&["lang=\"ja\">¥1,500<"]);
}

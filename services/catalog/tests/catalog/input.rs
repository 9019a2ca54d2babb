//! Bad input: each field beyond its limits is named, all of them at once, and nothing is changed.

use contracts::catalog::v1 as pb;
use contracts::google::r#type::Money;
use tonic::{Code, Status};

use crate::shop::{Shop, full_product, mask, path, product, refusal, request_id};

/// The fields that creating this product is refused for.
async fn refused(shop: &Shop, product: pb::Product) -> Vec<String> {
    let request = pb::CreateProductRequest { product: Some(product), request_id: request_id() };
    fields(&shop.client.clone().create_product(request).await.unwrap_err())
}

fn fields(status: &Status) -> Vec<String> {
    let (code, reason, fields) = refusal(status);
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "INVALID_REQUEST"));
    fields
}

fn money(currency_code: &str, units: i64, nanos: i32) -> Option<Money> {
    Some(Money { currency_code: currency_code.into(), units, nanos })
}

fn pictures(number: usize, uri: &str) -> Vec<pb::Picture> {
    vec![pb::Picture { uri: uri.into(), alt_text: String::new() }; number]
}

fn attributes(number: usize, name: &str, value: &str) -> Vec<pb::Attribute> {
    vec![pb::Attribute { name: name.into(), value: value.into() }; number]
}

fn rating(average: f64, count: i32) -> Option<pb::Rating> {
    Some(pb::Rating { average, count })
}

fn named(name: &str) -> pb::Product {
    pb::Product { name: name.into(), ..product("x") }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_a_product_keeps_its_limits() {
    let shop = Shop::on_sqlite().await;
    let base = || product("x");
    let paths = |names: &[&[&str]]| names.iter().map(|names| path(names)).collect::<Vec<_>>();
    let nine: Vec<_> = (0..9).map(|n| path(&[&n.to_string()])).collect();
    let cases: Vec<(&str, pb::Product)> = vec![
        ("product.product_id", product("-x")),
        ("product.product_id", product(&"x".repeat(65))),
        ("product.name", named("")),
        ("product.name", named(" \u{a0}")),
        ("product.name", named("a\u{0}b")),
        ("product.name", named("a\nb")),
        ("product.name", named("a\u{9b}31m")),
        ("product.name", named(&"é".repeat(1_001))),
        ("product.description", pb::Product { description: "a\u{7}".into(), ..base() }),
        ("product.description", pb::Product { description: "a".repeat(10_001), ..base() }),
        ("product.brand", pb::Product { brand: "a".repeat(201), ..base() }),
        ("product.sku", pb::Product { sku: "a".repeat(101), ..base() }),
        ("product.sku", pb::Product { sku: "a\tb".into(), ..base() }),
        ("product.categories", pb::Product { categories: nine, ..base() }),
        ("product.categories[1]", pb::Product { categories: paths(&[&["a"], &["a"]]), ..base() }),
        ("product.categories[0].names", pb::Product { categories: paths(&[&[]]), ..base() }),
        ("product.categories[0].names", pb::Product { categories: paths(&[&["a"; 9]]), ..base() }),
        ("product.categories[0].names[1]", pb::Product { categories: paths(&[&["a", " "]]), ..base() }),
        ("product.categories[0].names[0]", pb::Product { categories: paths(&[&[&"a".repeat(101)]]), ..base() }),
        ("product.price", pb::Product { price: None, ..base() }),
        ("product.price.currency_code", pb::Product { price: money("eur", 1, 0), ..base() }),
        ("product.price.currency_code", pb::Product { price: money("XXX", 1, 0), ..base() }),
        ("product.price.units", pb::Product { price: money("EUR", -1, 0), ..base() }),
        ("product.price.units", pb::Product { price: money("EUR", 1_000_000_000_001, 0), ..base() }),
        ("product.price.units", pb::Product { price: money("EUR", 1_000_000_000_000, 10_000_000), ..base() }),
        ("product.price.units", pb::Product { price: money("EUR", i64::MAX, 999_999_999), ..base() }),
        ("product.price.nanos", pb::Product { price: money("EUR", 0, -10_000_000), ..base() }),
        ("product.price.nanos", pb::Product { price: money("EUR", 0, 1_000_000_000), ..base() }),
        ("product.price.nanos", pb::Product { price: money("EUR", 0, 1), ..base() }),
        ("product.price.nanos", pb::Product { price: money("JPY", 1, 500_000_000), ..base() }),
        ("product.list_price.currency_code", pb::Product { list_price: money("USD", 1, 0), ..base() }),
        ("product.pictures", pb::Product { pictures: pictures(33, "/a"), ..base() }),
        ("product.pictures[0].uri", pb::Product { pictures: pictures(1, ""), ..base() }),
        ("product.pictures[0].uri", pb::Product { pictures: pictures(1, "//a/b"), ..base() }),
        (
            "product.pictures[0].uri",
            pb::Product { pictures: pictures(1, &format!("/{}", "a".repeat(2_048))), ..base() },
        ),
        (
            "product.pictures[0].alt_text",
            pb::Product { pictures: vec![pb::Picture { uri: "/a".into(), alt_text: "é".repeat(501) }], ..base() },
        ),
        ("product.attributes", pb::Product { attributes: attributes(101, "a", "b"), ..base() }),
        ("product.attributes[0].name", pb::Product { attributes: attributes(1, "", "b"), ..base() }),
        ("product.attributes[0].name", pb::Product { attributes: attributes(1, &"a".repeat(101), "b"), ..base() }),
        ("product.attributes[0].value", pb::Product { attributes: attributes(1, "a", " "), ..base() }),
        ("product.attributes[0].value", pb::Product { attributes: attributes(1, "a", &"b".repeat(1_001)), ..base() }),
        ("product.rating.average", pb::Product { rating: rating(0.9, 1), ..base() }),
        ("product.rating.average", pb::Product { rating: rating(f64::NAN, 1), ..base() }),
        ("product.rating.count", pb::Product { rating: rating(5.0, -1), ..base() }),
        ("product.rating.count", pb::Product { rating: rating(5.0, 1_000_000_001), ..base() }),
        ("product.state", pb::Product { state: 9, ..base() }),
        ("product", pb::Product { description: "𝄞".repeat(9_000), ..base() }),
    ];
    for (field, wrong) in cases {
        assert_eq!(refused(&shop, wrong.clone()).await, [field], "{wrong:?}");
    }
    assert_eq!(shop.get("x").await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_product_at_every_limit_is_taken() {
    let shop = Shop::on_sqlite().await;
    let mut most = full_product(&"x".repeat(64));
    most.name = "é".repeat(1_000);
    most.brand = "é".repeat(200);
    most.sku = "s".repeat(100);
    most.description = format!("a\tb\r\n{}", "d".repeat(9_994));
    most.categories =
        (0..8).map(|n| path(&["a"; 7].into_iter().chain([&*n.to_string()]).collect::<Vec<_>>())).collect();
    most.price = money("UYW", 1_000_000_000_000, 0);
    most.list_price = money("UYW", 0, 100_000);
    most.pictures = pictures(32, &format!("/{}", "p".repeat(200)));
    most.attributes = attributes(100, "n", &"v".repeat(20));
    most.rating = rating(5.0, 1_000_000_000);
    let made = shop.create(most.clone()).await;
    let expected = pb::Product {
        create_time: made.create_time,
        update_time: made.update_time,
        etag: made.etag.clone(),
        revision: 1,
        ..most
    };
    assert_eq!(made, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_product_of_32_kib_is_taken_and_one_byte_more_is_not() {
    const MAX: usize = 32 * 1024;
    let shop = Shop::on_sqlite().await;
    let description = "𝄞".repeat(8_000);
    let made = shop.create(pb::Product { description: description.clone(), ..product("a") }).await;
    let room = MAX - prost::Message::encoded_len(&made);
    // A picture's path of 2,048 bytes at most takes what is left, with 6 bytes for the two fields and their lengths.
    let filled = |id: &str, bytes| pb::Product {
        description: description.clone(),
        pictures: pictures(1, &format!("/{}", "p".repeat(bytes - 1))),
        ..product(id)
    };
    let made = shop.create(filled("b", room - 6)).await;
    assert_eq!(prost::Message::encoded_len(&made), MAX);
    assert_eq!(refused(&shop, filled("c", room - 5)).await, ["product"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_is_kept_as_it_came_code_point_for_code_point() {
    let shop = Shop::on_postgres().await;
    let embedded = Shop::on_sqlite().await;
    // Combining marks, both ways to write é, directions, joiners, beyond the basic plane, a noncharacter, JSON's own.
    let names = [
        &*"e\u{301}".repeat(500),
        "é",
        "\u{202e}gum\u{202c}",
        "👩\u{200d}👩",
        "\u{ffff}\u{10ffff}",
        "\"\\u0041\"",
        "\u{2028}x",
    ];
    for shop in [&shop, &embedded] {
        for name in names {
            let made =
                shop.create(pb::Product { product_id: String::new(), brand: "e\u{301}".into(), ..named(name) }).await;
            assert_eq!(made.name, name);
            assert_eq!(shop.get(&made.product_id).await.unwrap().name, name);
        }
        let list = async |brand: &str| {
            let request = pb::ListProductsRequest { brand: brand.into(), ..Default::default() };
            shop.list(request).await.unwrap().products.len()
        };
        assert_eq!((list("e\u{301}").await, list("é").await), (names.len(), 0));
        for name in ["a\u{0}", "\u{85}", "\u{9f}a", &"e\u{301}".repeat(501)] {
            assert_eq!(refused(shop, named(name)).await, ["product.name"], "{name:?}");
        }
        let brand = pb::ListProductsRequest { brand: "a\u{0}".into(), ..Default::default() };
        assert_eq!(fields(&shop.list(brand).await.unwrap_err()), ["brand"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_wrong_is_said_at_once_up_to_twenty_fields() {
    let shop = Shop::on_sqlite().await;
    let wrong = pb::Product { name: String::new(), price: None, sku: "\u{1}".into(), ..product("-") };
    let request = pb::CreateProductRequest { product: Some(wrong), request_id: "1".into() };
    let status = shop.client.clone().create_product(request).await.unwrap_err();
    let expected = ["request_id", "product.product_id", "product.name", "product.price", "product.sku"];
    assert_eq!(fields(&status), expected);
    let many = pb::Product { attributes: attributes(100, "", ""), ..product("x") };
    assert_eq!(refused(&shop, many).await.len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_keep_their_limits() {
    let shop = Shop::on_sqlite().await;
    let mut client = shop.client.clone();
    let none = pb::CreateProductRequest { product: None, request_id: request_id() };
    assert_eq!(fields(&client.create_product(none).await.unwrap_err()), ["product"]);
    for request_id in ["", "x", "3f2a8d4e0b6c4f6e9c1d2a7b5e8f9d10", "{3f2a8d4e-0b6c-4f6e-9c1d-2a7b5e8f9d10}"] {
        let delete =
            pb::DeleteProductRequest { product_id: "x".into(), etag: "e".repeat(65), request_id: request_id.into() };
        assert_eq!(fields(&client.delete_product(delete).await.unwrap_err()), ["request_id", "etag"]);
    }
    let update = pb::UpdateProductRequest {
        product: Some(pb::Product { etag: "e".repeat(65), ..product("") }),
        update_mask: mask(&["name", "colour", "revision"]),
        request_id: request_id(),
    };
    let expected = ["product.product_id", "product.etag", "update_mask.paths[1]", "update_mask.paths[2]"];
    assert_eq!(fields(&client.update_product(update).await.unwrap_err()), expected);
    let cleared = pb::UpdateProductRequest {
        product: Some(pb::Product { product_id: "x".into(), ..Default::default() }),
        update_mask: mask(&["*"]),
        request_id: request_id(),
    };
    assert_eq!(fields(&client.update_product(cleared).await.unwrap_err()), ["product.name", "product.price"]);
    for product_ids in [vec![], vec!["x".to_owned(); 101]] {
        let batch = pb::BatchGetProductsRequest { product_ids };
        assert_eq!(fields(&client.batch_get_products(batch).await.unwrap_err()), ["product_ids"]);
    }
    let product_ids = (0..100).map(|n| format!("p{n}")).collect();
    let batch = client.batch_get_products(pb::BatchGetProductsRequest { product_ids }).await.unwrap().into_inner();
    assert_eq!(batch.missing_product_ids.len(), 100);
    let batch = pb::BatchGetProductsRequest { product_ids: ["a", "", "b", "/"].map(str::to_owned).to_vec() };
    let status = client.batch_get_products(batch).await.unwrap_err();
    assert_eq!(fields(&status), ["product_ids[1]", "product_ids[3]"]);
    let list = pb::ListProductsRequest {
        page_size: -1,
        brand: "b".repeat(201),
        category: Some(path(&["a", ""])),
        ..Default::default()
    };
    assert_eq!(fields(&shop.list(list).await.unwrap_err()), ["page_size", "category.names[1]", "brand"]);
    let all = pb::ListProductsRequest { page_size: i32::MAX, ..Default::default() };
    assert!(shop.list(all).await.is_ok());
}

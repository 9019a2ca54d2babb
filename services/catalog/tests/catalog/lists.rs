//! ListProducts: order, pages, filters and counts.

use contracts::catalog::v1 as pb;
use tonic::Code;

use crate::shop::{Shop, path, product, refusal};

crate::on_both_databases!(
    products_are_listed_in_the_byte_order_of_their_ids,
    pages_survive_what_is_made_and_deleted_between_them,
    what_stays_is_listed_once_while_others_come_and_go,
    filters_are_joined_by_and,
    a_category_is_itself_and_what_is_below_it,
    subcategories_are_counted_by_number_and_then_by_name,
    discontinued_products_are_listed_where_asked_for,
    a_page_ends_where_its_products_reach_a_mebibyte,
    a_token_belongs_to_its_filters,
    the_longest_names_are_listed,
);

fn ids(list: &pb::ListProductsResponse) -> Vec<&str> {
    list.products.iter().map(|product| product.product_id.as_str()).collect()
}

/// All pages of a list.
async fn all(shop: &Shop, mut request: pb::ListProductsRequest) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let page = shop.list(request.clone()).await.unwrap();
        found.extend(ids(&page).into_iter().map(str::to_owned));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return found;
        }
    }
}

fn pages_of(size: i32) -> pb::ListProductsRequest {
    pb::ListProductsRequest { page_size: size, ..Default::default() }
}

async fn products_are_listed_in_the_byte_order_of_their_ids(shop: Shop) {
    let sorted = ["0", "A", "Z", "Za", "a", "a-b", "a.b", "a_b", "ab", "b", "z~"];
    shop.import(vec![sorted.iter().rev().map(|id| product(id)).collect()]).await.unwrap();
    for size in [1, 3, 10, 11, 12, 0] {
        assert_eq!(all(&shop, pages_of(size)).await, sorted, "pages of {size}");
    }
    assert_eq!(shop.list(pages_of(11)).await.unwrap().next_page_token, "");
}

async fn pages_survive_what_is_made_and_deleted_between_them(shop: Shop) {
    shop.import(vec![["b", "d", "f", "h"].map(product).to_vec()]).await.unwrap();
    let first = shop.list(pages_of(2)).await.unwrap();
    assert_eq!(ids(&first), ["b", "d"]);
    // The last one of the page among them.
    shop.delete("d").await.unwrap();
    shop.delete("b").await.unwrap();
    shop.import(vec![["a", "c", "e", "g"].map(product).to_vec()]).await.unwrap();
    let rest = pb::ListProductsRequest { page_token: first.next_page_token, ..pages_of(3) };
    assert_eq!(all(&shop, rest).await, ["e", "f", "g", "h"]);
}

async fn what_stays_is_listed_once_while_others_come_and_go(shop: Shop) {
    let stays: Vec<String> = (0..60).map(|n| format!("p{n:02}")).collect();
    shop.import(vec![stays.iter().map(|id| product(id)).collect()]).await.unwrap();
    let coming_and_going = async {
        for round in 0.. {
            let ids: Vec<String> = (0..10).map(|n| format!("p{:02}-{round}", (round * 7 + n * 6) % 60)).collect();
            shop.import(vec![ids.iter().map(|id| product(id)).collect()]).await.unwrap();
            for id in ids.iter().skip(round % 2) {
                shop.delete(id).await.unwrap();
            }
        }
    };
    let listing = async {
        for size in [1, 2, 3, 7, 20, 59, 60, 61] {
            let found = all(&shop, pages_of(size)).await;
            assert!(found.is_sorted_by(|left, right| left < right), "pages of {size}: {found:?}");
            let kept: Vec<&String> = found.iter().filter(|id| id.len() == 3).collect();
            assert_eq!(kept, stays.iter().collect::<Vec<_>>(), "pages of {size}");
        }
    };
    tokio::select! {
        () = listing => {}
        () = coming_and_going => {}
    }
}

/// Products of two brands in a small tree of categories.
async fn stock(shop: &Shop) {
    let rows: [(&str, &str, &[&[&str]]); 6] = [
        ("1", "Kiln", &[&["Home", "Kitchen", "Mugs"]]),
        ("2", "kiln", &[&["Home", "Kitchen", "Mugs"], &["Gifts"]]),
        ("3", "Kiln", &[&["Home", "Kitchen"]]),
        ("4", "Kiln", &[&["Home", "Garden"], &["Home", "Art"], &["Home"]]),
        ("5", "Kiln", &[&["Home/Kitchen"]]),
        ("6", "Kiln", &[]),
    ];
    let products = rows.map(|(id, brand, categories)| pb::Product {
        brand: brand.into(),
        categories: categories.iter().map(|names| path(names)).collect(),
        ..product(id)
    });
    let report = shop.import(vec![products.to_vec()]).await.unwrap();
    assert_eq!(report.created_count, 6);
}

async fn filters_are_joined_by_and(shop: Shop) {
    stock(&shop).await;
    let kiln = pb::ListProductsRequest { brand: "Kiln".into(), page_size: 2, ..Default::default() };
    assert_eq!(all(&shop, kiln.clone()).await, ["1", "3", "4", "5", "6"]);
    let both = pb::ListProductsRequest { category: Some(path(&["Home", "Kitchen"])), page_size: 1, ..kiln };
    assert_eq!(all(&shop, both).await, ["1", "3"]);
}

async fn a_category_is_itself_and_what_is_below_it(shop: Shop) {
    stock(&shop).await;
    let cases: [(&[&str], &[&str]); 7] = [
        (&["Home"], &["1", "2", "3", "4"]),
        (&["Home", "Kitchen"], &["1", "2", "3"]),
        (&["Home", "Kitchen", "Mugs"], &["1", "2"]),
        (&["Home/Kitchen"], &["5"]),
        (&["home"], &[]),
        (&["Kitchen"], &[]),
        (&[], &["1", "2", "3", "4", "5", "6"]),
    ];
    for (category, expected) in cases {
        let request = pb::ListProductsRequest { category: Some(path(category)), ..Default::default() };
        assert_eq!(all(&shop, request).await, expected, "{category:?}");
    }
    // A product that moves leaves its old categories.
    shop.update(pb::Product { categories: vec![path(&["Gifts"])], ..product("1") }, &["categories"]).await.unwrap();
    let request = pb::ListProductsRequest { category: Some(path(&["Home", "Kitchen"])), ..Default::default() };
    assert_eq!(all(&shop, request).await, ["2", "3"]);
}

async fn subcategories_are_counted_by_number_and_then_by_name(shop: Shop) {
    stock(&shop).await;
    let count = async |category: &[&str], brand: &str| {
        let request = pb::ListProductsRequest {
            category: Some(path(category)),
            brand: brand.into(),
            count_subcategories: true,
            page_size: 1,
            ..Default::default()
        };
        let counted = shop.list(request).await.unwrap().subcategories.into_iter();
        counted.map(|counted| (counted.category.unwrap().names.join(" > "), counted.product_count)).collect::<Vec<_>>()
    };
    let expect =
        |expected: &[(&str, i64)]| expected.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect::<Vec<_>>();
    assert_eq!(count(&[], "").await, expect(&[("Home", 4), ("Gifts", 1), ("Home/Kitchen", 1)]));
    let home = expect(&[("Home > Kitchen", 3), ("Home > Art", 1), ("Home > Garden", 1)]);
    assert_eq!(count(&["Home"], "").await, home);
    assert_eq!(count(&["Home", "Kitchen"], "kiln").await, expect(&[("Home > Kitchen > Mugs", 1)]));
    assert_eq!(count(&["Nowhere"], "").await, expect(&[]));
}

async fn discontinued_products_are_listed_where_asked_for(shop: Shop) {
    stock(&shop).await;
    let change = pb::Product { state: pb::ProductState::Discontinued.into(), ..product("1") };
    shop.update(change, &["state"]).await.unwrap();
    let mugs = pb::ListProductsRequest {
        category: Some(path(&["Home", "Kitchen", "Mugs"])),
        count_subcategories: true,
        ..Default::default()
    };
    assert_eq!(all(&shop, mugs.clone()).await, ["2"]);
    assert_eq!(all(&shop, pages_of(2)).await, ["2", "3", "4", "5", "6"]);
    let also = pb::ListProductsRequest { include_discontinued: true, ..mugs };
    assert_eq!(all(&shop, also).await, ["1", "2"]);
    // An import that says nothing of the state keeps it.
    let again = pb::Product { name: "Again".into(), ..product("1") };
    shop.import(vec![vec![again]]).await.unwrap();
    assert_eq!(shop.get("1").await.unwrap().state(), pb::ProductState::Discontinued);
}

async fn a_page_ends_where_its_products_reach_a_mebibyte(shop: Shop) {
    // Eight bytes short of 30 KiB each: 35 of them are a mebibyte.
    let products: Vec<_> =
        (0..80).map(|n| pb::Product { description: "𝄞".repeat(7_678), ..product(&format!("p{n:02}")) }).collect();
    shop.import(products.chunks(20).map(<[_]>::to_vec).collect()).await.unwrap();
    let page = shop.list(pages_of(1_000)).await.unwrap();
    assert!((34..=36).contains(&page.products.len()), "{}", page.products.len());
    assert!(!page.next_page_token.is_empty());
    assert_eq!(all(&shop, pages_of(1_000)).await.len(), 80);
}

async fn a_token_belongs_to_its_filters(shop: Shop) {
    stock(&shop).await;
    let request = pb::ListProductsRequest { brand: "Kiln".into(), page_size: 1, ..Default::default() };
    let token = shop.list(request.clone()).await.unwrap().next_page_token;
    let next = pb::ListProductsRequest { page_token: token.clone(), page_size: 5, ..request };
    assert_eq!(ids(&shop.list(next.clone()).await.unwrap()), ["3", "4", "5", "6"]);
    let others = [
        pb::ListProductsRequest { brand: String::new(), ..next.clone() },
        pb::ListProductsRequest { category: Some(path(&["Home"])), ..next.clone() },
        pb::ListProductsRequest { include_discontinued: true, ..next.clone() },
        pb::ListProductsRequest { page_token: "not a token".into(), ..next.clone() },
        pb::ListProductsRequest { page_token: "A".repeat(513), ..next },
    ];
    for other in others {
        let status = shop.list(other).await.unwrap_err();
        let expected = (Code::InvalidArgument, "PAGE_TOKEN_INVALID".to_owned(), vec!["page_token".to_owned()]);
        assert_eq!(refusal(&status), expected);
    }
}

async fn the_longest_names_are_listed(shop: Shop) {
    // Four bytes a character: longer than what an index takes.
    let names: Vec<String> = (0..8).map(|n| format!("{n}{}", "𝄞".repeat(99))).collect();
    let category = pb::CategoryPath { names };
    let brand = "𝄞".repeat(200);
    shop.create(pb::Product { brand: brand.clone(), categories: vec![category.clone()], ..product("mug") }).await;
    let request = pb::ListProductsRequest { brand, category: Some(category), ..Default::default() };
    assert_eq!(all(&shop, request).await, ["mug"]);
}

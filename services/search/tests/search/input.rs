//! What is refused, and that whatever is refused is refused in the contract's terms.

use contracts::google::r#type::Money;
use contracts::search::v1 as pb;
use tonic::Code;

use crate::shop::{Shop, euros, path, product, refusal};

type Change = fn(&mut pb::SearchProductsRequest, &mut pb::SearchFilter);

/// What is wrong with a request, and the fields that are named for it.
const WRONG: &[(Change, &[&str])] = &[
    (|request, _| request.query = "é".repeat(501), &["query"]),
    (|request, _| request.query = "a".repeat(10_240), &["query"]),
    (|request, _| request.page_size = -1, &["page_size"]),
    (|request, _| request.order = 6, &["order"]),
    (|request, _| (request.order, request.page_size) = (-1, i32::MIN), &["order", "page_size"]),
    (|_, filter| filter.categories = vec![path(&["a"]); 21], &["filter.categories"]),
    (|_, filter| filter.categories = vec![path(&[])], &["filter.categories[0].names"]),
    (|_, filter| filter.categories = vec![path(&["a"]), path(&["a"; 9])], &["filter.categories[1].names"]),
    (|_, filter| filter.categories = vec![path(&["a", " "])], &["filter.categories[0].names[1]"]),
    (|_, filter| filter.categories = vec![path(&["a\0"])], &["filter.categories[0].names[0]"]),
    (|_, filter| filter.categories = vec![path(&[&"é".repeat(101)])], &["filter.categories[0].names[0]"]),
    (|_, filter| filter.brands = vec!["a".into(); 51], &["filter.brands"]),
    (|_, filter| filter.brands = vec!["a".into(), "é".repeat(201)], &["filter.brands[1]"]),
    (|_, filter| filter.price_min = Some(money("XXX", 1, 0)), &["filter.price_min.currency_code"]),
    (|_, filter| filter.price_min = Some(money("eur", 1, 0)), &["filter.price_min.currency_code"]),
    (|_, filter| filter.price_min = Some(Money::default()), &["filter.price_min.currency_code"]),
    (|_, filter| filter.price_min = Some(money("EUR", -1, 0)), &["filter.price_min"]),
    (|_, filter| filter.price_min = Some(money("EUR", 0, -10_000_000)), &["filter.price_min"]),
    (|_, filter| filter.price_max = Some(money("EUR", i64::MAX, 0)), &["filter.price_max.units"]),
    (|_, filter| filter.price_max = Some(money("JPY", 1, 500_000_000)), &["filter.price_max.nanos"]),
    (|_, filter| filter.price_max = Some(money("EUR", 1, i32::MAX)), &["filter.price_max.nanos"]),
    (
        |_, filter| (filter.price_min, filter.price_max) = (Some(euros(1, 0)), Some(money("USD", 2, 0))),
        &["filter.price_max.currency_code"],
    ),
    (|_, filter| (filter.price_min, filter.price_max) = (Some(euros(2, 0)), Some(euros(1, 99))), &["filter.price_max"]),
    (|_, filter| filter.rating_min = 5.01, &["filter.rating_min"]),
    (|_, filter| filter.rating_min = -0.1, &["filter.rating_min"]),
    (|_, filter| filter.rating_min = f64::NAN, &["filter.rating_min"]),
];

fn money(code: &str, units: i64, nanos: i32) -> Money {
    Money { currency_code: code.into(), units, nanos }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_outside_its_limits_is_named() {
    let shop = Shop::with([(product("lamp", "Lamp"), 1)]).await;
    for (change, fields) in WRONG {
        let (mut request, mut filter) = (pb::SearchProductsRequest::default(), pb::SearchFilter::default());
        change(&mut request, &mut filter);
        request.filter = Some(filter);
        let status = shop.ask(request).await.unwrap_err();
        let expected = fields.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>();
        assert_eq!(refusal(&status), (Code::InvalidArgument, "INVALID_REQUEST".into(), expected));
    }
    for (prefix, page_size, fields) in [("", 0, vec!["prefix"]), (&"é".repeat(101), -1, vec!["prefix", "page_size"])] {
        let request = pb::SuggestQueriesRequest { prefix: prefix.to_owned(), page_size };
        let status = shop.client().suggest_queries(request).await.unwrap_err();
        let expected = fields.into_iter().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(refusal(&status), (Code::InvalidArgument, "INVALID_REQUEST".into(), expected));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_just_within_the_limits_is_taken() {
    let shop = Shop::with([(product("lamp", "Lamp"), 1)]).await;
    let filter = pb::SearchFilter {
        categories: vec![path(&["é"; 8]); 20],
        brands: vec!["é".repeat(200); 50],
        price_min: Some(euros(0, 0)),
        price_max: Some(money("EUR", 1_000_000_000_000, 0)),
        rating_min: 5.0,
        in_stock: true,
    };
    let request = pb::SearchProductsRequest {
        query: "é".repeat(500),
        filter: Some(filter),
        page_size: i32::MAX,
        ..Default::default()
    };
    assert_eq!(shop.ask(request).await.unwrap().total_count, 0);
    assert_eq!(shop.suggest(&"é".repeat(100)).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_without_words_is_refused_and_an_empty_one_is_everything() {
    let shop = Shop::with([(product("lamp", "Lamp"), 1)]).await;
    for query in [" ", "\0", "-", "-lamp", "\"\"", "\"", "()[]{}*?~^:+", "🎧", "\u{202e}", "-\"a b\""] {
        let status = shop.search(query).await.unwrap_err();
        let expected = (Code::InvalidArgument, "QUERY_WITHOUT_WORDS".to_owned(), vec!["query".to_owned()]);
        assert_eq!(refusal(&status), expected, "{query:?}");
    }
    assert_eq!(shop.ids("").await, ["lamp"]);
    for query in ["LAMP", "\0lamp\u{85}", "(lamp)", "\"lamp", "lamp AND", "\u{202e}lamp", "lamp OR 1=1 --"] {
        assert_eq!(shop.ids(query).await, ["lamp"], "{query:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_token_is_one_of_its_search() {
    let shop = Shop::with([(product("a", "Lamp"), 1), (product("b", "Lamp"), 1)]).await;
    let first = pb::SearchProductsRequest { query: "lamp".into(), page_size: 1, ..Default::default() };
    let token = shop.ask(first.clone()).await.unwrap().next_page_token;
    let own = pb::SearchProductsRequest { page_token: token.clone(), page_size: 7, order: 1, ..first.clone() };
    assert_eq!(shop.ask(own).await.unwrap().hits[0].product_id, "b", "the size may differ, and relevance is the order");
    let in_stock = Some(pb::SearchFilter { in_stock: true, ..Default::default() });
    for wrong in [
        pb::SearchProductsRequest { page_token: token.clone(), query: "Lamp".into(), ..first.clone() },
        pb::SearchProductsRequest { page_token: token.clone(), order: 2, ..first.clone() },
        pb::SearchProductsRequest { page_token: token.clone(), filter: in_stock, ..first.clone() },
        pb::SearchProductsRequest { page_token: format!("{token}A"), ..first.clone() },
        pb::SearchProductsRequest { page_token: "x".repeat(3_000), ..first.clone() },
        pb::SearchProductsRequest { page_token: "\0é".into(), ..first.clone() },
    ] {
        let status = shop.ask(wrong).await.unwrap_err();
        let expected = (Code::InvalidArgument, "PAGE_TOKEN_INVALID".to_owned(), vec!["page_token".to_owned()]);
        assert_eq!(refusal(&status), expected);
    }
}

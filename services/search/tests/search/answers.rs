//! What is found, and what is said about it.

use contracts::catalog::v1 as catalog;
use contracts::search::v1 as pb;

use crate::shop::{Shop, euros, eventually, path, product};

fn lamp() -> catalog::Product {
    catalog::Product {
        brand: "Lumen & Co".into(),
        description: "A <b>brass</b> lamp for desks.".into(),
        categories: vec![path(&["Home", "Lighting"])],
        price: Some(euros(49, 50)),
        list_price: Some(euros(60, 0)),
        pictures: vec![catalog::Picture { uri: "/pictures/lamp.svg".into(), alt_text: "A lamp".into() }],
        rating: Some(catalog::Rating { average: 4.5, count: 12 }),
        ..product("lamp", "Desk lamp")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hit_has_what_a_list_shows_and_how_new_it_is() {
    let shop = Shop::with([(lamp(), 3), (product("mug", "Blue mug"), 0)]).await;
    let request = pb::SearchProductsRequest {
        query: "brass lamp".into(),
        include_highlights: true,
        include_facets: true,
        ..Default::default()
    };
    let found = shop.ask(request).await.unwrap();
    let [hit] = found.hits.as_slice() else { panic!("{:?}", found.hits) };
    assert!(hit.score > 0.0);
    let ranges = |highlight: &pb::Highlight| {
        let range = |range: &pb::TextRange| usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        highlight.ranges.iter().map(|it| highlight.text[range(it)].to_owned()).collect::<Vec<_>>()
    };
    let marked: Vec<_> = hit.highlights.iter().map(|it| (it.field.as_str(), ranges(it))).collect();
    assert_eq!(marked, [("name", vec!["lamp".to_owned()]), ("description", vec!["brass".into(), "lamp".into()])]);
    let expected = pb::SearchHit {
        product_id: "lamp".into(),
        name: "Desk lamp".into(),
        brand: "Lumen & Co".into(),
        price: Some(euros(49, 50)),
        list_price: Some(euros(60, 0)),
        picture: lamp().pictures.first().cloned(),
        rating: lamp().rating,
        availability: pb::Availability::InStock.into(),
        product_revision: 1,
        stock_revision: 1,
        score: hit.score,
        highlights: hit.highlights.clone(),
        popularity: 0,
    };
    assert_eq!(*hit, expected);
    assert_eq!((found.total_count, found.next_page_token.as_str(), found.corrected_query.as_str()), (1, "", ""));
    let facets = found.facets.unwrap();
    assert_eq!(facets.brands, [pb::BrandFacet { brand: "Lumen & Co".into(), count: 1 }]);
    assert_eq!(facets.categories, [pb::CategoryFacet { category: Some(path(&["Home"])), count: 1 }]);
    assert_eq!(facets.prices[0].price_min, Some(euros(20, 0)));
    assert_eq!(facets.prices[0].price_max, Some(euros(49, 99)));
    assert_eq!(facets.ratings.iter().map(|it| it.rating_min).collect::<Vec<_>>(), [4.0, 3.0, 2.0, 1.0]);
    assert_eq!(facets.in_stock_count, 1);
    assert!(!found.stale && found.index_time.is_some());
    let mug = shop.search("mug").await.unwrap();
    assert_eq!(mug.hits[0].availability(), pb::Availability::OutOfStock);
    assert!(mug.facets.is_none() && mug.hits[0].highlights.is_empty(), "only where asked for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_typo_finds_what_was_meant_and_is_corrected() {
    let shop = Shop::with([(product("a", "Wireless headphones"), 1), (product("b", "Настольная лампа"), 1)]).await;
    let found = shop.search("wireles headphnoes").await.unwrap();
    assert_eq!(found.hits[0].product_id, "a");
    assert_eq!(found.corrected_query, "wireless headphones");
    assert_eq!(shop.ids("ламра").await, ["b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_give_every_product_once_in_every_order() {
    let products = (0..23).map(|n| {
        let price = Some(euros(n % 4, 0));
        (catalog::Product { price, ..product(&format!("p{n:02}"), "Lamp") }, n % 2)
    });
    let shop = Shop::with(products).await;
    for order in [0, 1, 2, 3, 4, 5] {
        for query in ["", "lamp"] {
            let mut request =
                pb::SearchProductsRequest { query: query.into(), order, page_size: 5, ..Default::default() };
            let mut ids = Vec::new();
            loop {
                let page = shop.ask(request.clone()).await.unwrap();
                assert_eq!(page.total_count, 23);
                ids.extend(page.hits.into_iter().map(|hit| hit.product_id));
                if page.next_page_token.is_empty() {
                    break;
                }
                request.page_token = page.next_page_token;
            }
            let whole = shop.ask(pb::SearchProductsRequest { page_size: 0, page_token: String::new(), ..request });
            let whole: Vec<_> = whole.await.unwrap().hits.into_iter().map(|hit| hit.product_id).collect();
            assert_eq!((ids.len(), &ids), (23, &whole), "{order} {query:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_being_typed_is_completed() {
    let shop = Shop::with([(lamp(), 1), (product("lantern", "Storm lantern"), 1)]).await;
    // Suggestions follow a moment behind what can be found.
    eventually(async || shop.suggest("la").await.unwrap().len() >= 2).await;
    let found = shop.suggest("LÁ").await.unwrap();
    assert!(found.iter().any(|it| it.query == "Desk lamp" && it.product_count == 1), "{found:?}");
    let one = pb::SuggestQueriesRequest { prefix: "la".into(), page_size: 1 };
    assert_eq!(shop.client().suggest_queries(one).await.unwrap().into_inner().suggestions.len(), 1);
    assert_eq!(shop.suggest("🎧").await.unwrap(), []);
}

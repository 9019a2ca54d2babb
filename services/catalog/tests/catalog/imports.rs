//! ImportProducts.

use contracts::catalog::v1 as pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use crate::shop::{self, Shop, full_product, product, refusal};

crate::on_both_databases!(
    an_import_says_what_it_made_changed_and_left_alone,
    what_is_wrong_with_one_product_rejects_it_alone,
    an_id_that_occurs_twice_is_applied_twice,
    a_large_import_arrives_whole,
    an_import_that_is_cut_keeps_what_was_committed,
    an_import_that_fails_keeps_what_came_before,
    a_caller_that_stalls_in_its_import_holds_up_nobody,
    twenty_thousand_products_are_imported_with_what_is_wrong_reported,
);

type Counts = (i64, i64, i64, i64);

fn counts(report: &pb::ImportProductsResponse) -> Counts {
    (report.created_count, report.updated_count, report.unchanged_count, report.rejected_count)
}

fn numbered(range: std::ops::Range<usize>) -> Vec<pb::Product> {
    range.map(|n| product(&format!("p{n:05}"))).collect()
}

async fn an_import_says_what_it_made_changed_and_left_alone(shop: Shop) {
    let products = vec![full_product("a"), product("b"), product("c")];
    assert_eq!(counts(&shop.import(vec![products.clone()]).await.unwrap()), (3, 0, 0, 0));
    let before = shop.get("a").await.unwrap();
    let changed = pb::Product { name: "New".into(), ..product("b") };
    let report = shop.import(vec![vec![products[0].clone(), changed], vec![], vec![product("d")]]).await.unwrap();
    assert_eq!(counts(&report), (1, 1, 1, 0));
    // Unchanged: no new revision, time or etag.
    assert_eq!(shop.get("a").await.unwrap(), before);
    assert_eq!(shop.get("b").await.unwrap().revision, 2);
    assert_eq!(counts(&shop.import(vec![]).await.unwrap()), (0, 0, 0, 0));
}

async fn what_is_wrong_with_one_product_rejects_it_alone(shop: Shop) {
    let long = "x".repeat(100);
    let wrong = vec![
        pb::Product { name: " ".into(), ..product("no-name") },
        product("fine"),
        pb::Product { product_id: long.clone(), ..product("") },
        pb::Product {
            pictures: vec![pb::Picture { uri: "javascript:x".into(), ..Default::default() }],
            ..product("uri")
        },
        // Each field within its limits, together too much.
        pb::Product { description: "𝄞".repeat(10_000), ..product("large") },
    ];
    let report = shop.import(vec![wrong]).await.unwrap();
    assert_eq!(counts(&report), (1, 0, 0, 4));
    let rejected: Vec<_> =
        report.rejections.iter().map(|it| (it.index, it.product_id.as_str(), it.field.as_str())).collect();
    let expected =
        [(0, "no-name", "name"), (2, &long[..64], "product_id"), (3, "uri", "pictures[0].uri"), (4, "large", "")];
    assert_eq!(rejected, expected);
    assert!(report.rejections.iter().all(|it| it.reason == "INVALID_REQUEST" && !it.message.is_empty()));
    assert_eq!(shop.get("fine").await.unwrap().revision, 1);
    let many = vec![vec![product("-"); 400]; 3];
    let report = shop.import(many).await.unwrap();
    assert_eq!((report.rejected_count, report.rejections.len()), (1_200, 1_000));
    assert_eq!(report.rejections[999].index, 999);
}

async fn an_id_that_occurs_twice_is_applied_twice(shop: Shop) {
    let second = pb::Product { name: "Second".into(), ..product("mug") };
    let report = shop.import(vec![vec![product("mug"), second.clone()], vec![second]]).await.unwrap();
    assert_eq!(counts(&report), (1, 1, 1, 0));
    let mug = shop.get("mug").await.unwrap();
    assert_eq!((mug.name.as_str(), mug.revision), ("Second", 2));
}

async fn a_large_import_arrives_whole(shop: Shop) {
    let products = numbered(0..1_500);
    let report = shop.import(products.chunks(500).map(<[_]>::to_vec).collect()).await.unwrap();
    assert_eq!(counts(&report), (1_500, 0, 0, 0));
    let report = shop.import(products.chunks(7).map(<[_]>::to_vec).collect()).await.unwrap();
    assert_eq!(counts(&report), (0, 0, 1_500, 0));
}

async fn an_import_that_is_cut_keeps_what_was_committed(shop: Shop) {
    let (send, receive) = mpsc::channel(1);
    let mut client = shop.client.clone();
    let call = tokio::spawn(async move { client.import_products(ReceiverStream::new(receive)).await });
    send.send(pb::ImportProductsRequest { products: numbered(0..100) }).await.unwrap();
    // Committed while the stream is open.
    shop::eventually(async || shop.get("p00099").await.is_ok()).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    let report = shop.import(vec![numbered(0..150)]).await.unwrap();
    assert_eq!(counts(&report), (50, 0, 100, 0));
}

async fn an_import_that_fails_keeps_what_came_before(shop: Shop) {
    let (send, receive) = mpsc::channel(1);
    let mut client = shop.client.clone();
    let call = tokio::spawn(async move { client.import_products(ReceiverStream::new(receive)).await });
    send.send(pb::ImportProductsRequest { products: numbered(0..64) }).await.unwrap();
    shop::eventually(async || shop.get("p00063").await.is_ok()).await;
    send.send(pb::ImportProductsRequest { products: numbered(64..565) }).await.unwrap();
    let status = call.await.unwrap().unwrap_err();
    assert_eq!(refusal(&status), (Code::InvalidArgument, "INVALID_REQUEST".into(), vec!["products".into()]));
    assert_eq!(counts(&shop.import(vec![numbered(0..65)]).await.unwrap()), (1, 0, 64, 0));
}

async fn a_caller_that_stalls_in_its_import_holds_up_nobody(shop: Shop) {
    let mut stalled = Vec::new();
    for n in 0..20 {
        let (send, receive) = mpsc::channel(1);
        let mut client = shop.client.clone();
        let call = tokio::spawn(async move { client.import_products(ReceiverStream::new(receive)).await });
        send.send(pb::ImportProductsRequest { products: numbered(n * 10..n * 10 + 10) }).await.unwrap();
        stalled.push((send, call));
    }
    shop::eventually(async || shop.get("p00199").await.is_ok()).await;
    let writing = async {
        shop.create(product("meanwhile")).await;
        shop.update(pb::Product { name: "New".into(), ..product("p00000") }, &["name"]).await.unwrap();
        shop.import(vec![numbered(0..300)]).await.unwrap()
    };
    let report = tokio::time::timeout(std::time::Duration::from_secs(20), writing).await.expect("it waited");
    assert_eq!(counts(&report), (100, 1, 199, 0));
    for (send, call) in stalled {
        drop(send);
        assert_eq!(counts(&call.await.unwrap().unwrap().into_inner()), (10, 0, 0, 0));
    }
}

async fn twenty_thousand_products_are_imported_with_what_is_wrong_reported(shop: Shop) {
    let mut products = numbered(0..20_000);
    for wrong in products.iter_mut().step_by(10) {
        wrong.price = None;
    }
    // The same product again, in the same message and in another one.
    products[11].product_id = "p00001".into();
    products[19_999].product_id = "p00002".into();
    let report = shop.import(products.chunks(500).map(<[_]>::to_vec).collect()).await.unwrap();
    assert_eq!(counts(&report), (17_998, 2, 0, 2_000));
    assert_eq!(report.rejections.len(), 1_000);
    assert!(
        report.rejections.iter().zip((0..).step_by(10)).all(|(it, index)| it.index == index && it.field == "price")
    );
    assert_eq!(shop.get("p00001").await.unwrap().revision, 2);
}

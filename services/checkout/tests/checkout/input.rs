//! Requests that make no sense: each is refused, naming every field, and stores nothing.

use contracts::checkout::v1 as pb;

use crate::ask::{self, as_operator, fields, placed, placing, quote};
use crate::bank::Card;
use crate::shop::{Shop, money, request_id};

crate::on_both_databases!(
    every_field_of_an_order_that_makes_no_sense_is_named,
    every_field_of_the_other_requests_that_makes_no_sense_is_named,
    an_address_of_a_megabyte_is_refused_and_nothing_is_stored,
);

async fn every_field_of_an_order_that_makes_no_sense_is_named(shop: Shop) {
    shop.sell("mug", 1_250, 1).await;
    let cart = shop.cart(&[("mug", 1)]).await;
    let right = placing(&quote(&shop.client, &cart).await.unwrap(), Card::Good);
    let nothing = placed(&shop.client, pb::PlaceOrderRequest::default()).await.unwrap_err();
    let all =
        ["request_id", "cart_id", "quote_id", "expected_total", "shipping_address", "contact_email", "card_token"];
    assert_eq!(fields(&nothing), all);
    let wrong = |change: &dyn Fn(&mut pb::PlaceOrderRequest)| {
        let mut request = right.clone();
        change(&mut request);
        request
    };
    let address =
        |change: &dyn Fn(&mut pb::Address)| wrong(&|request| change(request.shipping_address.as_mut().unwrap()));
    let place =
        |change: &dyn Fn(&mut pb::Destination)| address(&|address| change(address.destination.as_mut().unwrap()));
    let cases = [
        (wrong(&|r| r.contact_email = String::new()), "contact_email"),
        (wrong(&|r| r.contact_email = "@".into()), "contact_email"),
        (wrong(&|r| r.contact_email = "a@b@c".into()), "contact_email"),
        (wrong(&|r| r.contact_email = "a b@c".into()), "contact_email"),
        (wrong(&|r| r.contact_email = format!("a@{}", "b".repeat(253))), "contact_email"),
        (wrong(&|r| r.card_token = "4111111111111111".into()), "card_token"),
        (wrong(&|r| r.quote_id = "x".repeat(1_025)), "quote_id"),
        (wrong(&|r| r.expected_total = Some(money("XYZ", 5))), "expected_total.currency_code"),
        (wrong(&|r| r.expected_total = Some(money("EUR", -100))), "expected_total.units"),
        (wrong(&|r| r.expected_total = Some(money("EUR", -1))), "expected_total.nanos"),
        (wrong(&|r| r.expected_total.as_mut().unwrap().units = i64::MAX), "expected_total.units"),
        (wrong(&|r| r.expected_total.as_mut().unwrap().units = 1_000_000_000_000), "expected_total.units"),
        (wrong(&|r| r.expected_total.as_mut().unwrap().nanos = 1), "expected_total.nanos"),
        (address(&|a| a.recipient = " ".into()), "shipping_address.recipient"),
        (address(&|a| a.lines.clear()), "shipping_address.lines"),
        (address(&|a| a.lines = vec!["x".into(); 5]), "shipping_address.lines"),
        (address(&|a| a.lines = vec!["x".into(), "a\nb".into()]), "shipping_address.lines[1]"),
        (address(&|a| a.locality = "ü".repeat(201)), "shipping_address.locality"),
        (address(&|a| a.phone = "call me".into()), "shipping_address.phone"),
        (address(&|a| a.destination = None), "shipping_address.destination"),
        (place(&|d| d.country_code = "XX".into()), "shipping_address.destination.country_code"),
        (place(&|d| d.country_code = "de".into()), "shipping_address.destination.country_code"),
        (place(&|d| d.region = "x".repeat(101)), "shipping_address.destination.region"),
        (place(&|d| d.postal_code = "x".repeat(21)), "shipping_address.destination.postal_code"),
    ];
    for (request, field) in cases {
        let refused = placed(&shop.client, request).await.unwrap_err();
        let named = fields(&refused);
        assert!(
            named.iter().all(|named| named == field || field.starts_with(&format!("{named}."))),
            "{field}: {named:?}"
        );
        assert!(named.contains(&field.to_owned()), "{field}: {named:?}");
    }
    // None of these was remembered.
    placed(&shop.client, right).await.unwrap();
}

async fn every_field_of_the_other_requests_that_makes_no_sense_is_named(shop: Shop) {
    let mut client = shop.client.clone();
    let refused = client
        .quote_order(pb::QuoteOrderRequest { shipping_option_id: "-".into(), ..pb::QuoteOrderRequest::default() });
    assert_eq!(fields(&refused.await.unwrap_err()), ["cart_id", "destination", "shipping_option_id"]);
    let refused = client.get_order(pb::GetOrderRequest { order_id: "1".into() });
    assert_eq!(fields(&refused.await.unwrap_err()), ["order_id"]);
    let etag = "x".repeat(65);
    let (order_id, request_id_) = (String::new(), "1".to_owned());
    let refused = client.cancel_order(pb::CancelOrderRequest {
        order_id: order_id.clone(),
        etag: etag.clone(),
        request_id: request_id_.clone(),
    });
    assert_eq!(fields(&refused.await.unwrap_err()), ["request_id", "order_id", "etag"]);
    let refused = client.retry_order(as_operator(pb::RetryOrderRequest { order_id, etag, request_id: request_id_ }));
    assert_eq!(fields(&refused.await.unwrap_err()), ["request_id", "order_id", "etag"]);
    let line = |id: &str, quantity| pb::RefundLine { product_id: id.into(), quantity };
    let refused = client.refund_order(as_operator(pb::RefundOrderRequest {
        order_id: "0".repeat(32),
        lines: vec![line("a", 0), line("/", 1), line("b", 10_001), line("a", 1)],
        comment: "x".repeat(501),
        request_id: request_id(),
        ..pb::RefundOrderRequest::default()
    }));
    let named = ["lines[0].quantity", "lines[1].product_id", "lines[2].quantity", "lines[3].product_id", "comment"];
    assert_eq!(fields(&refused.await.unwrap_err()), named);
    let uri = |uri: &str| pb::Tracking { uri: uri.into(), ..pb::Tracking::default() };
    for wrong in ["http://a", "https://", "https:///x", "https://a b", &format!("https://{}", "x".repeat(2_048))] {
        let tracking = Some(uri(wrong));
        let (order_id, request_id) = ("0".repeat(32), request_id());
        let refused = client.fulfill_order(as_operator(pb::FulfillOrderRequest {
            order_id,
            tracking,
            etag: String::new(),
            request_id,
        }));
        assert_eq!(fields(&refused.await.unwrap_err()), ["tracking.uri"], "{wrong}");
    }
    let refused = client.list_orders(as_operator(pb::ListOrdersRequest {
        page_size: -1,
        states: vec![1, 0, 99],
        contact_email: "x".repeat(255),
        placed_from: Some(prost_types::Timestamp { seconds: 0, nanos: -1 }),
        ..pb::ListOrdersRequest::default()
    }));
    let named = ["page_size", "states[1]", "states[2]", "contact_email", "placed_from.nanos"];
    assert_eq!(fields(&refused.await.unwrap_err()), named);
}

async fn an_address_of_a_megabyte_is_refused_and_nothing_is_stored(shop: Shop) {
    shop.sell("mug", 1_250, 1).await;
    let cart = shop.cart(&[("mug", 1)]).await;
    let mut request = placing(&quote(&shop.client, &cart).await.unwrap(), Card::Good);
    let address = request.shipping_address.as_mut().unwrap();
    address.lines = vec!["x".repeat(1024 * 1024)];
    let refused = placed(&shop.client, request).await.unwrap_err();
    assert_eq!(fields(&refused), ["shipping_address.lines[0]"]);
    let listed =
        shop.client.clone().list_orders(as_operator(pb::ListOrdersRequest::default())).await.unwrap().into_inner();
    assert_eq!((listed.orders.len(), ask::quote(&shop.client, &cart).await.is_ok()), (0, true));
}

//! Whatever is wrong with a request is named, all of it, and never repeated.

use contracts::google::r#type::Money;
use contracts::payment::v1 as pb;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::shop::{self, GOOD, Shop, fields, payment_id, refusal, request_id, tokenize};

crate::on_both_databases!(
    everything_wrong_with_a_card_is_named_and_never_repeated,
    everything_wrong_with_a_payment_is_named,
);

async fn everything_wrong_with_a_card_is_named_and_never_repeated(shop: Shop) {
    let card = pb::CardDetails {
        number: "4242 4242 4242 4241".into(),
        security_code: "98".into(),
        expiry_month: 13,
        expiry_year: 1999,
        holder_name: "Mallory\u{7}".into(),
    };
    let refused = tokenize(&shop.client, card, "no-uuid").await.unwrap_err();
    let all = ["number", "security_code", "expiry_month", "expiry_year", "holder_name"].map(|of| format!("card.{of}"));
    assert_eq!(fields(&refused), [&["request_id".to_owned()], &all[..]].concat());
    let said = format!("{refused:?} {:?}", refused.get_error_details());
    for value in ["4242", "4241", "98", "1999", "Mallory"] {
        assert!(!said.contains(value), "{value}: {said}");
    }
    let request = pb::TokenizeCardRequest { card: None, request_id: request_id() };
    assert_eq!(fields(&shop.client.clone().tokenize_card(request).await.unwrap_err()), ["card"]);
    let long = pb::CardDetails { number: format!("{GOOD}{}", " ".repeat(25)), ..shop::card(GOOD) };
    assert_eq!(fields(&tokenize(&shop.client, long, &request_id()).await.unwrap_err()), ["card.number"]);
}

async fn everything_wrong_with_a_payment_is_named(shop: Shop) {
    let mut client = shop.client.clone();
    let amount = |currency: &str, units, nanos| Some(Money { currency_code: currency.into(), units, nanos });
    let request =
        pb::AuthorizePaymentRequest { payment_id: "P".into(), card_token: "T".into(), amount: amount("EUR", 0, 0) };
    let refused = client.authorize_payment(request).await.unwrap_err();
    assert_eq!(fields(&refused), ["payment_id", "card_token", "amount.units"]);
    for (amount, field) in [
        (None, "amount"),
        (amount("XXX", 1, 0), "amount.currency_code"),
        (amount("JPY", 1, 500_000_000), "amount.nanos"),
        (amount("EUR", -1, 0), "amount.units"),
        (amount("EUR", i64::MAX, 0), "amount.units"),
    ] {
        let request = pb::RefundPaymentRequest { payment_id: payment_id(), refund_id: request_id(), amount };
        assert_eq!(fields(&client.refund_payment(request).await.unwrap_err()), [field]);
    }
    let request = pb::RefundPaymentRequest { payment_id: payment_id(), refund_id: "1".into(), amount: None };
    assert_eq!(fields(&client.refund_payment(request).await.unwrap_err()), ["refund_id", "amount"]);
    for id in ["", "0123", &"g".repeat(32), &payment_id().to_uppercase().replace(|c: char| c.is_ascii_digit(), "A")] {
        assert_eq!(fields(&shop.capture(id).await.unwrap_err()), ["payment_id"]);
        assert_eq!(fields(&shop.void(id).await.unwrap_err()), ["payment_id"]);
        assert_eq!(fields(&shop.get(id).await.unwrap_err()), ["payment_id"]);
    }
    let list = |page_size, page_token: &str, states: Vec<i32>| {
        let request = pb::ListPaymentsRequest { page_size, page_token: page_token.into(), states };
        let mut client = shop.client.clone();
        async move { client.list_payments(request).await.unwrap_err() }
    };
    assert_eq!(fields(&list(-1, "", vec![0, 5, 99]).await), ["page_size", "states[0]", "states[2]"]);
    assert_eq!(fields(&list(0, "", vec![5; 11]).await), ["states"]);
    let refused = list(0, "nonsense", vec![]).await;
    assert_eq!(refusal(&refused), (Code::InvalidArgument, "PAGE_TOKEN_INVALID".into()));
}

#[test]
fn a_request_with_a_card_in_it_does_not_print_it() {
    let request = pb::TokenizeCardRequest { card: Some(shop::card(GOOD)), request_id: request_id() };
    let printed = format!("{request:?} {:?} {:#?}", request.card, request);
    assert!(!printed.contains(GOOD) && !printed.contains(shop::CODE) && !printed.contains("Shopper"), "{printed}");
    let bank = contracts::acquirer::v1::Card { number: GOOD.into(), ..Default::default() };
    assert!(!format!("{bank:?}").contains(GOOD));
}

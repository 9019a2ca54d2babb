//! Payments in the whole shop: cards through the edge, and the acquirer behind it that nobody outside reaches.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::os::unix::fs::PermissionsExt as _;

use contracts::{
    acquirer::v1::{GetChargeRequest, acquirer_service_client::AcquirerServiceClient},
    google::r#type::Money,
    payment::v1::{
        AuthorizePaymentRequest, CardDetails, TokenizeCardRequest, TokenizeCardResponse,
        payment_service_client::PaymentServiceClient,
    },
};
use system_tests::{Shop, channel};
use tonic::Code;
use tonic_types::StatusExt as _;

/// A card that is good for some years, as whoever runs this test has clocks.
fn card() -> CardDetails {
    let (year, _) = rpc::year_and_month(rpc::now_us());
    CardDetails {
        number: "4242 4242 4242 4242".into(),
        security_code: "123".into(),
        expiry_month: 12,
        expiry_year: i32::try_from(year).unwrap() + 2,
        holder_name: "A. Shopper".into(),
    }
}

fn reason(status: &tonic::Status) -> (Code, String) {
    (status.code(), status.get_details_error_info().map(|info| info.reason).unwrap_or_default())
}

async fn tokenize(shop: &Shop, request_id: &str) -> TokenizeCardResponse {
    let request = TokenizeCardRequest { card: Some(card()), request_id: request_id.to_owned() };
    PaymentServiceClient::new(channel(&shop.grpc)).tokenize_card(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn the_edge_takes_cards_and_lets_nobody_move_money_or_see_the_acquirer() {
    let shop = Shop::open(&[]).await;
    let token = tokenize(&shop, &uuid::Uuid::new_v4().to_string()).await.card_token;
    let id = uuid::Uuid::new_v4().simple().to_string();
    let amount = Some(Money { currency_code: "EUR".into(), units: 1, nanos: 0 });
    let request = AuthorizePaymentRequest { payment_id: id.clone(), card_token: token, amount };
    let refused = PaymentServiceClient::new(channel(&shop.grpc)).authorize_payment(request).await.unwrap_err();
    assert_eq!(reason(&refused), (Code::PermissionDenied, "RPC_INTERNAL".into()));
    let request = GetChargeRequest { payment_id: id };
    let refused = AcquirerServiceClient::new(channel(&shop.grpc)).get_charge(request).await.unwrap_err();
    assert_eq!(reason(&refused), (Code::Unimplemented, "SERVICE_ABSENT".into()));
}

#[tokio::test]
async fn the_keys_are_made_at_the_first_start_for_their_user_alone_and_kept() {
    let data = tempfile::tempdir().unwrap();
    let mut shop = Shop::open_on(data.path(), &[]).await;
    let request_id = uuid::Uuid::new_v4().to_string();
    let first = tokenize(&shop, &request_id).await;
    let read = |file: &str| std::fs::read_to_string(data.path().join(file)).unwrap();
    let keys = (read("payment.keys"), read("acquirer.key"));
    for file in ["payment.keys", "acquirer.key"] {
        assert_eq!(data.path().join(file).metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    shop.kill();
    drop(shop);
    let shop = Shop::open_on(data.path(), &[]).await;
    assert_eq!((read("payment.keys"), read("acquirer.key")), keys);
    // What the first one remembered, it remembered by its key.
    assert_eq!(tokenize(&shop, &request_id).await, first);
}

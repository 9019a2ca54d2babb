//! Lists of payments, page by page.

use contracts::payment::v1 as pb;
use pb::PaymentState::{Authorized, Captured, Declined, Voided};
use tonic::Code;

use crate::shop::{Shop, payment_id, refusal, request_id};

crate::on_both_databases!(
    every_payment_is_listed_once_the_newest_first,
    a_list_of_states_has_those_alone_and_its_token_goes_on_with_no_other,
);

async fn page(shop: &Shop, page_size: i32, page_token: &str, states: &[pb::PaymentState]) -> pb::ListPaymentsResponse {
    let states = states.iter().map(|state| (*state).into()).collect();
    let request = pb::ListPaymentsRequest { page_size, page_token: page_token.into(), states };
    shop.client.clone().list_payments(request).await.unwrap().into_inner()
}

async fn every_payment_is_listed_once_the_newest_first(shop: Shop) {
    assert_eq!(page(&shop, 0, "", &[]).await, pb::ListPaymentsResponse::default());
    let mut made = Vec::new();
    for minor in 1..=7 {
        made.push(shop.captured(minor * 100).await);
    }
    shop.refund(&made[3], &request_id(), 1).await.unwrap();
    made.reverse();
    let (mut listed, mut token) = (Vec::new(), String::new());
    loop {
        let page = page(&shop, 2, &token, &[]).await;
        assert!(page.payments.len() <= 2);
        // One that is made meanwhile is newer than every page that is left.
        shop.authorized(1).await;
        listed.extend(page.payments);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(listed.iter().map(|payment| payment.payment_id.clone()).collect::<Vec<_>>(), made);
    for payment in &listed {
        assert_eq!(*payment, shop.get(&payment.payment_id).await.unwrap());
    }
}

async fn a_list_of_states_has_those_alone_and_its_token_goes_on_with_no_other(shop: Shop) {
    let (captured, authorized, voided) = (shop.captured(100).await, shop.authorized(100).await, payment_id());
    shop.void(&voided).await.unwrap();
    let token = shop.token("4000000000009995").await;
    let declined = payment_id();
    shop.authorize(&declined, &token, 100).await.unwrap();
    let ids = async |states: &[pb::PaymentState]| {
        let page = page(&shop, 0, "", states).await;
        page.payments.into_iter().map(|payment| payment.payment_id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&[Captured]).await, std::slice::from_ref(&captured));
    assert_eq!(ids(&[Declined, Voided]).await, [declined, voided]);
    assert_eq!(ids(&[Authorized, Captured]).await, [authorized, captured]);
    let token = page(&shop, 1, "", &[Authorized, Captured]).await.next_page_token;
    assert_eq!(page(&shop, 1, &token, &[Captured, Authorized]).await.payments.len(), 1);
    let request = pb::ListPaymentsRequest { page_size: 1, page_token: token, states: vec![Captured.into()] };
    let refused = shop.client.clone().list_payments(request).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::InvalidArgument, "PAGE_TOKEN_INVALID".into()));
}

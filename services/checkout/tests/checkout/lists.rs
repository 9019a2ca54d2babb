//! Lists of orders, the newest first.

use contracts::checkout::v1 as pb;
use tonic::Code;

use crate::ask::{self, OrderState, placed, placing, quote, refusal};
use crate::bank::Card;
use crate::relay::Fate;
use crate::shop::Shop;

crate::on_both_databases!(
    orders_are_listed_newest_first_each_once_whatever_is_placed_meanwhile,
    a_list_is_narrowed_down_by_state_time_contact_and_what_waits,
);

async fn page(shop: &Shop, request: pb::ListOrdersRequest) -> (Vec<String>, String) {
    let page = shop.client.clone().list_orders(ask::as_operator(request)).await.unwrap().into_inner();
    (page.orders.into_iter().map(|order| order.order_id).collect(), page.next_page_token)
}

async fn orders_are_listed_newest_first_each_once_whatever_is_placed_meanwhile(shop: Shop) {
    shop.sell("mug", 1_250, 200).await;
    let mut placed = Vec::new();
    for _ in 0..7 {
        placed.push(shop.order(&[("mug", 1)], Card::Good).await.order_id);
    }
    placed.reverse();
    let (mut listed, mut token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListOrdersRequest { page_size: 3, page_token: token.clone(), ..Default::default() };
        let (orders, next) = page(&shop, request).await;
        assert!(orders.len() <= 3);
        listed.extend(orders);
        shop.order(&[("mug", 1)], Card::Good).await;
        if next.is_empty() {
            break;
        }
        token = next;
    }
    assert_eq!(listed, placed);
    let other = pb::ListOrdersRequest { page_token: token, unfinished: true, ..Default::default() };
    let refused = shop.client.clone().list_orders(ask::as_operator(other)).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::InvalidArgument, "PAGE_TOKEN_INVALID".into()));
}

async fn a_list_is_narrowed_down_by_state_time_contact_and_what_waits(shop: Shop) {
    shop.sell("mug", 1_250, 200).await;
    let paid = shop.paid(&[("mug", 1)], Card::Good).await;
    let failed = shop.order(&[("mug", 1)], Card::Declined).await;
    shop.to_payment.set("CapturePayment", Fate::Refused);
    let cart = shop.cart(&[("mug", 1)]).await;
    let mut request = placing(&quote(&shop.client, &cart).await.unwrap(), Card::Good);
    request.contact_email = "eve@example.org".into();
    let stuck = placed(&shop.client, request).await.unwrap();
    let stuck = shop.reaches(&stuck, OrderState::NeedsAttention).await;
    let list = |request| page(&shop, request);
    let all = pb::ListOrdersRequest::default;
    assert_eq!(list(all()).await.0, [&*stuck.order_id, &failed.order_id, &paid.order_id]);
    let states = vec![OrderState::Failed.into(), OrderState::Captured.into()];
    assert_eq!(list(pb::ListOrdersRequest { states, ..all() }).await.0, [&*failed.order_id, &paid.order_id]);
    assert_eq!(list(pb::ListOrdersRequest { unfinished: true, ..all() }).await.0, [&*stuck.order_id]);
    let since = stuck.step.as_ref().unwrap().since_time;
    let of_eve = || pb::ListOrdersRequest { contact_email: "eve@example.org".into(), ..all() };
    for before in [
        pb::ListOrdersRequest { step_since_before: since, ..all() },
        pb::ListOrdersRequest { step_since_before: since, ..of_eve() },
    ] {
        assert_eq!(list(before).await.0, Vec::<String>::new());
    }
    let later = since.map(|mut time| {
        time.seconds += 1;
        time
    });
    assert_eq!(list(pb::ListOrdersRequest { step_since_before: later, ..all() }).await.0, [&*stuck.order_id]);
    assert_eq!(list(pb::ListOrdersRequest { unfinished: true, ..of_eve() }).await.0, [&*stuck.order_id]);
    assert_eq!(list(of_eve()).await.0, [&*stuck.order_id]);
    let (from, before) = (failed.create_time, stuck.create_time);
    let between = pb::ListOrdersRequest { placed_from: from, placed_before: before, ..all() };
    assert_eq!(list(between).await.0, [&*failed.order_id]);
}

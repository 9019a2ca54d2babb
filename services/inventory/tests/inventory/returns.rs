//! ReturnStock: sold units come back, once a request.

use contracts::inventory::v1::ReservationState::Committed;
use tonic::Code;

use crate::shop::{self, Shop, held, order_id, refusal, request_id, subjects};

crate::on_both_databases!(
    some_come_back_and_then_all_that_are_left,
    no_more_comes_back_than_was_sold,
    only_what_was_sold_comes_back,
    a_return_is_done_once_a_request,
);

/// An order that bought three mugs and two jugs.
async fn sold(shop: &Shop) -> String {
    shop.receive(&[("mug", 5), ("jug", 2)]).await;
    let order = order_id();
    shop.reserve(&order, &[("mug", 3), ("jug", 2)]).await.unwrap();
    shop.commit(&order).await.unwrap();
    order
}

async fn some_come_back_and_then_all_that_are_left(shop: Shop) {
    let order = sold(&shop).await;
    let some = shop.give_back(&order, &[("mug", 1)]).await.unwrap();
    assert_eq!((some.state(), held(&some)), (Committed, vec![("mug", 3, 1), ("jug", 2, 0)]));
    assert_eq!((shop.units("mug").await, shop.units("jug").await), ((3, 0, 2), (0, 0, 2)));
    let all = shop.give_back(&order, &[]).await.unwrap();
    assert_eq!(held(&all), [("mug", 3, 3), ("jug", 2, 2)]);
    assert_eq!((shop.units("mug").await, shop.units("jug").await), ((5, 0, 0), (2, 0, 0)));
    // All that are left: none.
    assert_eq!(shop.give_back(&order, &[]).await.unwrap(), all);
    assert_eq!(shop.stock("mug").await.unwrap().revision, 5);
}

async fn no_more_comes_back_than_was_sold(shop: Shop) {
    let order = sold(&shop).await;
    shop.give_back(&order, &[("mug", 2)]).await.unwrap();
    let refused = shop.give_back(&order, &[("jug", 1), ("mug", 2), ("hat", 1)]).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "RETURN_EXCEEDS_SOLD".into()));
    assert_eq!(subjects(&refused), ["lines[1]", "lines[2]"]);
    assert_eq!((shop.units("mug").await, shop.units("jug").await), ((4, 0, 1), (0, 0, 2)));
}

async fn only_what_was_sold_comes_back(shop: Shop) {
    shop.receive(&[("mug", 5)]).await;
    let (unseen, active, released) = (order_id(), order_id(), order_id());
    let refused = shop.give_back(&unseen, &[]).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::NotFound, "RESERVATION_NOT_FOUND".into()));
    shop.reserve(&active, &[("mug", 2)]).await.unwrap();
    shop.release(&released).await.unwrap();
    for order in [&active, &released] {
        let refused = shop.give_back(order, &[("mug", 1)]).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::FailedPrecondition, "RESERVATION_NOT_COMMITTED".into()));
    }
    assert_eq!(shop.units("mug").await, (3, 2, 0));
}

async fn a_return_is_done_once_a_request(shop: Shop) {
    let (order, id) = (sold(&shop).await, request_id());
    let first = shop::give_back(&shop.client, &order, &[("mug", 1)], &id).await.unwrap();
    shop.give_back(&order, &[]).await.unwrap();
    assert_eq!(shop::give_back(&shop.client, &order, &[("mug", 1)], &id).await.unwrap(), first);
    assert_eq!(shop.units("mug").await, (5, 0, 0));
    let reused = shop::give_back(&shop.client, &order, &[("mug", 2)], &id).await.unwrap_err();
    assert_eq!(refusal(&reused), (Code::FailedPrecondition, "REQUEST_ID_REUSED".into()));
    // Ids are each order's own.
    let other = order_id();
    shop.reserve(&other, &[("mug", 1)]).await.unwrap();
    shop.commit(&other).await.unwrap();
    assert_eq!(held(&shop::give_back(&shop.client, &other, &[], &id).await.unwrap()), [("mug", 1, 1)]);
}

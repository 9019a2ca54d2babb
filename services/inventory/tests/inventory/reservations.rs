//! ReserveStock, CommitReservation, ReleaseReservation.

use contracts::inventory::v1 as pb;
use contracts::inventory::v1::ReservationState::{Active, Committed, Released};
use prost_types::Duration;
use tonic::Code;

use crate::shop::{Shop, held, order_id, refusal, subjects};

crate::on_both_databases!(
    units_are_reserved_and_sold,
    units_are_reserved_and_released,
    all_lines_are_reserved_or_none,
    the_same_lines_in_any_order_give_the_reservation_as_it_is,
    other_lines_of_the_same_order_are_refused,
    the_first_end_is_the_last,
    a_release_that_comes_before_its_reserve_closes_the_order,
    a_refused_try_is_not_recorded,
    what_has_reserved_nothing_cannot_be_committed,
    the_time_is_counted_from_when_it_is_made,
    a_hundred_lines_of_ten_thousand_are_reserved_and_sold,
    twenty_products_at_most_are_named,
);

async fn units_are_reserved_and_sold(shop: Shop) {
    shop.receive(&[("mug", 5), ("jug", 2)]).await;
    let order = order_id();
    let made = shop.reserve(&order, &[("mug", 3), ("jug", 2)]).await.unwrap();
    assert_eq!((made.order_id.as_str(), made.state()), (order.as_str(), Active));
    assert_eq!(held(&made), [("mug", 3, 0), ("jug", 2, 0)]);
    assert_eq!((shop.units("mug").await, shop.units("jug").await), ((2, 3, 0), (0, 2, 0)));
    let sold = shop.commit(&order).await.unwrap();
    assert_eq!((sold.state(), &sold.lines, sold.expire_time), (Committed, &made.lines, made.expire_time));
    assert_eq!((shop.units("mug").await, shop.units("jug").await), ((2, 0, 3), (0, 0, 2)));
    assert_eq!(shop.commit(&order).await.unwrap(), sold);
    assert_eq!(shop.units("mug").await, (2, 0, 3));
}

async fn units_are_reserved_and_released(shop: Shop) {
    shop.receive(&[("mug", 5)]).await;
    let order = order_id();
    shop.reserve(&order, &[("mug", 5)]).await.unwrap();
    let released = shop.release(&order).await.unwrap();
    assert_eq!((released.state(), held(&released)), (Released, vec![("mug", 5, 0)]));
    assert_eq!(shop.release(&order).await.unwrap(), released);
    assert_eq!(shop.units("mug").await, (5, 0, 0));
}

async fn all_lines_are_reserved_or_none(shop: Shop) {
    shop.receive(&[("mug", 5), ("jug", 1), ("mat", 0)]).await;
    let lines = [("mug", 5), ("jug", 2), ("mat", 1), ("hat", 1)];
    let refused = shop.reserve(&order_id(), &lines).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "INSUFFICIENT_STOCK".into()));
    assert_eq!(subjects(&refused), ["products/jug", "products/mat", "products/hat"]);
    assert_eq!((shop.units("mug").await, shop.units("jug").await), ((5, 0, 0), (1, 0, 0)));
}

async fn the_same_lines_in_any_order_give_the_reservation_as_it_is(shop: Shop) {
    shop.receive(&[("mug", 5), ("jug", 5)]).await;
    let order = order_id();
    let made = shop.reserve(&order, &[("mug", 1), ("jug", 2)]).await.unwrap();
    let ttl = Some(Duration { seconds: 86_400, nanos: 0 });
    let lines = crate::shop::lines(&[("jug", 2), ("mug", 1)]);
    let request = pb::ReserveStockRequest { order_id: order.clone(), lines, ttl };
    let again = shop.client.clone().reserve_stock(request.clone()).await.unwrap().into_inner().reservation.unwrap();
    assert_eq!(again, made);
    let sold = shop.commit(&order).await.unwrap();
    let again = shop.client.clone().reserve_stock(request).await.unwrap().into_inner().reservation.unwrap();
    assert_eq!(again, sold);
    assert_eq!(shop.units("jug").await, (3, 0, 2));
}

async fn other_lines_of_the_same_order_are_refused(shop: Shop) {
    shop.receive(&[("mug", 5), ("jug", 5)]).await;
    let order = order_id();
    shop.reserve(&order, &[("mug", 1), ("jug", 2)]).await.unwrap();
    for committed in [false, true] {
        for other in [&[("mug", 1)][..], &[("mug", 2), ("jug", 2)], &[("mug", 1), ("hat", 2)]] {
            let refused = shop.reserve(&order, other).await.unwrap_err();
            assert_eq!(refusal(&refused), (Code::FailedPrecondition, "RESERVATION_MISMATCH".into()), "{other:?}");
        }
        if !committed {
            shop.commit(&order).await.unwrap();
        }
    }
    assert_eq!(shop.units("mug").await, (4, 0, 1));
}

async fn the_first_end_is_the_last(shop: Shop) {
    shop.receive(&[("mug", 5)]).await;
    let (sold, released) = (order_id(), order_id());
    for order in [&sold, &released] {
        shop.reserve(order, &[("mug", 1)]).await.unwrap();
    }
    shop.commit(&sold).await.unwrap();
    assert_eq!(shop.release(&sold).await.unwrap().state(), Committed);
    shop.release(&released).await.unwrap();
    assert_eq!(shop.commit(&released).await.unwrap().state(), Released);
    let refused = shop.reserve(&released, &[("mug", 1)]).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "RESERVATION_CLOSED".into()));
    assert_eq!(shop.units("mug").await, (4, 0, 1));
}

async fn a_release_that_comes_before_its_reserve_closes_the_order(shop: Shop) {
    shop.receive(&[("mug", 5)]).await;
    let order = order_id();
    let closed = shop.release(&order).await.unwrap();
    assert_eq!((closed.state(), closed.lines.len(), closed.expire_time), (Released, 0, None));
    for _ in 0..2 {
        let refused = shop.reserve(&order, &[("mug", 1)]).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::FailedPrecondition, "RESERVATION_CLOSED".into()));
        assert_eq!(shop.release(&order).await.unwrap(), closed);
        assert_eq!(shop.commit(&order).await.unwrap(), closed);
    }
    assert_eq!(shop.units("mug").await, (5, 0, 0));
}

async fn a_refused_try_is_not_recorded(shop: Shop) {
    shop.receive(&[("mug", 1)]).await;
    let order = order_id();
    shop.reserve(&order, &[("mug", 2)]).await.unwrap_err();
    shop.receive(&[("mug", 3)]).await;
    assert_eq!(held(&shop.reserve(&order, &[("mug", 3)]).await.unwrap()), [("mug", 3, 0)]);
}

async fn what_has_reserved_nothing_cannot_be_committed(shop: Shop) {
    let refused = shop.commit(&order_id()).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::NotFound, "RESERVATION_NOT_FOUND".into()));
}

async fn the_time_is_counted_from_when_it_is_made(shop: Shop) {
    shop.receive(&[("mug", 5)]).await;
    let lasts = async |ttl: Option<Duration>| {
        let request = pb::ReserveStockRequest { order_id: order_id(), lines: crate::shop::lines(&[("mug", 1)]), ttl };
        let made = shop.client.clone().reserve_stock(request).await.unwrap().into_inner().reservation.unwrap();
        let (from, to) = (made.create_time.unwrap(), made.expire_time.unwrap());
        assert_eq!(made.update_time, Some(from));
        (to.seconds - from.seconds) * 1_000_000_000 + i64::from(to.nanos - from.nanos)
    };
    assert_eq!(lasts(None).await, 900 * 1_000_000_000);
    assert_eq!(lasts(Some(Duration { seconds: 90, nanos: 1_000 })).await, 90_000_001_000);
}

async fn a_hundred_lines_of_ten_thousand_are_reserved_and_sold(shop: Shop) {
    let ids: Vec<String> = (0..100).map(|n| format!("p{n}-{}", "x".repeat(60))).collect();
    shop.receive(&ids.iter().map(|id| (&**id, 10_000)).collect::<Vec<_>>()).await;
    let (order, lines) = (order_id(), ids.iter().map(|id| (&**id, 10_000)).collect::<Vec<_>>());
    shop.reserve(&order, &lines).await.unwrap();
    assert_eq!(shop.commit(&order).await.unwrap().state(), Committed);
    for id in &ids {
        assert_eq!(shop.units(id).await, (0, 0, 10_000));
    }
}

async fn twenty_products_at_most_are_named(shop: Shop) {
    let ids: Vec<String> = (0..100).map(|n| format!("p{n}")).collect();
    let lines: Vec<_> = ids.iter().map(|id| (&**id, 1)).collect();
    let refused = subjects(&shop.reserve(&order_id(), &lines).await.unwrap_err());
    assert_eq!((refused.len(), refused[19].as_str()), (20, "products/p19"));
}

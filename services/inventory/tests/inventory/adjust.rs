//! AdjustStock: deltas and absolute totals, all lines or none, once a request.

use contracts::inventory::v1::stock_adjustment::Change::{Delta, Received};
use tonic::Code;

use crate::shop::{self, Shop, order_id, refusal, request_id, subjects};

crate::on_both_databases!(
    a_delta_and_a_total_say_what_was_received,
    a_total_that_is_said_twice_changes_nothing,
    a_product_is_known_from_its_first_line_even_one_of_nothing,
    all_lines_are_changed_or_none,
    no_change_takes_what_is_reserved_or_sold,
    no_more_than_a_milliard_is_received,
    five_hundred_lines_are_one_change,
    a_request_is_answered_once_whatever_happened_since,
    twenty_lines_at_most_are_named,
);

async fn a_delta_and_a_total_say_what_was_received(shop: Shop) {
    let first = shop.adjust(&[("mug", Delta(5)), ("jug", Received(3))]).await.unwrap();
    assert_eq!(first[0].product_id, "mug");
    assert_eq!((first[0].on_hand, first[0].received, first[0].revision), (5, 5, 1));
    assert_eq!((first[1].on_hand, first[1].received, first[1].revision), (3, 3, 1));
    assert!(first[0].update_time.unwrap().seconds > 1_700_000_000);
    let second = shop.adjust(&[("jug", Delta(-1)), ("mug", Received(9))]).await.unwrap();
    assert_eq!((second[0].on_hand, second[0].received, second[0].revision), (2, 2, 2));
    assert_eq!((second[1].on_hand, second[1].received, second[1].revision), (9, 9, 2));
    assert_eq!(shop.stock("mug").await.unwrap(), second[1]);
}

async fn a_total_that_is_said_twice_changes_nothing(shop: Shop) {
    let first = shop.adjust(&[("mug", Received(5))]).await.unwrap();
    assert_eq!(shop.adjust(&[("mug", Received(5))]).await.unwrap(), first);
    shop.reserve(&order_id(), &[("mug", 2)]).await.unwrap();
    // What is reserved was received too.
    let again = shop.adjust(&[("mug", Received(5))]).await.unwrap();
    assert_eq!((again[0].on_hand, again[0].reserved, again[0].revision), (3, 2, 2));
}

async fn a_product_is_known_from_its_first_line_even_one_of_nothing(shop: Shop) {
    let made = shop.adjust(&[("mug", Received(0))]).await.unwrap();
    assert_eq!((made[0].on_hand, made[0].received, made[0].revision), (0, 0, 1));
    assert_eq!(shop.stock("mug").await.unwrap(), made[0]);
    assert_eq!(shop.adjust(&[("mug", Received(0))]).await.unwrap(), made);
}

async fn all_lines_are_changed_or_none(shop: Shop) {
    shop.receive(&[("mug", 5)]).await;
    let refused = shop.adjust(&[("mug", Delta(1)), ("jug", Delta(-1)), ("mat", Delta(1))]).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "STOCK_OUT_OF_RANGE".into()));
    assert_eq!(subjects(&refused), ["lines[1]"]);
    assert_eq!(shop.units("mug").await, (5, 0, 0));
    for unknown in ["jug", "mat"] {
        assert_eq!(shop.stock(unknown).await.unwrap_err().code(), Code::NotFound);
    }
}

async fn no_change_takes_what_is_reserved_or_sold(shop: Shop) {
    shop.receive(&[("mug", 10)]).await;
    let (sold, held) = (order_id(), order_id());
    shop.reserve(&sold, &[("mug", 3)]).await.unwrap();
    shop.commit(&sold).await.unwrap();
    shop.reserve(&held, &[("mug", 2)]).await.unwrap();
    for change in [Delta(-6), Received(4)] {
        assert_eq!(subjects(&shop.adjust(&[("mug", change)]).await.unwrap_err()), ["lines[0]"], "{change:?}");
    }
    shop.adjust(&[("mug", Received(5))]).await.unwrap();
    assert_eq!(shop.units("mug").await, (0, 2, 3));
}

async fn no_more_than_a_milliard_is_received(shop: Shop) {
    const MOST: i64 = 1_000_000_000;
    shop.adjust(&[("mug", Delta(MOST)), ("jug", Received(1))]).await.unwrap();
    for change in [("mug", Delta(1)), ("jug", Delta(MOST))] {
        assert_eq!(subjects(&shop.adjust(&[change]).await.unwrap_err()), ["lines[0]"], "{change:?}");
    }
    assert_eq!(shop.units("mug").await, (MOST, 0, 0));
}

async fn five_hundred_lines_are_one_change(shop: Shop) {
    let ids: Vec<String> = (0..500).map(|n| format!("p{n}")).collect();
    let lines: Vec<_> = ids.iter().map(|id| (&**id, Received(7))).collect();
    let stock = shop.adjust(&lines).await.unwrap();
    assert!(stock.iter().zip(&ids).all(|(level, id)| level.product_id == *id && level.on_hand == 7));
    assert_eq!(stock.len(), 500);
    assert_eq!(shop.adjust(&lines).await.unwrap(), stock);
}

async fn a_request_is_answered_once_whatever_happened_since(shop: Shop) {
    let id = request_id();
    let first = shop::adjust(&shop.client, &[("mug", Delta(5))], &id).await.unwrap();
    shop.adjust(&[("mug", Delta(2))]).await.unwrap();
    assert_eq!(shop::adjust(&shop.client, &[("mug", Delta(5))], &id.to_uppercase()).await.unwrap(), first);
    assert_eq!(shop.units("mug").await, (7, 0, 0));
    let reused = shop::adjust(&shop.client, &[("mug", Delta(6))], &id).await.unwrap_err();
    assert_eq!(refusal(&reused), (Code::FailedPrecondition, "REQUEST_ID_REUSED".into()));
    // One that was refused is not remembered.
    let id = request_id();
    shop::adjust(&shop.client, &[("mug", Delta(-8))], &id).await.unwrap_err();
    shop.adjust(&[("mug", Delta(1))]).await.unwrap();
    shop::adjust(&shop.client, &[("mug", Delta(-8))], &id).await.unwrap();
    assert_eq!(shop.units("mug").await, (0, 0, 0));
}

async fn twenty_lines_at_most_are_named(shop: Shop) {
    let ids: Vec<String> = (0..30).map(|n| format!("p{n}")).collect();
    let lines: Vec<_> = ids.iter().map(|id| (&**id, Delta(-1))).collect();
    assert_eq!(subjects(&shop.adjust(&lines).await.unwrap_err()).len(), 20);
}

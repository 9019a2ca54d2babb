//! Money given back, whole or by line.

use contracts::checkout::v1 as pb;
use tonic::Code;

use crate::ask::{self, OrderState, precondition, refunding, refusal, subjects};
use crate::bank::{Card, refunded};
use crate::relay::Fate;
use crate::shop::{Shop, eventually, money};

crate::on_both_databases!(
    a_refund_by_line_gives_back_its_price_and_only_its_units,
    the_same_refund_twice_is_one,
    two_operators_who_give_everything_back_at_once_give_it_back_once,
    refunds_end_in_refunded_once_everything_is_given_back,
    more_than_is_left_is_refused_with_the_lines,
    a_refund_that_is_refused_for_good_leaves_the_order_as_it_is,
    a_refund_that_cannot_be_done_now_is_done_later,
    nothing_is_given_back_before_it_is_taken,
);

async fn ask_for(shop: &Shop, order: &pb::Order, lines: &[(&str, i32)], return_units: bool) -> pb::Order {
    ask::refunded(&shop.client, refunding(&order.order_id, lines, return_units)).await.unwrap()
}

async fn a_refund_by_line_gives_back_its_price_and_only_its_units(shop: Shop) {
    shop.sell("mug", 1_250, 5).await;
    shop.sell("jug", 3_000, 5).await;
    let order = shop.paid(&[("mug", 3), ("jug", 1)], Card::Good).await;
    let order = ask_for(&shop, &order, &[("mug", 2)], true).await;
    assert_eq!((order.state(), order.refunds.len()), (OrderState::Captured, 1));
    assert_eq!(order.refunds[0].amount, Some(money("EUR", 2_500)));
    let order = shop.rests(&order).await;
    assert_eq!(order.refunds[0].state(), pb::OrderRefundState::Done);
    assert_eq!((order.refunded_amount.clone(), order.lines[0].refunded_quantity), (Some(money("EUR", 2_500)), 2));
    assert_eq!((order.refunds[0].comment.as_str(), order.lines[1].refunded_quantity), ("sorry", 0));
    assert_eq!((shop.units("mug").await, shop.units("jug").await), ((4, 0, 1), (4, 0, 1)));
    // One more, whose unit does not come back; also after it was sent.
    ask::fulfill(&shop.client, &order.order_id, "1").await.unwrap();
    let order = ask_for(&shop, &order, &[("jug", 1)], false).await;
    let order = shop.rests(&order).await;
    assert_eq!((order.state(), shop.units("jug").await), (OrderState::Fulfilled, (4, 0, 1)));
    assert_eq!(refunded(&shop.bank.payment(&order.order_id).unwrap()), 5_500);
}

async fn the_same_refund_twice_is_one(shop: Shop) {
    shop.sell("mug", 1_250, 5).await;
    let order = shop.paid(&[("mug", 3)], Card::Good).await;
    let request = refunding(&order.order_id, &[("mug", 1)], true);
    let (one, other) =
        tokio::join!(ask::refunded(&shop.client, request.clone()), ask::refunded(&shop.client, request.clone()));
    assert_eq!(one.unwrap(), other.unwrap());
    let order = shop.rests(&order).await;
    let again = ask::refunded(&shop.client, request.clone()).await.unwrap();
    assert_eq!((again.refunds.len(), again.refunds[0].state()), (1, pb::OrderRefundState::Pending), "the first answer");
    assert_eq!((order.refunds.len(), order.refunds[0].refund_id.clone()), (1, request.request_id.clone()));
    assert_eq!((refunded(&shop.bank.payment(&order.order_id).unwrap()), shop.units("mug").await), (1_250, (3, 0, 2)));
    let other = pb::RefundOrderRequest { return_units: false, ..request };
    assert_eq!(precondition(ask::refunded(&shop.client, other).await), "REQUEST_ID_REUSED");
}

async fn two_operators_who_give_everything_back_at_once_give_it_back_once(shop: Shop) {
    shop.sell("mug", 1_250, 3).await;
    let other = shop.replica(shop.config()).await;
    for _ in 0..8 {
        let order = shop.paid(&[("mug", 3)], Card::Good).await;
        let request = || refunding(&order.order_id, &[], true);
        let (one, two) = tokio::join!(ask::refunded(&shop.client, request()), ask::refunded(&other, request()));
        let (taken, refused): (Vec<_>, Vec<_>) = [one, two].into_iter().partition(Result::is_ok);
        assert_eq!((taken.len(), refused.len()), (1, 1), "{taken:?} {refused:?}");
        assert_eq!(refused.into_iter().map(precondition).collect::<Vec<_>>(), ["ORDER_NOT_CAPTURED"]);
        let order = shop.reaches(&order, OrderState::Refunded).await;
        let payment = shop.bank.payment(&order.order_id).unwrap();
        assert_eq!((payment.refunds.len(), refunded(&payment)), (1, 3 * 1_250 + 490));
        assert_eq!(shop.units("mug").await, (3, 0, 0));
    }
}

async fn refunds_end_in_refunded_once_everything_is_given_back(shop: Shop) {
    shop.sell("mug", 1_250, 5).await;
    let order = shop.paid(&[("mug", 2)], Card::Good).await;
    let order = ask_for(&shop, &order, &[("mug", 1)], true).await;
    let order = ask_for(&shop, &order, &[("mug", 1)], true).await;
    // Shipping is left.
    let order = shop.rests(&order).await;
    assert_eq!(order.state(), OrderState::Captured);
    let order = ask_for(&shop, &order, &[], false).await;
    assert_eq!((order.refunds[2].amount.clone(), order.refunds[2].lines.len()), (Some(money("EUR", 490)), 0));
    let order = shop.reaches(&order, OrderState::Refunded).await;
    assert_eq!(order.refunded_amount, order.amounts.clone().unwrap().total);
    assert_eq!(shop.units("mug").await, (5, 0, 0));
    let more = ask::refunded(&shop.client, refunding(&order.order_id, &[], false)).await;
    assert_eq!(precondition(more), "ORDER_NOT_CAPTURED");
}

async fn more_than_is_left_is_refused_with_the_lines(shop: Shop) {
    shop.sell("mug", 1_250, 5).await;
    let order = shop.paid(&[("mug", 2)], Card::Good).await;
    ask_for(&shop, &order, &[("mug", 1)], true).await;
    let request = refunding(&order.order_id, &[("mug", 2), ("hat", 1)], true);
    let refused = ask::refunded(&shop.client, request).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "REFUND_EXCEEDS_ORDER".into()));
    assert_eq!(subjects(&refused), ["lines[0]", "lines[1]"]);
    let stale = pb::RefundOrderRequest { etag: order.etag, ..refunding(&order.order_id, &[], true) };
    let refused = ask::refunded(&shop.client, stale).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::Aborted, "ETAG_MISMATCH".into()));
}

async fn a_refund_that_is_refused_for_good_leaves_the_order_as_it_is(shop: Shop) {
    shop.sell("mug", 1_250, 5).await;
    let order = shop.paid(&[("mug", 2)], Card::NotRefunded).await;
    let order = ask_for(&shop, &order, &[], true).await;
    let order = shop.rests(&order).await;
    assert_eq!((order.state(), order.refunds[0].state()), (OrderState::Captured, pb::OrderRefundState::Failed));
    assert_eq!((order.refunded_amount.clone(), shop.units("mug").await), (Some(money("EUR", 0)), (3, 0, 2)));
    shop.bank.relents();
    let order = ask_for(&shop, &order, &[], true).await;
    shop.reaches(&order, OrderState::Refunded).await;
}

async fn a_refund_that_cannot_be_done_now_is_done_later(shop: Shop) {
    shop.sell("mug", 1_250, 5).await;
    let order = shop.paid(&[("mug", 2)], Card::Good).await;
    shop.to_inventory.set("ReturnStock", Fate::Refused);
    shop.to_payment.set("RefundPayment", Fate::Lost);
    let order = ask_for(&shop, &order, &[("mug", 1)], true).await;
    eventually(async || shop.to_payment.seen("RefundPayment") > 5).await;
    shop.to_payment.clear("RefundPayment");
    eventually(async || shop.to_inventory.seen("ReturnStock") > 5).await;
    let waiting = ask::get(&shop.client, &order.order_id).await.unwrap();
    assert_eq!((waiting.state(), waiting.etag), (OrderState::Captured, order.etag.clone()), "it is not another order");
    shop.to_inventory.clear("ReturnStock");
    let order = shop.rests(&order).await;
    assert_eq!(order.refunds[0].state(), pb::OrderRefundState::Done);
    assert_eq!((refunded(&shop.bank.payment(&order.order_id).unwrap()), shop.units("mug").await), (1_250, (4, 0, 1)));
}

async fn nothing_is_given_back_before_it_is_taken(shop: Shop) {
    shop.sell("mug", 1_250, 5).await;
    shop.to_payment.set("CapturePayment", Fate::Refused);
    let order = shop.order(&[("mug", 1)], Card::Good).await;
    for _ in 0..2 {
        let refused = ask::refunded(&shop.client, refunding(&order.order_id, &[], true)).await;
        assert_eq!(precondition(refused), "ORDER_NOT_CAPTURED");
        shop.reaches(&order, OrderState::NeedsAttention).await;
    }
    assert_eq!(precondition(ask::fulfill(&shop.client, &order.order_id, "1").await), "ORDER_NOT_CAPTURED");
}

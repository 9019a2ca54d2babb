//! Many at once, on two replicas.

use contracts::inventory::v1 as pb;
use contracts::inventory::v1::ReservationState::{Committed, Expired, Released};
use tokio::task::JoinSet;
use tonic::Status;

use crate::shop::{self, Client, Shop, order_id, refusal};

crate::on_both_databases!(
    the_last_unit_is_one_buyers,
    orders_of_several_lines_in_any_order_neither_deadlock_nor_oversell,
    one_order_that_is_reserved_many_times_at_once_is_reserved_once,
    of_commit_release_and_expiry_one_wins_and_all_name_it,
    a_reserve_and_a_release_at_once_leave_nothing_reserved,
    one_request_at_two_replicas_at_once_is_done_once,
);

async fn replicas(shop: &Shop) -> [Client; 2] {
    [shop.client.clone(), shop.replica().await]
}

/// Both replicas soon agree with the database; asked last, when it is quiet.
async fn settles(replicas: &[Client; 2], id: &str, expected: (i64, i64, i64)) {
    for replica in replicas {
        shop::eventually(async || shop::units(replica, id).await == expected).await;
    }
}

async fn the_last_unit_is_one_buyers(shop: Shop) {
    let replicas = replicas(&shop).await;
    shop.receive(&[("mug", 1)]).await;
    let mut buyers = JoinSet::new();
    for buyer in 0..64 {
        let client = replicas[buyer % 2].clone();
        buyers.spawn(async move { shop::reserve(&client, &order_id(), &[("mug", 1)]).await });
    }
    let outcomes = buyers.join_all().await;
    let refused: Vec<&Status> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    assert_eq!(refused.len(), 63);
    assert!(refused.iter().all(|status| refusal(status).1 == "INSUFFICIENT_STOCK"));
    settles(&replicas, "mug", (0, 1, 0)).await;
}

async fn orders_of_several_lines_in_any_order_neither_deadlock_nor_oversell(shop: Shop) {
    const UNITS: i64 = 60;
    let replicas = replicas(&shop).await;
    shop.receive(&[("a", UNITS), ("b", UNITS), ("c", UNITS)]).await;
    let mut buyers = JoinSet::new();
    for buyer in 0..96 {
        let client = replicas[buyer % 2].clone();
        buyers.spawn(async move {
            let mut lines = [("a", 1), ("b", 1), ("c", 1)];
            lines.rotate_left(buyer % 3);
            if buyer % 5 == 0 {
                lines.reverse();
            }
            let order = order_id();
            match shop::reserve(&client, &order, &lines).await {
                Ok(_) if buyer % 4 == 0 => shop::release(&client, &order).await.map(|it| it.state()),
                Ok(_) => shop::commit(&client, &order).await.map(|it| it.state()),
                Err(status) => Err(status),
            }
        });
    }
    let mut sold = 0;
    for outcome in buyers.join_all().await {
        match outcome {
            Ok(state) => sold += i64::from(state == Committed),
            Err(status) => assert_eq!(refusal(&status).1, "INSUFFICIENT_STOCK", "{status}"),
        }
    }
    assert!((1..=UNITS).contains(&sold), "{sold} sold");
    for id in ["a", "b", "c"] {
        settles(&replicas, id, (UNITS - sold, 0, sold)).await;
    }
}

async fn one_order_that_is_reserved_many_times_at_once_is_reserved_once(shop: Shop) {
    let replicas = replicas(&shop).await;
    shop.receive(&[("mug", 100), ("jug", 100)]).await;
    let order = order_id();
    let mut tries = JoinSet::new();
    for number in 0..32 {
        let (client, order) = (replicas[number % 2].clone(), order.clone());
        let mut lines = [("mug", 2), ("jug", 3)];
        lines.rotate_left(number % 2);
        tries.spawn(async move { shop::reserve(&client, &order, &lines).await.unwrap() });
    }
    let made = tries.join_all().await;
    assert!(made.iter().all(|one| *one == made[0]));
    settles(&replicas, "mug", (98, 2, 0)).await;
    settles(&replicas, "jug", (97, 3, 0)).await;
}

async fn of_commit_release_and_expiry_one_wins_and_all_name_it(shop: Shop) {
    let replicas = replicas(&shop).await;
    shop.receive(&[("mug", 1_000)]).await;
    let mut sold = 0;
    for round in 0..20 {
        let order = order_id();
        shop.reserve(&order, &[("mug", 1)]).await.unwrap();
        let mut ends: JoinSet<pb::Reservation> = JoinSet::new();
        for number in 0..6 {
            let (client, order) = (replicas[(number + round) % 2].clone(), order.clone());
            ends.spawn(async move {
                let end = if number % 2 == 0 {
                    shop::commit(&client, &order).await
                } else {
                    shop::release(&client, &order).await
                };
                end.unwrap()
            });
        }
        if round % 2 == 0 {
            shop.time_passes(&order).await;
        }
        let ends = ends.join_all().await;
        assert!(ends.iter().all(|end| *end == ends[0]), "{ends:?}");
        assert!([Committed, Released, Expired].contains(&ends[0].state()));
        sold += i64::from(ends[0].state() == Committed);
    }
    settles(&replicas, "mug", (1_000 - sold, 0, sold)).await;
}

async fn a_reserve_and_a_release_at_once_leave_nothing_reserved(shop: Shop) {
    let replicas = replicas(&shop).await;
    shop.receive(&[("mug", 1_000)]).await;
    for round in 0..20 {
        let order = order_id();
        let (reserved, released) = tokio::join!(
            shop::reserve(&replicas[round % 2], &order, &[("mug", 1)]),
            shop::release(&replicas[(round + 1) % 2], &order)
        );
        assert_eq!(released.unwrap().state(), Released);
        if let Err(status) = reserved {
            assert_eq!(refusal(&status).1, "RESERVATION_CLOSED");
        }
        assert_eq!(shop.commit(&order).await.unwrap().state(), Released);
    }
    settles(&replicas, "mug", (1_000, 0, 0)).await;
}

async fn one_request_at_two_replicas_at_once_is_done_once(shop: Shop) {
    use contracts::inventory::v1::stock_adjustment::Change::Delta;
    let replicas = replicas(&shop).await;
    let (request, order, returned) = (shop::request_id(), order_id(), shop::request_id());
    let both = tokio::join!(
        shop::adjust(&replicas[0], &[("mug", Delta(5))], &request),
        shop::adjust(&replicas[1], &[("mug", Delta(5))], &request)
    );
    assert_eq!(both.0.unwrap(), both.1.unwrap());
    shop.reserve(&order, &[("mug", 4)]).await.unwrap();
    shop.commit(&order).await.unwrap();
    let both = tokio::join!(
        shop::give_back(&replicas[0], &order, &[("mug", 1)], &returned),
        shop::give_back(&replicas[1], &order, &[("mug", 1)], &returned)
    );
    assert_eq!(both.0.unwrap(), both.1.unwrap());
    settles(&replicas, "mug", (2, 0, 3)).await;
}

//! No interleaving oversells or loses units: what clients of two replicas are told at once has an order in which the contract
//! alone would have told them the same.
//!
//! Rounds of a few operations run concurrently. After each, every order of them that explains all answers is followed, from
//! every state that explained those before. When the rounds are over, the stock is that of one of them. Half of it is done
//! while a second replica looks for what has expired all the time, so that expiry takes part wherever it can, and half while
//! nobody does, so that what is held too long stays until somebody needs it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use contracts::inventory::v1 as pb;
use contracts::inventory::v1::ReservationState;
use contracts::inventory::v1::stock_adjustment::Change;
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::runtime::Runtime;
use tonic::Status;

use crate::model::{Answer, Lines, Model, ORDERS, Op, PRODUCTS, State, Units};
use crate::shop::{self, Client, Shop, order_id, refusal, request_id};

/// How often the second replica looks for what has expired: all the time, or never.
const SWEEPING: [Duration; 2] = [Duration::from_millis(3), Duration::from_secs(24 * 60 * 60)];
/// Request ids that operations share: repeated, and used again for something else.
const REQUESTS: usize = 6;

#[test]
fn no_interleaving_oversells_or_loses_units_on_sqlite() {
    let runtime = Runtime::new().unwrap();
    for sweeping in SWEEPING {
        run(&runtime, &runtime.block_on(Shop::on_sqlite()), sweeping);
    }
}

#[test]
fn no_interleaving_oversells_or_loses_units_on_postgres() {
    let runtime = Runtime::new().unwrap();
    for sweeping in SWEEPING {
        run(&runtime, &runtime.block_on(Shop::on_postgres()), sweeping);
    }
}

fn run(runtime: &Runtime, shop: &Shop, sweeping: Duration) {
    let other = runtime.block_on(shop.replica_that_sweeps(sweeping));
    let clients = [shop.client.clone(), other];
    let config = Config { cases: 40, max_shrink_iters: 128, failure_persistence: None, ..Config::default() };
    let rounds = prop::collection::vec(prop::collection::vec(op(), 1..=4), 6..=16);
    TestRunner::new(config).run(&rounds, |rounds| runtime.block_on(explained(shop, &clients, rounds))).unwrap();
}

/// There is little of everything, and orders want the same, so that they are often in each other's way.
fn op() -> impl Strategy<Value = Op> {
    let (product, order, request) = (0..PRODUCTS, 0..ORDERS, 0..REQUESTS);
    let lines = || {
        let all = prop::sample::subsequence((0..PRODUCTS).collect::<Vec<_>>(), 1..=PRODUCTS).prop_shuffle();
        (all, 1_i64..=2)
            .prop_map(|(products, quantity)| products.into_iter().map(|it| (it, quantity)).collect::<Lines>())
    };
    let deltas = prop::sample::select(vec![-2_i64, -1, 1, 2]);
    prop_oneof![
        2 => (product.clone(), deltas, request.clone())
            .prop_map(|(product, delta, request)| Op::Delta { product, delta, request }),
        2 => (product, 0_i64..4, request.clone())
            .prop_map(|(product, received, request)| Op::Received { product, received, request }),
        6 => (order.clone(), lines()).prop_map(|(order, lines)| Op::Reserve { order, lines }),
        3 => order.clone().prop_map(|order| Op::Commit { order }),
        2 => order.clone().prop_map(|order| Op::Release { order }),
        3 => order.clone().prop_map(|order| Op::TimePasses { order }),
        2 => (order, prop_oneof![Just(Lines::new()), lines()], request)
            .prop_map(|(order, lines, request)| Op::Return { order, lines, request }),
    ]
}

/// The names that numbers stand for in one case.
struct Names {
    products: Vec<String>,
    orders: Vec<String>,
    requests: Vec<String>,
}

impl Names {
    fn new() -> Self {
        static CASES: AtomicU32 = AtomicU32::new(0);
        let case = CASES.fetch_add(1, Ordering::Relaxed);
        Self {
            products: (0..PRODUCTS).map(|number| format!("case-{case}-{number}")).collect(),
            orders: (0..ORDERS).map(|_| order_id()).collect(),
            requests: (0..REQUESTS).map(|_| request_id()).collect(),
        }
    }

    fn lines<'a>(&'a self, lines: &Lines) -> Vec<(&'a str, i32)> {
        let line = |(product, quantity): &(usize, i64)| (&*self.products[*product], i32::try_from(*quantity).unwrap());
        lines.iter().map(line).collect()
    }

    fn reservation(&self, answer: Result<pb::Reservation, Status>) -> Answer {
        let reservation = match answer {
            Ok(reservation) => reservation,
            Err(status) => return Answer::Refused(refusal(&status).1),
        };
        let state = match reservation.state() {
            ReservationState::Active => State::Active,
            ReservationState::Committed => State::Committed,
            ReservationState::Released => State::Released,
            ReservationState::Expired => State::Expired,
            ReservationState::Unspecified => panic!("{reservation:?}"),
        };
        let lines = reservation.lines.iter().map(|line| {
            let product = self.products.iter().position(|id| *id == line.product_id).unwrap();
            (product, i64::from(line.quantity), i64::from(line.returned_quantity))
        });
        Answer::Reservation(state, lines.collect())
    }
}

async fn perform(shop: &Shop, client: &Client, names: &Names, op: &Op) -> Answer {
    let adjust = async |product: usize, change, request: usize| {
        let lines = [(&*names.products[product], change)];
        match shop::adjust(client, &lines, &names.requests[request]).await {
            Ok(stock) => Answer::Received(stock[0].received),
            Err(status) => Answer::Refused(refusal(&status).1),
        }
    };
    match op {
        Op::Delta { product, delta, request } => adjust(*product, Change::Delta(*delta), *request).await,
        Op::Received { product, received, request } => adjust(*product, Change::Received(*received), *request).await,
        Op::Reserve { order, lines } => {
            names.reservation(shop::reserve(client, &names.orders[*order], &names.lines(lines)).await)
        }
        Op::Commit { order } => names.reservation(shop::commit(client, &names.orders[*order]).await),
        Op::Release { order } => names.reservation(shop::release(client, &names.orders[*order]).await),
        Op::TimePasses { order } => {
            shop.time_passes(&names.orders[*order]).await;
            Answer::Nothing
        }
        Op::Return { order, lines, request } => {
            let (order, lines) = (&names.orders[*order], names.lines(lines));
            names.reservation(shop::give_back(client, order, &lines, &names.requests[*request]).await)
        }
    }
}

async fn explained(shop: &Shop, clients: &[Client; 2], rounds: Vec<Vec<Op>>) -> Result<(), TestCaseError> {
    let names = Names::new();
    let mut possible = BTreeSet::from([Model::default()]);
    for ops in rounds {
        let calls = ops.iter().zip(clients.iter().cycle()).map(|(op, client)| perform(shop, client, &names, op));
        let answers = join_all(calls).await;
        let told: Vec<(Op, Answer)> = ops.into_iter().zip(answers).collect();
        let mut after = BTreeSet::new();
        for model in &possible {
            follow(model, &told, &mut vec![false; told.len()], &mut after);
        }
        prop_assert!(!after.is_empty(), "nothing explains {told:#?}\nfrom {possible:#?}");
        possible = after;
    }
    // Whoever is short of units has those freed that are held too long.
    for product in &names.products {
        shop.reserve(&order_id(), &[(product, 10_000)]).await.unwrap_err();
    }
    let mut stock = [None; PRODUCTS];
    for (units, product) in stock.iter_mut().zip(&names.products) {
        let stored = shop.stored(product).await;
        prop_assert!(stored.is_none_or(|[on_hand, reserved, sold, received]| on_hand + reserved + sold == received));
        *units = stored.map(|[on_hand, reserved, sold, _]| Units { on_hand, reserved, sold });
    }
    prop_assert!(possible.iter().any(|model| model.stock == stock), "{stock:?} is not of {possible:#?}");
    Ok(())
}

/// Every state that some order of what is not done yet leads to, if it explains what each was told.
fn follow(model: &Model, told: &[(Op, Answer)], done: &mut Vec<bool>, after: &mut BTreeSet<Model>) {
    if done.iter().all(|done| *done) {
        after.insert(model.clone());
        return;
    }
    for (index, (op, answer)) in told.iter().enumerate() {
        if done[index] {
            continue;
        }
        let mut next = model.clone();
        if next.apply(op) == *answer {
            done[index] = true;
            follow(&next, told, done, after);
            done[index] = false;
        }
    }
}

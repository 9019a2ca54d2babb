//! A storm of everything at once, and then the acquirer's ledger is the payments' to the cent.

use std::collections::BTreeMap;
use std::sync::Arc;

use contracts::acquirer::v1::{FaultKind, FaultPlan, FaultRule, IssuerReason, Operation};
use contracts::payment::v1 as pb;
use futures_util::StreamExt as _;
use futures_util::stream;
use pb::PaymentState::{Authorized, Captured, Declined, Voided};

use crate::shop::{self, GOOD, Shop, payment_id, rule};

crate::on_both_databases!(after_a_storm_the_acquirers_ledger_is_the_payments_to_the_cent);

/// Payments of the storm, operations on them, and how many run at a time.
const PAYMENTS: usize = 40;
const OPERATIONS: usize = 500;
const AT_ONCE: usize = 12;
/// Says what happens, apart from the order in which it does.
const SEED: u64 = 20_261_127;

/// A payment of the storm: its id, the token of its card, its amount.
struct Paid {
    id: String,
    token: String,
    minor: i64,
    refunds: [String; 3],
}

fn misbehaviour() -> FaultPlan {
    let short = Some(prost_types::Duration { seconds: 0, nanos: 2_000_000 });
    let sometimes = |probability, kind| FaultRule { probability, delay: short, ..rule(&[], kind) };
    let declined = FaultRule {
        probability: 0.15,
        issuer_reason: IssuerReason::InsufficientFunds.into(),
        ..rule(&[Operation::Authorize], FaultKind::Decline)
    };
    let refused = FaultRule { probability: 0.15, ..rule(&[Operation::Capture, Operation::Refund], FaultKind::Refuse) };
    let rules = vec![
        sometimes(0.2, FaultKind::LoseAnswer),
        sometimes(0.1, FaultKind::Down),
        sometimes(0.1, FaultKind::Slow),
        declined,
        refused,
    ];
    FaultPlan { rules, seed: 11, ..FaultPlan::default() }
}

/// Does something to a payment. What comes of it is for the ledgers to say.
async fn operate(shop: &Shop, paid: &Paid, (what, part, give_up): (u8, usize, bool)) {
    let operation = async {
        match what {
            0..=3 => drop(shop.authorize(&paid.id, &paid.token, paid.minor).await),
            4..=6 => drop(shop.capture(&paid.id).await),
            7..=8 => drop(shop.refund(&paid.id, &paid.refunds[part], paid.minor / 2).await),
            _ => drop(shop.void(&paid.id).await),
        }
    };
    if give_up {
        // Somewhere in the middle, wherever it is by then.
        drop(tokio::time::timeout(std::time::Duration::from_millis(3), operation).await);
    } else {
        operation.await;
    }
}

async fn after_a_storm_the_acquirers_ledger_is_the_payments_to_the_cent(shop: Shop) {
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut all = Vec::new();
    for _ in 0..PAYMENTS {
        let refunds = std::array::from_fn(|_| shop::request_id());
        let minor = random.i64(10..100_000);
        all.push(Arc::new(Paid { id: payment_id(), token: shop.token(GOOD).await, minor, refunds }));
    }
    shop.plan(misbehaviour()).await;
    let reconciler = shop.reconciler().await;
    let plan: Vec<_> = (0..OPERATIONS)
        .map(|_| {
            let paid = Arc::clone(&all[random.usize(0..PAYMENTS)]);
            (paid, (random.u8(0..10), random.usize(0..3), random.u8(0..10) == 0))
        })
        .collect();
    stream::iter(plan)
        .for_each_concurrent(AT_ONCE, |(paid, what)| {
            let shop = &shop;
            async move { operate(shop, &paid, what).await }
        })
        .await;
    shop.faults(vec![]).await;
    shop::eventually(async || {
        shop.reconciled().await;
        quiet(&shop).await
    })
    .await;
    drop(reconciler);
    assert_same(&shop).await;
}

async fn payments(shop: &Shop) -> Vec<pb::Payment> {
    let request = pb::ListPaymentsRequest { page_size: 1_000, ..pb::ListPaymentsRequest::default() };
    shop.client.clone().list_payments(request).await.unwrap().into_inner().payments
}

async fn quiet(shop: &Shop) -> bool {
    payments(shop).await.iter().all(|payment| {
        let settled = matches!(payment.state(), Authorized | Declined | Captured | Voided);
        settled && payment.refunds.iter().all(|refund| refund.state() != pb::PaymentRefundState::Pending)
    })
}

/// What the payments say that the ledger has, operation by operation, against what it has.
async fn assert_same(shop: &Shop) {
    let payments = payments(shop).await;
    let mut ours = BTreeMap::new();
    for payment in &payments {
        let Some(amount) = payment.amount.as_ref().map(shop::cents) else { continue };
        let refunded = payment.refunded_amount.as_ref().map_or(0, shop::cents);
        assert!(refunded == 0 || payment.state() == Captured && refunded <= amount, "{payment:?}");
        let captured = if payment.state() == Captured { amount } else { 0 };
        ours.insert(payment.payment_id.clone(), (captured, refunded));
        let charge = shop.charge(&payment.payment_id).await;
        let charge = charge.unwrap_or_else(|| panic!("the acquirer has never heard of {payment:?}"));
        assert_eq!(charge.reference, payment.processor_reference);
    }
    let mut theirs: BTreeMap<String, (i64, i64)> = ours.keys().map(|id| (id.clone(), (0, 0))).collect();
    let (mut held, mut seen) = (0, BTreeMap::new());
    for (id, operation, minor) in shop.ledger().await {
        let entry = theirs.get_mut(&id).unwrap_or_else(|| panic!("nobody here paid {id}"));
        *seen.entry((id, operation as i32)).or_insert(0) += 1;
        match operation {
            Operation::Authorize => held += minor,
            Operation::Void => held -= minor,
            Operation::Capture => (held, entry.0) = (held - minor, entry.0 + minor),
            Operation::Refund => entry.1 += minor,
            Operation::Unspecified => panic!("an entry of nothing"),
        }
    }
    assert_eq!(ours, theirs);
    // Nothing but a refund is ever done twice.
    assert!(seen.iter().all(|((_, operation), times)| *times == 1 || *operation == Operation::Refund as i32));
    let authorized = payments.iter().filter(|payment| payment.state() == Authorized);
    let authorized: i64 = authorized.filter_map(|payment| payment.amount.as_ref()).map(shop::cents).sum();
    assert_eq!(held, authorized);
    // It was a storm: every end there is was reached.
    for state in [Captured, Declined, Voided] {
        assert!(payments.iter().any(|payment| payment.state() == state), "no payment ended {state:?}");
    }
    assert!(ours.values().any(|(_, refunded)| *refunded > 0), "nothing was refunded");
}

//! What goes wrong when it is told to, and is right in the ledger all the same.

use contracts::acquirer::v1 as pb;
use pb::ChargeState::{Authorized, Captured, Declined};
use pb::{FaultKind, FaultPlan, FaultRule, Operation};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::bank::{Bank, GOOD, euros, failed, payment_id, refund_id, refusal, rule};

crate::on_both_databases!(
    a_lost_answer_is_lost_after_the_work_is_done,
    what_is_down_does_nothing_until_it_is_told_or_its_time_has_come,
    a_rule_is_about_an_operation_a_card_and_an_amount,
    what_is_refused_for_good_is_recorded_where_it_names_itself,
    the_same_seed_gives_the_same_faults,
    every_replica_keeps_to_the_plan_that_was_said_last,
);

async fn a_lost_answer_is_lost_after_the_work_is_done(bank: Bank) {
    let id = payment_id();
    bank.faults(vec![rule(&[], FaultKind::LoseAnswer)]).await;
    let bare = |status: tonic::Status| {
        assert_eq!((status.code(), status.get_error_details().error_info().is_none()), (Code::Unavailable, true));
    };
    bare(bank.authorize(&id, GOOD, 100).await.unwrap_err());
    assert_eq!(bank.get(&id).await.unwrap().state(), Authorized);
    bare(bank.capture(&id).await.unwrap_err());
    bare(bank.refund(&id, &refund_id(), 100).await.unwrap_err());
    let charge = bank.get(&id).await.unwrap();
    assert_eq!((charge.state(), charge.refunds.len()), (Captured, 1));
    bank.faults(vec![]).await;
    // By the card alone, and by this one only.
    let id = payment_id();
    bare(bank.authorize(&id, "4000000000000259", 100).await.unwrap_err());
    assert_eq!(bank.capture(&id).await.unwrap().state(), Captured);
}

async fn what_is_down_does_nothing_until_it_is_told_or_its_time_has_come(bank: Bank) {
    let id = payment_id();
    let down = FaultPlan { down: true, ..FaultPlan::default() };
    let refused = (Code::Unavailable, "PROCESSOR_DOWN".to_owned());
    bank.say(down.clone()).await.unwrap();
    assert_eq!(refusal(&bank.authorize(&id, GOOD, 100).await.unwrap_err()), refused);
    assert_eq!(refusal(&bank.get(&id).await.unwrap_err()), refused);
    assert_eq!(refusal(&bank.void(&id).await.unwrap_err()), refused);
    let over = prost_types::Timestamp { seconds: 1, nanos: 0 };
    bank.say(FaultPlan { down_until_time: Some(over), ..down.clone() }).await.unwrap();
    assert_eq!(bank.get(&id).await.unwrap_err().code(), Code::NotFound);
    let future = prost_types::Timestamp { seconds: 99_999_999_999, nanos: 0 };
    bank.say(FaultPlan { down_until_time: Some(future), ..down }).await.unwrap();
    assert_eq!(refusal(&bank.get(&id).await.unwrap_err()), refused);
    bank.say(FaultPlan::default()).await.unwrap();
    assert_eq!(bank.authorize(&id, GOOD, 100).await.unwrap().state(), Authorized);
}

async fn a_rule_is_about_an_operation_a_card_and_an_amount(bank: Bank) {
    let reason = pb::IssuerReason::StolenCard.into();
    let decline = FaultRule {
        card_last_four: "4444".into(),
        amount: Some(euros(777)),
        issuer_reason: reason,
        ..rule(&[Operation::Authorize], FaultKind::Decline)
    };
    let slow = FaultRule {
        card_last_four: "4242".into(),
        delay: Some(prost_types::Duration { seconds: 0, nanos: 50_000_000 }),
        ..rule(&[Operation::Capture], FaultKind::Slow)
    };
    bank.faults(vec![decline, slow]).await;
    let other = "5555555555554444";
    assert_eq!(bank.authorize(&payment_id(), other, 777).await.unwrap().state(), Declined);
    assert_eq!(bank.authorize(&payment_id(), other, 778).await.unwrap().state(), Authorized);
    let id = payment_id();
    assert_eq!(bank.authorize(&id, GOOD, 777).await.unwrap().state(), Authorized);
    let begun = tokio::time::Instant::now();
    bank.capture(&id).await.unwrap();
    assert!(begun.elapsed() >= std::time::Duration::from_millis(50), "{:?}", begun.elapsed());
}

async fn what_is_refused_for_good_is_recorded_where_it_names_itself(bank: Bank) {
    let (authorized, captured, refund) = (payment_id(), bank.captured(100).await, refund_id());
    bank.authorize(&authorized, GOOD, 100).await.unwrap();
    bank.faults(vec![rule(&[], FaultKind::Refuse)]).await;
    let refused = bank.capture(&authorized).await.unwrap_err();
    assert_eq!(refusal(&refused), failed("CHARGE_REFUSED"));
    let charge = bank.refund(&captured, &refund, 100).await.unwrap();
    assert_eq!(charge.refunds[0].state(), pb::ChargeRefundState::Refused);
    bank.faults(vec![]).await;
    // A capture has no name of its own, a refund has.
    assert_eq!(bank.capture(&authorized).await.unwrap().state(), Captured);
    assert_eq!(bank.refund(&captured, &refund, 100).await.unwrap(), charge);
}

async fn the_same_seed_gives_the_same_faults(bank: Bank) {
    let half = FaultRule { probability: 0.5, ..rule(&[], FaultKind::Down) };
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        bank.say(FaultPlan { rules: vec![half.clone()], seed, ..FaultPlan::default() }).await.unwrap();
        let mut run = Vec::new();
        for _ in 0..32 {
            run.push(bank.void(&payment_id()).await.is_ok());
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
    assert!(runs[0].contains(&true) && runs[0].contains(&false));
}

async fn every_replica_keeps_to_the_plan_that_was_said_last(bank: Bank) {
    let mut other = bank.replica().await;
    let rules = vec![FaultRule {
        card_last_four: "4242".into(),
        amount: Some(euros(50)),
        probability: 0.25,
        delay: Some(prost_types::Duration { seconds: 3, nanos: 500_000_000 }),
        ..rule(&[Operation::Refund, Operation::Void], FaultKind::LoseAnswer)
    }];
    let plan = FaultPlan { rules, seed: -5, down: true, down_until_time: None };
    assert_eq!(bank.say(plan.clone()).await.unwrap(), plan);
    let said = other.get_faults(pb::GetFaultsRequest {}).await.unwrap().into_inner().plan;
    assert_eq!(said, Some(plan));
    let request = pb::GetChargeRequest { payment_id: payment_id() };
    assert_eq!(refusal(&other.get_charge(request).await.unwrap_err()).1, "PROCESSOR_DOWN");
}

//! Whatever is wrong with a request is named, all of it, and never repeated.

use contracts::acquirer::v1 as pb;
use pb::{FaultKind, FaultPlan, FaultRule};

use crate::bank::{Bank, fields, payment_id, rule};

crate::on_both_databases!(everything_wrong_with_a_charge_is_named, everything_wrong_with_a_plan_is_named);

async fn everything_wrong_with_a_charge_is_named(bank: Bank) {
    let mut client = bank.client.clone();
    let card = pb::Card {
        number: "4242 4242".into(),
        security_code: "98x".into(),
        expiry_month: 0,
        expiry_year: 26,
        holder_name: "M\n".into(),
    };
    let request = pb::AuthorizeChargeRequest { payment_id: "P".into(), card: Some(card), amount: None };
    let refused = client.authorize_charge(request).await.unwrap_err();
    let card = ["number", "security_code", "expiry_month", "expiry_year", "holder_name"].map(|of| format!("card.{of}"));
    assert_eq!(fields(&refused), [&["payment_id".to_owned()], &card[..], &["amount".to_owned()]].concat());
    assert!(!format!("{refused:?}").contains("4242") && !format!("{refused:?}").contains("98x"));
    let request = pb::RefundChargeRequest { payment_id: payment_id(), refund_id: "1".into(), amount: None };
    assert_eq!(fields(&client.refund_charge(request).await.unwrap_err()), ["refund_id", "amount"]);
    let request = pb::ListEntriesRequest { page_size: -1, page_token: "+5".into() };
    assert_eq!(fields(&client.list_entries(request).await.unwrap_err()), ["page_size", "page_token"]);
}

async fn everything_wrong_with_a_plan_is_named(bank: Bank) {
    let long = Some(prost_types::Duration { seconds: 60, nanos: 1_000_000 });
    let rules = vec![
        FaultRule { probability: 1.5, card_last_four: "42".into(), ..rule(&[], FaultKind::Down) },
        FaultRule { probability: f64::NAN, delay: long, ..rule(&[], FaultKind::Slow) },
        FaultRule { operations: vec![1, 77], ..rule(&[], FaultKind::Decline) },
        rule(&[], FaultKind::Unspecified),
    ];
    let time = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 });
    let plan = FaultPlan { rules, down_until_time: time, ..FaultPlan::default() };
    let found = [
        "down_until_time",
        "rules[0].card_last_four",
        "rules[0].probability",
        "rules[1].probability",
        "rules[1].delay",
        "rules[2].operations",
        "rules[2].issuer_reason",
        "rules[3].kind",
    ];
    assert_eq!(fields(&bank.say(plan).await.unwrap_err()), found.map(|field| format!("plan.{field}")));
    let plan = FaultPlan { rules: vec![rule(&[], FaultKind::Down); 21], ..FaultPlan::default() };
    assert_eq!(fields(&bank.say(plan).await.unwrap_err()), ["plan.rules"]);
    let request = pb::SetFaultsRequest { plan: None };
    assert_eq!(fields(&bank.client.clone().set_faults(request).await.unwrap_err()), ["plan"]);
}

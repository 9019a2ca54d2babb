//! `souk orders` beside a shop that runs.

use contracts::acquirer::v1::{
    FaultKind, FaultPlan, FaultRule, Operation, SetFaultsRequest, acquirer_service_client::AcquirerServiceClient,
};
use serde_json::Value;
use system_tests::{Kept, Running, operator};

use super::*;

/// A command that has ended: its exit status, and what it printed.
struct Said {
    code: Option<i32>,
    output: String,
}

impl Said {
    fn json(&self) -> Value {
        let line = self.output.lines().find(|line| line.starts_with('{'));
        serde_json::from_str(line.unwrap_or_else(|| panic!("no JSON in {}", self.output))).unwrap()
    }

    fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.output);
        self
    }

    /// Fails, and says all of this.
    fn refused(self, parts: &[&str]) {
        assert_eq!(self.code, Some(1), "{}", self.output);
        parts.iter().for_each(|part| assert!(self.output.contains(part), "{part} is missing in {}", self.output));
    }
}

async fn orders(edge: &str, arguments: &[&str]) -> Said {
    let token = test_operator::token();
    let arguments = [&["orders"], arguments, &["--to", edge]].concat();
    let mut running = Running::start(&arguments, &[("SOUK_TOKEN", &token)]);
    let code = running.ended().await.code();
    Said { code, output: running.output() }
}

#[tokio::test]
async fn an_operator_lists_shows_and_refunds_by_line_and_a_repeated_request_counts_once() {
    let shop = Shop::open(&[]).await;
    let edge = &*shop.grpc;
    let mut shopper = Shopper::at(edge);
    shopper.sell("mug-of-the-test", 5).await;
    let request = shopper.wishes("mug-of-the-test", 3, CardOfShopper::GOOD).await;
    let order = shopper.place(request).await;
    let order = shopper.reaches(&order, OrderState::Captured).await;
    let declined = shopper.wishes("mug-of-the-test", 1, CardOfShopper::DECLINED).await;
    let failed = shopper.place(declined).await;
    let id = &*order.order_id;

    let table = orders(edge, &["list"]).await.done().output;
    assert!(table.contains(&id[..8]) && table.contains("CAPTURED") && table.contains("to be sent"), "{table}");
    assert!(!table.contains(id), "the right to an order is printed only where asked for: {table}");
    assert!(orders(edge, &["list", "--full"]).await.done().output.contains(id));
    let first = orders(edge, &["list", "--json", "--page-size", "1"]).await.done().json();
    assert_eq!(first["orders"][0]["order_id"], *failed.order_id);
    let token = first["next_page_token"].as_str().unwrap();
    let second = orders(edge, &["list", "--json", "--page-size", "1", "--page-token", token]).await.done().json();
    assert_eq!(second["orders"][0]["order_id"], id);
    let narrowed = orders(edge, &["list", "--json", "--state", "failed"]).await.done().json();
    assert_eq!((narrowed["orders"].as_array().unwrap().len(), &narrowed["orders"][0]["state"]), (1, &"FAILED".into()));
    let shown = orders(edge, &["show", id]).await.done().output;
    assert!(shown.contains("card …4242") && shown.contains("3 × mug-of-the-test"), "{shown}");

    let line = ["refund", id, "--return-units", "yes", "--line", "mug-of-the-test=1"];
    orders(edge, &line).await.refused(&["--yes", &id[..8], "card …4242", "EUR"]);
    let request_id = uuid();
    let line = [&line[..], &["--yes", "--json", "--request-id", &request_id]].concat();
    for _ in 0..2 {
        let refunded = orders(edge, &line).await.done().json();
        assert_eq!(refunded["refunds"].as_array().unwrap().len(), 1, "{refunded}");
        assert_eq!(refunded["refunds"][0]["lines"][0]["quantity"], 1);
    }
    eventually("the unit returns", async || {
        let units = shopper.units("mug-of-the-test").await;
        ensure!(units == (3, 0, 2), "{units:?}");
        Ok(())
    })
    .await;
    let more = ["refund", id, "--return-units", "no", "--line", "mug-of-the-test=9", "--yes"];
    orders(edge, &more).await.refused(&[&id[..8], "REFUND_EXCEEDS_ORDER", "lines[0]"]);
}

#[tokio::test]
async fn an_operator_sends_one_order_and_cancels_another() {
    let shop = Shop::open(&[]).await;
    let edge = &*shop.grpc;
    let mut shopper = Shopper::at(edge);
    shopper.sell("mug-of-the-test", 5).await;
    let mut placed = Vec::new();
    for _ in 0..2 {
        let request = shopper.wishes("mug-of-the-test", 1, CardOfShopper::GOOD).await;
        let order = shopper.place(request).await;
        placed.push(shopper.reaches(&order, OrderState::Captured).await);
    }
    let sent = orders(edge, &["fulfill", &placed[0].order_id, "--carrier", "Camel", "--json"]).await.done().json();
    assert_eq!((&sent["state"], &sent["tracking"]["carrier"]), (&"FULFILLED".into(), &"Camel".into()));
    orders(edge, &["cancel", &placed[1].order_id]).await.refused(&["--yes"]);
    orders(edge, &["cancel", &placed[1].order_id, "--yes"]).await.done();
    shopper.reaches(&placed[1], OrderState::Refunded).await;
    orders(edge, &["cancel", &placed[0].order_id, "--yes"]).await.refused(&["ORDER_FULFILLED"]);
    let nobody = "0".repeat(32);
    orders(edge, &["show", &nobody]).await.refused(&["order 00000000", "NOT_FOUND", "ORDER_NOT_FOUND"]);
}

#[tokio::test]
async fn an_order_whose_money_cannot_be_taken_is_stuck_until_it_is_tried_again() {
    let fleet = Kept::open(&[]).await;
    let edge = &*fleet.edge;
    let mut shopper = Shopper::at(edge);
    shopper.sell("mug-of-the-test", 5).await;
    let quiet = orders(edge, &["stuck"]).await.done();
    assert_eq!(quiet.output, "", "a cron job prints nothing where there is nothing");

    let sheet = fleet.sheet().unwrap();
    let mut replicas = sheet["replicas"].as_array().unwrap().iter();
    let acquirer = replicas.find(|row| row["service"] == "acquirer").unwrap()["grpc"].as_str().unwrap();
    let mut acquirer = AcquirerServiceClient::new(operator(acquirer));
    let operations = vec![Operation::Capture.into()];
    let refuses = FaultRule { operations, probability: 1.0, kind: FaultKind::Refuse.into(), ..FaultRule::default() };
    let plan = FaultPlan { rules: vec![refuses], ..FaultPlan::default() };
    acquirer.set_faults(SetFaultsRequest { plan: Some(plan) }).await.unwrap();
    let request = shopper.wishes("mug-of-the-test", 1, CardOfShopper::GOOD).await;
    let order = shopper.place(request).await;
    let order = shopper.reaches(&order, OrderState::NeedsAttention).await;

    let stuck = orders(edge, &["stuck"]).await;
    assert_eq!(stuck.code, Some(1), "{}", stuck.output);
    for part in [&order.order_id[..8], "NEEDS_ATTENTION", "money to be taken", "by you"] {
        assert!(stuck.output.contains(part), "{part} is missing in {}", stuck.output);
    }
    let stuck = orders(edge, &["stuck", "--json"]).await;
    assert_eq!((stuck.code, &stuck.json()["orders"][0]["order_id"]), (Some(1), &Value::from(&*order.order_id)));

    let plan = Some(FaultPlan::default());
    acquirer.set_faults(SetFaultsRequest { plan }).await.unwrap();
    // It takes the money, so somebody has to say so.
    let unasked = orders(edge, &["retry", &order.order_id]).await;
    assert!(unasked.code == Some(1) && unasked.output.contains("say --yes"), "{}", unasked.output);
    let order = shopper.reaches(&order, OrderState::NeedsAttention).await;
    orders(edge, &["retry", &order.order_id, "--yes"]).await.done();
    shopper.reaches(&order, OrderState::Captured).await;
    orders(edge, &["stuck"]).await.done();
    // Nobody is there: that is neither that nothing is stuck nor that something is.
    assert_eq!(orders("127.0.0.1:1", &["stuck"]).await.code, Some(2));
}

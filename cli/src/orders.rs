//! `souk orders`: what became of orders, and what an operator does about those that need somebody.
//!
//! Everything is asked of the shop that runs, by its edge. A command that changes an order makes one request id, so that one
//! whose answer was lost can be repeated and counts once.

mod access;
mod confirm;
mod json;
mod options;
mod refusal;
mod table;
mod text;

use std::{collections::HashSet, io::Write as _, process::ExitCode, time::Duration};

use contracts::checkout::v1::{self as pb, OrderState};
use serde_json::{Value, json};
use tonic::Status;

pub(crate) use self::options::{Orders, short};

use self::{
    access::Shop,
    confirm::confirmed,
    options::{Change, Command, List, MovesMoney, Refund, Shown, Stuck},
    refusal::Refusal,
};

/// Some orders are stuck.
const STUCK: u8 = 1;
/// It could not be found out whether any are.
const UNKNOWN: u8 = 2;
/// Orders of a page, where all of them are read.
const PAGE: i32 = 500;

/// Does what is asked of orders.
pub(crate) fn run(orders: &Orders) -> anyhow::Result<ExitCode> {
    match &orders.command {
        Command::List(options) => options.access.run(async |shop| list(&shop, options).await),
        Command::Show(options) => options.access.run(async |shop| {
            let order = shop.order(&options.order).await?;
            say(&options.shown, &order);
            Ok(ExitCode::SUCCESS)
        }),
        Command::Stuck(options) => {
            let looked = options.access.run(async |shop| stuck(&shop, options).await);
            // A watchdog has to tell "some are stuck" from "nobody knows".
            looked.or_else(|error| {
                warn(&format!("souk: {error:#}"));
                Ok(ExitCode::from(UNKNOWN))
            })
        }
        Command::Cancel(options) => options.change.access.run(async |shop| cancel(&shop, options).await),
        Command::Refund(options) => options.moves.change.access.run(async |shop| refund(&shop, options).await),
        Command::Retry(options) => options.change.access.run(async |shop| retry(&shop, options).await),
        Command::Fulfill(options) => options.change.access.run(async |shop| {
            let Change { order, request_id, .. } = &options.change;
            let request = pb::FulfillOrderRequest {
                order_id: order.to_string(),
                tracking: options.tracking(),
                etag: String::new(),
                request_id: request_id.to_string(),
            };
            let answer = shop.checkout().fulfill_order(request).await;
            changed(&options.change, "fulfill", answer.map(|answer| answer.into_inner().order))
        }),
    }
}

async fn list(shop: &Shop, options: &List) -> anyhow::Result<ExitCode> {
    let request = pb::ListOrdersRequest {
        page_size: options.page_size,
        page_token: options.page_token.clone(),
        states: options.states.iter().map(|state| (*state).into()).collect(),
        unfinished: options.unfinished,
        ..pb::ListOrdersRequest::default()
    };
    let page = shop.page(request).await?;
    if options.shown.json {
        print_json(&json!({ "orders": json::summaries(&page.orders), "next_page_token": page.next_page_token }));
        return Ok(ExitCode::SUCCESS);
    }
    print(&table::of(&page.orders, rpc::now_us(), options.shown.full));
    if !page.next_page_token.is_empty() {
        warn(&format!("there are more: the same with --page-token {}", page.next_page_token));
    }
    Ok(ExitCode::SUCCESS)
}

async fn stuck(shop: &Shop, options: &Stuck) -> anyhow::Result<ExitCode> {
    let attention = pb::ListOrdersRequest {
        states: vec![OrderState::NeedsAttention.into()],
        page_size: PAGE,
        ..pb::ListOrdersRequest::default()
    };
    let late = pb::ListOrdersRequest {
        step_since_before: Some(ago(rpc::now_us(), options.older_than)),
        page_size: PAGE,
        ..pb::ListOrdersRequest::default()
    };
    let mut orders = shop.all(attention).await?;
    orders.extend(shop.all(late).await?);
    // One may need attention and have waited for long.
    let mut seen = HashSet::new();
    orders.retain(|order| seen.insert(order.order_id.clone()));
    if options.shown.json {
        print_json(&json!({ "orders": json::summaries(&orders) }));
    } else if !orders.is_empty() {
        print(&table::of(&orders, rpc::now_us(), options.shown.full));
    }
    Ok(if orders.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(STUCK) })
}

async fn cancel(shop: &Shop, options: &MovesMoney) -> anyhow::Result<ExitCode> {
    let Change { order, request_id, .. } = &options.change;
    if !confirmed(options.yes, "Cancel", &shop.order(order).await?)? {
        return Ok(ExitCode::FAILURE);
    }
    let request =
        pb::CancelOrderRequest { order_id: order.to_string(), etag: String::new(), request_id: request_id.to_string() };
    let answer = shop.checkout().cancel_order(request).await;
    changed(&options.change, "cancel", answer.map(|answer| answer.into_inner().order))
}

async fn retry(shop: &Shop, options: &MovesMoney) -> anyhow::Result<ExitCode> {
    let Change { order, request_id, .. } = &options.change;
    if !confirmed(options.yes, "Try the next step now of", &shop.order(order).await?)? {
        return Ok(ExitCode::FAILURE);
    }
    let request =
        pb::RetryOrderRequest { order_id: order.to_string(), etag: String::new(), request_id: request_id.to_string() };
    let answer = shop.checkout().retry_order(request).await;
    changed(&options.change, "retry", answer.map(|answer| answer.into_inner().order))
}

async fn refund(shop: &Shop, options: &Refund) -> anyhow::Result<ExitCode> {
    let MovesMoney { change, yes } = &options.moves;
    if !confirmed(*yes, &options.question(), &shop.order(&change.order).await?)? {
        return Ok(ExitCode::FAILURE);
    }
    let request = pb::RefundOrderRequest {
        order_id: change.order.to_string(),
        lines: options.lines.iter().map(|line| line.0.clone()).collect(),
        return_units: options.return_units.is_yes(),
        comment: options.comment.clone(),
        etag: String::new(),
        request_id: change.request_id.to_string(),
    };
    let answer = shop.checkout().refund_order(request).await;
    changed(change, "refund", answer.map(|answer| answer.into_inner().order))
}

/// Says how the order stands after a change, or why there was none.
fn changed(
    options: &Change,
    verb: &'static str,
    answer: Result<Option<pb::Order>, Status>,
) -> anyhow::Result<ExitCode> {
    let answer = answer.map_err(|status| Refusal::of(verb, &options.order, status).repeated_by(&options.request_id))?;
    say(&options.shown, &answer.unwrap_or_default());
    Ok(ExitCode::SUCCESS)
}

fn say(shown: &Shown, order: &pb::Order) {
    if shown.json {
        print_json(&json::order(order));
    } else {
        print(&text::of(order, rpc::now_us(), shown.full));
    }
}

fn ago(now_us: i64, age: Duration) -> prost_types::Timestamp {
    let then_us = now_us.saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX)).max(0);
    let nanos = i32::try_from(then_us % 1_000_000 * 1_000).unwrap_or_default();
    prost_types::Timestamp { seconds: then_us / 1_000_000, nanos }
}

fn print_json(value: &Value) {
    print(&format!("{value}\n"));
}

fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _closed = out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err();
}

fn warn(line: &str) {
    let _closed = writeln!(std::io::stderr(), "{line}").is_err();
}

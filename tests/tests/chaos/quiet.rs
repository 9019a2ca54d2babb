//! After the storm: everything is ready again, and every order comes to rest.

use std::time::Duration;

use anyhow::{Result, ensure};
use contracts::checkout::v1::{CancelOrderRequest, OrderState, OrderStepKind, OrderSummary, RetryOrderRequest};
use system_tests::{Kept, Shopper, uuid};
use tokio::time::{Instant, sleep};

use crate::{Run, records};

/// What died often is started again after 30 s; and then on a busy machine.
pub(crate) const READY: Duration = Duration::from_secs(90);
/// The lease of a replica that died runs out after 30 s and a step is tried again after 60 s at most, both more than once
/// where a step finds another service's lease.
const AT_REST: Duration = Duration::from_secs(240);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Orders that are shown where they do not come to rest.
const SHOWN: usize = 20;

/// Waits for all of that, and gives all orders.
pub(crate) async fn wait(fleet: &Kept, run: &Run) -> Vec<OrderSummary> {
    until("every process is ready", READY, async || {
        let sheet = fleet.sheet()?;
        let away: Vec<_> = sheet["replicas"].as_array().unwrap().iter().filter(|row| row["state"] != "ready").collect();
        ensure!(away.is_empty(), "{away:?}");
        Ok(())
    })
    .await;
    run.say("every process is ready");
    let mut last = usize::MAX;
    until("every order is at rest", AT_REST, async || {
        let unfinished = records::orders(fleet, true).await?;
        if unfinished.len() != last {
            run.say(format_args!("{} orders are unfinished", unfinished.len()));
            last = unfinished.len();
        }
        attend(fleet, &unfinished).await?;
        let shown: Vec<_> = unfinished.iter().take(SHOWN).collect();
        ensure!(unfinished.is_empty(), "{} orders are not, such as {shown:#?}", unfinished.len());
        Ok(())
    })
    .await;
    until("all orders are listed", READY, async || Ok(records::orders(fleet, false).await?)).await
}

/// Does what is left to an operator where the acquirer had refused: some of what was not taken is cancelled, the rest is
/// tried again.
async fn attend(fleet: &Kept, unfinished: &[OrderSummary]) -> Result<()> {
    let mut orders = Shopper::at(&fleet.edge).orders;
    for order in unfinished.iter().filter(|order| order.state() == OrderState::NeedsAttention) {
        let (order_id, etag, request_id) = (order.order_id.clone(), String::new(), uuid());
        let untaken = order.step.as_ref().is_some_and(|step| step.kind() == OrderStepKind::Capture);
        // Half of the ids, which are random.
        if untaken && *order_id < *"8" {
            orders.cancel_order(CancelOrderRequest { order_id, etag, request_id }).await?;
        } else {
            orders.retry_order(RetryOrderRequest { order_id, etag, request_id }).await?;
        }
    }
    Ok(())
}

/// Looks until it is so.
pub(crate) async fn until<T>(what: &str, limit: Duration, mut attempt: impl AsyncFnMut() -> Result<T>) -> T {
    let begun = Instant::now();
    loop {
        match attempt().await {
            Ok(found) => return found,
            Err(failure) => assert!(begun.elapsed() < limit, "{what}: not within {limit:?}: {failure:#}"),
        }
        sleep(LOOK).await;
    }
}

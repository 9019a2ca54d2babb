//! Load on several replicas of the server. What each has answered is told by the id that its answers carry, where the
//! server knows of that.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use anyhow::{Result, ensure};
use futures_util::future::join_all;
use mesh::Output;
use tokio::time::Instant;
use tonic::Code;

use super::{Client, Subject, unary::zeros};
use crate::pb::SimpleRequest;

/// What has come of the calls.
#[derive(Debug, Default)]
struct Tally {
    by_server: BTreeMap<String, u64>,
    failures: BTreeMap<String, u64>,
    /// Since the last failure.
    in_a_row: u64,
    /// At most.
    in_flight: u64,
}

/// Every call succeeds.
pub(super) async fn spread(subject: &Subject) -> Result<()> {
    let tally = calls(subject).await?;
    ensure!(tally.failures.is_empty(), "there were failures: {:?}", tally.failures);
    Ok(())
}

/// One replica is killed meanwhile, by whoever started both, on the line `calling`: at most the calls in flight fail, all of
/// them with UNAVAILABLE, and then none does.
pub(super) async fn replica_dies(subject: &Subject) -> Result<()> {
    let tally = calls(subject).await?;
    tally.ensure_codes(&["Unavailable"])?;
    tally.ensure_few_lost()
}

/// One replica is told to stop meanwhile: the same. CANCELLED is what grpcio's server answers to the calls that it had not begun
/// when it was told.
pub(super) async fn replica_stops(subject: &Subject) -> Result<()> {
    let tally = calls(subject).await?;
    tally.ensure_codes(&["Unavailable", "Cancelled"])?;
    tally.ensure_few_lost()
}

/// The only server is stopped and started again meanwhile: UNAVAILABLE while it is away, and then every call succeeds.
pub(super) async fn server_restarts(subject: &Subject) -> Result<()> {
    let tally = calls(subject).await?;
    tally.ensure_codes(&["Unavailable", "Cancelled"])?;
    let answered = tally.failures.get("Cancelled").copied().unwrap_or(0);
    ensure!(answered <= tally.in_flight, "{answered} calls were cancelled, of {} in flight", tally.in_flight);
    tally.ensure_well_in_the_end()
}

impl Tally {
    fn ensure_codes(&self, allowed: &[&str]) -> Result<()> {
        let only = self.failures.keys().all(|code| allowed.contains(&code.as_str()));
        ensure!(only, "there were failures: {:?}", self.failures);
        Ok(())
    }

    fn ensure_few_lost(&self) -> Result<()> {
        let lost: u64 = self.failures.values().sum();
        ensure!(lost <= self.in_flight, "{lost} calls failed, of {} in flight", self.in_flight);
        self.ensure_well_in_the_end()
    }

    fn ensure_well_in_the_end(&self) -> Result<()> {
        ensure!(self.in_a_row > self.in_flight, "no more than {} calls succeeded in the end", self.in_a_row);
        Ok(())
    }
}

/// Calls until the time is over, and prints what came of it.
async fn calls(subject: &Subject) -> Result<Tally> {
    let (client, tally) = (subject.client()?, Mutex::<Tally>::default());
    // The connections are there before the clock runs.
    call(client.clone(), &tally).await;
    Output::Json.print("calling", &[]);
    let end = Instant::now() + subject.amount.calling_time;
    let callers = (0..subject.amount.callers).map(|_| async {
        while Instant::now() < end {
            call(client.clone(), &tally).await;
        }
    });
    join_all(callers).await;
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.in_flight = u64::try_from(subject.amount.callers)?;
    let fields = tally.by_server.iter().chain(&tally.failures).map(|(name, calls)| (name.as_str(), calls.to_string()));
    Output::Json.print("called", &fields.collect::<Vec<_>>());
    Ok(tally)
}

async fn call(mut client: Client, tally: &Mutex<Tally>) {
    let request =
        SimpleRequest { response_size: 1_000, payload: zeros(1_000), fill_server_id: true, ..SimpleRequest::default() };
    let outcome = client.unary_call(request).await;
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    match outcome {
        Ok(answer) => {
            *tally.by_server.entry(answer.into_inner().server_id).or_default() += 1;
            tally.in_a_row += 1;
        }
        Err(status) => {
            if status.code() != Code::Unavailable {
                tracing::warn!(%status, "a call failed otherwise than for want of a server");
            }
            *tally.failures.entry(format!("{:?}", status.code())).or_default() += 1;
            tally.in_a_row = 0;
        }
    }
}

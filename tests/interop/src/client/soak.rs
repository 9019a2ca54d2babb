//! Large calls one after the other, each within a limit.

use anyhow::{Context as _, Result, ensure};
use tokio::time::Instant;

use super::{Client, Subject, unary::large_call};

/// All on one channel.
pub(super) async fn rpc(subject: &Subject) -> Result<()> {
    let mut client = subject.client()?;
    for turn in 0..subject.amount.soak_iterations {
        in_time(subject, turn, &mut client).await?;
    }
    Ok(())
}

/// Each on a channel of its own, connections included, which ends with it.
pub(super) async fn channel(subject: &Subject) -> Result<()> {
    for turn in 0..subject.amount.soak_iterations {
        in_time(subject, turn, &mut subject.client()?).await?;
    }
    Ok(())
}

async fn in_time(subject: &Subject, turn: u32, client: &mut Client) -> Result<()> {
    let begun = Instant::now();
    large_call(client).await.with_context(|| format!("call {turn}"))?;
    let (took, limit) = (begun.elapsed(), subject.amount.soak_latency_max);
    ensure!(took <= limit, "call {turn} took {took:?}, more than {limit:?}");
    Ok(())
}

//! Ends what has expired, batch by batch, for services whose reads do not rest on it.
//!
//! Replicas each look, at times of their own; whoever comes first to a row ends it.

use std::{error::Error, time::Duration};

use mesh::process::parse_duration;
use prometheus_client::metrics::counter::Counter;
use store::Error as StoreError;
use tokio::{sync::watch, time::sleep};

/// What is swept, and how often.
#[derive(Clone, Debug)]
pub struct Sweeper {
    /// Between two looks, a quarter more or less.
    pub interval: Duration,
    /// The most that one look finds; after as many it looks again at once.
    pub batch: u64,
    /// Counts what was found.
    pub found: Counter,
    /// What a failure means, for the log: `expired carts are not deleted`.
    pub failing: &'static str,
}

impl Sweeper {
    /// Looks until `closing`. `look` ends a batch and says how many there were.
    pub async fn run<E, F>(self, mut closing: watch::Receiver<bool>, look: impl Fn() -> F)
    where
        E: Error,
        F: Future<Output = Result<u64, E>>,
    {
        let mut failing = false;
        loop {
            tokio::select! {
                // The sender's end is an end as well.
                _ = closing.wait_for(|closing| *closing) => return,
                () = sleep(spread(self.interval)) => {}
            }
            match self.until_none(&look).await {
                Ok(()) => failing = false,
                // The store has said so already.
                Err(error) if is_away(&error) => {}
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(error = store::chain(&error), "{}", self.failing);
                    }
                }
            }
        }
    }

    async fn until_none<E, F>(&self, look: impl Fn() -> F) -> Result<(), E>
    where
        F: Future<Output = Result<u64, E>>,
    {
        loop {
            let found = look().await?;
            self.found.inc_by(found);
            if found < self.batch {
                return Ok(());
            }
        }
    }
}

/// Reads a time between two looks, as an option is given: none at all would be a loop.
///
/// # Errors
/// If the text is no duration, or one outside 1 ms to 24 h.
pub fn interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text)?;
    let sensible = Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);
    if sensible.contains(&interval) { Ok(interval) } else { Err("must be 1ms to 24h".to_owned()) }
}

/// Three quarters to five quarters of it: replicas that were started together do not look together for ever.
fn spread(interval: Duration) -> Duration {
    interval.mul_f64(0.75 + fastrand::f64() / 2.0)
}

/// Whether a service's error comes straight from a database that is away.
fn is_away(error: &impl Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref());
    matches!(source, Some(StoreError::Unavailable { .. } | StoreError::Closed { .. }))
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::{Arc, Mutex},
    };

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_full_batch_is_followed_at_once_by_the_next_and_closing_ends_it() {
        let (begun, looks) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
        let batches = Arc::new(Mutex::new(VecDeque::from([64, 64, 3])));
        let (close, closing) = watch::channel(false);
        let found = Counter::default();
        let sweeper =
            Sweeper { interval: Duration::from_secs(60), batch: 64, found: found.clone(), failing: "it is not swept" };
        let look = {
            let looks = Arc::clone(&looks);
            move || {
                looks.lock().unwrap().push(begun.elapsed());
                let batch = batches.lock().unwrap().pop_front();
                if batch.is_none() {
                    close.send_replace(true);
                }
                async move { Ok::<_, StoreError>(batch.unwrap_or_default()) }
            }
        };
        sweeper.run(closing, look).await;
        let looks = looks.lock().unwrap();
        assert_eq!((looks.len(), found.get()), (4, 131));
        assert!(looks[0] >= Duration::from_secs(45) && looks[0] == looks[2], "{looks:?}");
        assert!(looks[3] >= looks[2] + Duration::from_secs(45), "{looks:?}");
    }

    #[test]
    fn a_database_that_is_away_is_known_behind_a_services_error() {
        #[derive(Debug, thiserror::Error)]
        #[error("the database did not do it")]
        struct Refused(#[source] StoreError);
        let source: store::Source = Arc::new(std::io::Error::other("gone"));
        assert!(is_away(&Refused(StoreError::Unavailable { attempted: "look", source })));
        assert!(!is_away(&Refused(StoreError::Overloaded { attempted: "look", limit: "units" })));
    }
}

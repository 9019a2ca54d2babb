//! What is to be seen of the feeds that a process follows.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use tokio::sync::watch;

use super::{Follow, Role, Status};

/// The followers of a process. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    feeds: Arc<Mutex<Vec<watch::Receiver<Status>>>>,
}

/// One metric of all followers, each with the label `feed`. Computed when it is asked for.
#[derive(Clone, Debug)]
pub struct Series {
    feeds: Arc<Mutex<Vec<watch::Receiver<Status>>>>,
    of: Of,
}

#[derive(Clone, Copy, Debug)]
enum Of {
    Working,
    LagPositions,
    LagSeconds,
    Applied,
    DeadLetters,
    Connects,
}

impl Metrics {
    /// Adds a follower.
    pub fn observe<C, S>(&self, follow: &Follow<C, S>) {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner).push(follow.status.subscribe());
    }

    /// Each metric's name, help and values, to be registered.
    #[must_use]
    pub fn series(&self) -> [(&'static str, &'static str, Series); 6] {
        let series = |of| Series { feeds: Arc::clone(&self.feeds), of };
        [
            ("feed_working", "1 where this replica follows the feed, 0 where it stands by", series(Of::Working)),
            ("feed_lag_positions", "Positions that were missing at the last bookmark", series(Of::LagPositions)),
            (
                "feed_lag_seconds",
                "Since a bookmark last found that nothing was missing; bookmarks come every 10 s",
                series(Of::LagSeconds),
            ),
            ("feed_applied_events", "Events applied", series(Of::Applied)),
            (
                "feed_dead_letters",
                "Events that could not be applied and went to the dead letters",
                series(Of::DeadLetters),
            ),
            ("feed_connects", "Streams opened", series(Of::Connects)),
        ]
    }
}

impl EncodeMetric for Series {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        for feed in &*self.feeds.lock().unwrap_or_else(PoisonError::into_inner) {
            let status = *feed.borrow();
            let works = status.role != Role::Standby;
            let labels = [("feed", status.feed)];
            let mut encoder = encoder.encode_family(&labels)?;
            let counter = match self.of {
                Of::Working => {
                    encoder.encode_gauge(&i64::from(works))?;
                    continue;
                }
                Of::LagPositions => {
                    let lag = if works { status.lag() } else { 0 };
                    encoder.encode_gauge(&i64::try_from(lag).unwrap_or(i64::MAX))?;
                    continue;
                }
                Of::LagSeconds => {
                    let since = status.caught_up.unwrap_or(status.since).elapsed();
                    encoder.encode_gauge(&if works { since.as_secs_f64() } else { 0.0 })?;
                    continue;
                }
                Of::Applied => status.applied,
                Of::DeadLetters => status.dead_letters,
                Of::Connects => status.connects,
            };
            encoder.encode_counter::<NoLabelSet, _, u64>(&counter, None)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        match self.of {
            Of::Working | Of::LagPositions | Of::LagSeconds => MetricType::Gauge,
            Of::Applied | Of::DeadLetters | Of::Connects => MetricType::Counter,
        }
    }
}

//! Time for what is on its way.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How often what looks wrong is looked at again.
const LOOK: Duration = Duration::from_millis(500);

/// For how long what looks wrong is looked at again. Each part of the check has this time for itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settle(Duration);

impl Settle {
    pub(super) fn new(time: Duration) -> Self {
        Self(time)
    }

    /// From now on.
    pub(super) fn begin(self) -> Settling {
        Settling { end: Instant::now() + self.0 }
    }
}

/// A time that runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settling {
    end: Instant,
}

impl Settling {
    /// Waits until the next look; false where the time is over.
    pub(super) async fn wait(self) -> bool {
        if Instant::now() >= self.end {
            return false;
        }
        sleep(LOOK.min(self.end.saturating_duration_since(Instant::now()))).await;
        true
    }
}

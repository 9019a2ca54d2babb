//! How a process stops: it says so, keeps serving for a while, then lets every connection end.

use std::time::Duration;

use tokio::sync::watch;

/// How far the stop has come. It only goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Serving.
    Running,
    /// Health says NOT_SERVING; calls are still taken, since endpoints are removed late.
    Leaving,
    /// Listeners are closed, GOAWAY is sent, streams are told to end; calls in flight finish.
    Closing,
    /// The grace is over: whatever is left is cut.
    Closed,
}

/// The stop of a process, seen by everything that has to take part in it.
#[derive(Clone, Debug)]
pub struct Drain {
    phase: watch::Sender<Phase>,
}

impl Default for Drain {
    fn default() -> Self {
        Self { phase: watch::Sender::new(Phase::Running) }
    }
}

impl Drain {
    /// How far the stop has come.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Goes to `phase`, never back.
    pub fn advance(&self, phase: Phase) {
        self.phase.send_if_modified(|current| {
            let forward = phase > *current;
            if forward {
                *current = phase;
            }
            forward
        });
    }

    /// Resolves once the stop has come to `phase`.
    pub async fn reached(&self, phase: Phase) {
        // The sender is in `self`, so the channel cannot close while this waits.
        let mut phases = self.phase.subscribe();
        let _closed = phases.wait_for(|current| *current >= phase).await;
    }

    /// Runs the whole stop: `delay` in [`Phase::Leaving`], then [`Phase::Closing`] until `idle` resolves or `grace` is
    /// over, then [`Phase::Closed`]. Returns whether everything ended by itself.
    pub async fn run(&self, delay: Duration, grace: Duration, idle: impl Future<Output = ()>) -> bool {
        self.advance(Phase::Leaving);
        tokio::time::sleep(delay).await;
        self.advance(Phase::Closing);
        let ended = tokio::time::timeout(grace, idle).await.is_ok();
        self.advance(Phase::Closed);
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stop_leaves_first_closes_after_the_delay_and_cuts_after_the_grace() {
        let (drain, begun) = (Drain::default(), tokio::time::Instant::now());
        let stop = tokio::spawn({
            let drain = drain.clone();
            async move { drain.run(Duration::from_secs(5), Duration::from_secs(20), std::future::pending()).await }
        });
        drain.reached(Phase::Leaving).await;
        assert_eq!(begun.elapsed().as_secs(), 0);
        drain.reached(Phase::Closing).await;
        assert_eq!(begun.elapsed().as_secs(), 5);
        drain.reached(Phase::Closed).await;
        assert_eq!(begun.elapsed().as_secs(), 25);
        assert!(!stop.await.unwrap());
    }

    #[test]
    fn a_stop_never_goes_back() {
        let drain = Drain::default();
        drain.advance(Phase::Closing);
        drain.advance(Phase::Leaving);
        assert_eq!(drain.phase(), Phase::Closing);
    }
}

//! How long a replica stays down before it is started again.

use std::time::Duration;

/// The wait after the first death, and the longest.
const WAIT: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// Whoever has been ready for so long has recovered: its next death counts as the first.
const RECOVERED_AFTER: Duration = Duration::from_secs(10);

/// Doubles with each death.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    deaths: u32,
}

impl Backoff {
    /// Notes the death of a process that had been ready for so long, if it ever was, and says how long to wait.
    pub(super) fn after(&mut self, ready_for: Option<Duration>) -> Duration {
        if ready_for.is_some_and(|time| time >= RECOVERED_AFTER) {
            self.deaths = 0;
        }
        let wait = WAIT.0.saturating_mul(2_u32.saturating_pow(self.deaths)).min(WAIT.1);
        self.deaths = self.deaths.saturating_add(1);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_half_a_minute_and_starts_over_after_ten_good_seconds() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..9).map(|_| backoff.after(None).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert_eq!(backoff.after(Some(Duration::from_millis(9_999))).as_secs(), 30);
        assert_eq!(backoff.after(Some(RECOVERED_AFTER)).as_millis(), 250);
        assert_eq!(backoff.after(Some(Duration::ZERO)).as_millis(), 500);
    }
}

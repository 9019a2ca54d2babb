//! How following a feed is going.

use tokio::time::Instant;

use super::sink::Taken;

/// What a replica does about a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Another replica works at it, or nobody yet.
    Standby,
    /// Not connected, or the sink does not take what comes.
    Disconnected,
    /// Takes a snapshot.
    Snapshot,
    /// Applies changes as they come.
    Following,
}

/// How following a feed is going, in this replica.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    /// The service that is followed.
    pub feed: &'static str,
    /// What this replica does about it.
    pub role: Role,
    /// Of the last event that was applied.
    pub position: u64,
    /// The feed's head, as of the last bookmark.
    pub head: u64,
    /// When a bookmark last found that nothing was missing.
    pub caught_up: Option<Instant>,
    /// When the follower was made.
    pub since: Instant,
    /// Events applied, and keys removed after a snapshot, since then.
    pub applied: u64,
    /// Events that went to the dead letters since then.
    pub dead_letters: u64,
    /// Streams opened since then.
    pub connects: u64,
}

impl Status {
    pub(super) fn new(feed: &'static str) -> Self {
        Self {
            feed,
            role: Role::Standby,
            position: 0,
            head: 0,
            caught_up: None,
            since: Instant::now(),
            applied: 0,
            dead_letters: 0,
            connects: 0,
        }
    }

    /// How many positions are missing, as of the last bookmark.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.head.saturating_sub(self.position)
    }

    pub(super) fn took(&mut self, taken: Taken, position: u64) {
        self.position = position;
        self.head = self.head.max(position);
        self.applied += taken.applied;
        self.dead_letters += taken.dead;
    }

    pub(super) fn bookmarked(&mut self, head: u64, now: Instant) {
        self.head = head;
        if self.position >= head {
            self.caught_up = Some(now);
        }
    }
}

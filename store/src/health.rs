//! Whether the database is there, as readiness asks.

use crate::error::Source;

/// Whether the database answers.
#[derive(Clone, Debug)]
pub enum Health {
    /// It has not been reached since the start: not connected, or not migrated yet.
    Starting,
    /// It answered within the last poll.
    Available,
    /// It does not answer; it is tried again every [`probe_interval`](crate::Limits::probe_interval).
    Away(Source),
    /// It cannot be used as it is: its tables are gone, its file was moved, it is another database, or it lost commits. A
    /// person has to look at it. It is tried again.
    Unusable(Source),
}

impl Health {
    /// True when calls are worth making.
    #[must_use]
    pub fn is_available(&self) -> bool {
        matches!(self, Self::Available)
    }
}

//! What a service does with the events of a feed.

use crate::error::{Error, Source, source};
use crate::event::Event;
use crate::transaction::Transaction;

/// What a service does with the events of a feed, in its own tables.
///
/// Both methods are parts of a [`Unit`](crate::Unit): they may run more than once, each time on a state in which the earlier
/// run never happened, they change nothing but the database, and await nothing but `tx`.
pub trait Effect: Send + Sync + 'static {
    /// What [`apply`](Self::apply) writes that other units of this service write too, as in [`Unit::keys`](crate::Unit::keys).
    /// Units of one feed never run at the same time anyway.
    fn keys(&self, event: &Event) -> Vec<String> {
        let _none_of_others = event;
        Vec::new()
    }

    /// Brings one key to the state that the event says. A type that is not known is ignored: `Ok(())`.
    ///
    /// It is called with rising revisions of a key, and again with any in a snapshot, so it sets a state: an upsert or a
    /// delete, never a sum.
    fn apply(&self, tx: &mut Transaction, event: &Event) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Removes a key that a snapshot did not name; it may be gone already.
    fn remove(&self, tx: &mut Transaction, key: &str) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Why an event was not applied.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// It never will be: its payload cannot be decoded or makes no sense. It goes to the dead letters at once.
    #[error("the event cannot be applied")]
    Permanent(#[source] Source),
    /// It may be soon. It is tried a few times, within a second, then it goes to the dead letters.
    #[error("the event cannot be applied now")]
    Transient(#[source] Source),
    /// A statement failed. A database that is away is waited for; a statement that this event alone makes fail, or take too
    /// long, is the event's fault.
    #[error("apply an event")]
    Store(#[from] Error),
}

impl Failure {
    /// For a payload that cannot be decoded, and the like.
    pub fn permanent(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Permanent(source(error))
    }

    /// For what another try may find otherwise.
    pub fn transient(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Transient(source(error))
    }

    /// False if it says nothing about the event, but about the database.
    pub(crate) fn is_of_the_event(&self) -> bool {
        match self {
            Self::Permanent(_) | Self::Transient(_) => true,
            Self::Store(error) => match error {
                Error::Unavailable { .. } => error.is_too_slow(),
                Error::InDoubt { .. }
                | Error::Overloaded { .. }
                | Error::Closed { .. }
                | Error::Config { .. }
                | Error::Open { .. }
                | Error::Migration { .. } => false,
                Error::Conflict { .. }
                | Error::Violation { .. }
                | Error::RequestReused { .. }
                | Error::Corrupt { .. }
                | Error::Internal { .. } => true,
            },
        }
    }

    /// True if another try is no use.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            Self::Permanent(_) => true,
            Self::Transient(_) => false,
            Self::Store(error) => !matches!(error, Error::Unavailable { .. }),
        }
    }

    /// The failure with its causes in one line, cut to what is worth keeping.
    pub(crate) fn chain(&self) -> String {
        const MAX: usize = 1_000;
        crate::chain(self).chars().filter(|character| *character != '\0').take(MAX).collect()
    }
}

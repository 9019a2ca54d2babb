//! The dead letters of a service's inbox, for an operator's tools beside the service or without it.
//!
//! It is one more process on the database, as a replica is; but it follows nothing, and leaves the schema as it is.

use tokio::runtime::Handle;

use super::{DEAD_LETTERS_PAGE_MAX, DeadLetter, DeadLetters, Effect, Failure, Inbox, LetterId, Replayed};
use crate::config::Config;
use crate::error::Error;
use crate::open::Store;

/// See the module.
#[derive(Debug)]
pub struct Beside<E> {
    store: Store,
    letters: DeadLetters<E>,
    source: &'static str,
}

impl<E: Effect> Beside<E> {
    /// Opens the database of a service that follows the feed of `source` by this effect.
    ///
    /// # Errors
    /// If the address is wrong, or the database cannot be used as it is.
    pub async fn open(url: &str, source: &'static str, effect: E, background: Handle) -> Result<Self, Error> {
        let store = Store::open(Config::parse(url)?, &[], background).await?;
        let letters = Inbox::new(store.clone(), source, effect).dead_letters();
        Ok(Self { store, letters, source })
    }

    /// Whose events they are.
    #[must_use]
    pub fn source(&self) -> &'static str {
        self.source
    }

    /// Those after this one, the oldest first; at most [`DEAD_LETTERS_PAGE_MAX`].
    ///
    /// # Errors
    /// As the store.
    pub async fn list(&self, after: LetterId) -> Result<Vec<DeadLetter>, Error> {
        self.letters.list(after, DEAD_LETTERS_PAGE_MAX).await
    }

    /// Applies one now, unless its key has gone on without it.
    ///
    /// # Errors
    /// Why it could not be applied this time; it stays.
    pub async fn replay(&self, id: LetterId) -> Result<Replayed, Failure> {
        self.letters.replay(id).await
    }

    /// Lets go of the database.
    pub async fn close(&self) {
        self.store.close().await;
    }
}

//! The one task that looks after the database: connects and migrates it, follows its head, and tries it again when it is away.
//!
//! Its poll is also the proof of life that readiness rests on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::Target;
use crate::database::{Connected, Database, Role};
use crate::error::{Error, Source, because, source};
use crate::event::HEAD;
use crate::health::Health;
use crate::migration::{self, Failure, Migration, lock_file};
use crate::raw::{Class, DriverError};
use crate::row::{RawRow, Row};
use crate::transaction::now_us;

/// How often a start tries a database that takes its time, before it goes on without.
const START_TRIES: usize = 8;

/// See the module.
pub(crate) struct Keeper {
    database: Arc<Database>,
    migrations: &'static [Migration],
    stopped: watch::Receiver<bool>,
    migrated: bool,
    connected: Option<Connected>,
    /// The feed's name, which no other database has.
    feed: Option<String>,
    /// Why nothing that this process knows of the database holds any more.
    outdated: Option<Source>,
}

/// Why the database is not available.
enum Trouble {
    /// It is not there; that may pass.
    Away(Source),
    /// It took longer than a call would wait: the machine is busy, or nobody answers.
    Slow(Source),
    /// It is there and refuses us.
    Refused(Source),
    /// Its schema cannot be brought up to date.
    Schema(Failure),
}

impl Keeper {
    pub(crate) fn new(
        database: Arc<Database>,
        migrations: &'static [Migration],
        stopped: watch::Receiver<bool>,
    ) -> Self {
        Self { database, migrations, stopped, migrated: false, connected: None, feed: None, outdated: None }
    }

    /// The first try, which decides whether the service starts at all.
    pub(crate) async fn start(mut self) -> Result<Self, Error> {
        let target = self.database.target.to_string();
        let mut reached = self.reach().await;
        for _ in 1..START_TRIES {
            if !matches!(reached, Err(Trouble::Slow(_))) {
                break;
            }
            reached = self.reach().await;
        }
        match reached {
            Ok(()) => {
                self.database.available();
                Ok(self)
            }
            Err(Trouble::Schema(Failure::Wrong(source))) => Err(Error::Migration { target, source }),
            Err(Trouble::Refused(source)) => Err(Error::Open { target, source }),
            Err(Trouble::Away(source) | Trouble::Slow(source) | Trouble::Schema(Failure::Lost(source))) => {
                match self.database.target {
                    // A file does not come back by itself.
                    Target::Sqlite { .. } => Err(Error::Open { target, source }),
                    Target::Postgres { .. } => {
                        tracing::warn!(database = %target, error = %source, "database away at start");
                        self.database.away(&source);
                        Ok(self)
                    }
                }
            }
        }
    }

    /// Polls while the database is available, probes while it is not.
    pub(crate) async fn run(mut self) {
        let mut health = self.database.health.subscribe();
        let mut stopped = self.stopped.clone();
        let mut ticks = interval(self.database.limits.poll_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let available = health.borrow_and_update().is_available();
            tokio::select! {
                () = ended(&mut stopped) => return,
                _ = ticks.tick(), if available => {}
                () = self.probe_pause(), if !available => {}
                // Somebody opened the breaker: look at once whether the database is really away.
                _ = health.changed(), if available => {}
            }
            match self.reach().await {
                Ok(()) => self.database.available(),
                Err(trouble) => self.report(trouble),
            }
        }
    }

    async fn probe_pause(&self) {
        tokio::time::sleep(self.database.limits.probe_interval).await;
    }

    /// Connects and migrates where that is still to be done, then reads the head.
    async fn reach(&mut self) -> Result<(), Trouble> {
        if !self.migrated {
            self.migrate().await?;
            self.database.remember_file().map_err(|error| Trouble::Refused(source(error)))?;
            self.migrated = true;
        }
        if let Some(why) = &self.outdated {
            return Err(Trouble::Refused(Arc::clone(why)));
        }
        self.database.in_place().map_err(Trouble::Refused)?;
        let mut replaced = false;
        loop {
            let mut connected = match self.connected.take() {
                Some(connected) if self.database.is_current(connected.generation) => connected,
                _ => self.dial(Role::Poller).await?,
            };
            let known = *self.database.head.borrow();
            // A poll that waits longer than a probe would is as good as lost; readiness promises to notice within 5 s.
            let limit = self.database.limits.probe_interval * 4;
            match connected.raw.fetch_all(&HEAD, Vec::new(), limit).await {
                Ok(rows) => {
                    self.note(rows, known)?;
                    self.connected = Some(connected);
                    return Ok(());
                }
                // A server that was restarted accepts a new connection at once.
                Err(error) if !replaced && error.class() == Class::Lost => {
                    self.database.connection_lost();
                    tracing::info!(database = %self.database.target, %error, "connection lost");
                    replaced = true;
                }
                Err(error) => return Err(trouble(error)),
            }
        }
    }

    /// Notes the head, which was `known` before it was read.
    fn note(&mut self, rows: Vec<RawRow>, known: u64) -> Result<(), Trouble> {
        let refused = |error: Error| Trouble::Refused(source(error));
        let row = rows.into_iter().next().map(|raw| Row { statement: HEAD.name, raw });
        let row = row.ok_or_else(|| Trouble::Refused(because("its feed has no name")))?;
        let feed: String = row.get("feed").map_err(refused)?;
        if *self.feed.get_or_insert_with(|| feed.clone()) != feed {
            let why =
                "this is another database than the one that was opened: put that one back, or restart to use this one";
            return Err(Trouble::Refused(because(why)));
        }
        let head: u64 = row.get("head").map_err(refused)?;
        if head < known {
            // Positions will be used again for other events, so it stays wrong when they are reached.
            let why = because(format!(
                "its newest position is {head} where {known} was seen: it lost commits, or is an older copy; \
                 restart to go on from there"
            ));
            self.outdated = Some(Arc::clone(&why));
            return Err(Trouble::Refused(why));
        }
        let time_us: Option<i64> = row.get("time_us").map_err(refused)?;
        // Asked first: afterwards an own commit is in the head, or was not visible when it was read.
        let committing = self.database.committing.load(Ordering::Acquire);
        let news = head > *self.database.head.borrow() && known > 0 && !committing;
        if let Some(time_us) = time_us.filter(|_| news) {
            let age_us = u64::try_from(now_us().saturating_sub(time_us)).unwrap_or_default();
            self.database.followed.send_replace(Duration::from_micros(age_us));
        }
        self.database.advance(head);
        Ok(())
    }

    async fn dial(&self, role: Role) -> Result<Connected, Trouble> {
        self.database.dial(role).await.map_err(trouble)
    }

    async fn migrate(&self) -> Result<(), Trouble> {
        let _lock = match &self.database.target {
            Target::Sqlite { path } => {
                let path = path.clone();
                let locked = tokio::task::spawn_blocking(move || lock_file(&path)).await;
                let locked = locked.map_err(|error| Trouble::Refused(source(error)))?;
                Some(locked.map_err(|error| Trouble::Refused(source(error)))?)
            }
            Target::Postgres { .. } => None,
        };
        let Connected { mut raw, .. } = self.dial(Role::Migrator).await?;
        let migrated = migration::migrate(&mut raw, self.migrations).await.map_err(Trouble::Schema);
        raw.close().await;
        migrated
    }

    fn report(&self, trouble: Trouble) {
        match trouble {
            Trouble::Away(source) | Trouble::Slow(source) | Trouble::Schema(Failure::Lost(source)) => {
                self.database.away(&source);
            }
            Trouble::Refused(source) | Trouble::Schema(Failure::Wrong(source)) => {
                let was = self.database.health.send_replace(Health::Unusable(Arc::clone(&source)));
                if !matches!(was, Health::Unusable(_)) {
                    self.database.connection_lost();
                    tracing::error!(database = %self.database.target, error = %source, "database unusable");
                }
            }
        }
    }
}

/// Waiting mends no wrong password, missing database or table, or refused setting; it mends a server that is starting.
fn trouble(error: DriverError) -> Trouble {
    let passes = matches!(error.class(), Class::Lost | Class::Busy | Class::Full);
    let misconfigured = matches!(error, DriverError::Postgres(sqlx::Error::Tls(_) | sqlx::Error::Configuration(_)));
    let slow = error.is_timeout();
    let source = source(error);
    match (slow, passes && !misconfigured) {
        (true, _) => Trouble::Slow(source),
        (false, true) => Trouble::Away(source),
        (false, false) => Trouble::Refused(source),
    }
}

/// Waits until the store is closed or dropped.
pub(crate) async fn ended(stopped: &mut watch::Receiver<bool>) {
    // An error says that the store is gone, which is an end as well.
    drop(stopped.wait_for(|stop| *stop).await);
}
